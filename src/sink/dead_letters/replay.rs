//! Sends dead letters to their sinks again, each under its own event id, so that events which the target already has
//! count as delivered. Delivered letters are removed; letters that are rejected again stay, with one more attempt;
//! letters that the target does not accept now stay unchanged. A crash repeats work and never loses a letter.

mod send;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::send::{LetterOutcome, Sender};
use super::rewrite::Rewrite;
use super::{
    DeadLetter, DeadLetterDirectory, LetterFile, LetterFilter, Line, Lines, MalformedLines,
    UnreadableLine,
};
use crate::sink::Sink;

/// Maximum number of letters that are in memory and sent together.
const LETTERS: usize = 1000;
/// No more letters are added once their documents have this many bytes.
const BYTES: usize = 1 << 20;

pub type SinkOrReason = Result<Arc<dyn Sink>, String>;

/// One replay: which letters, and the sinks for them.
pub struct Replay<'a> {
    pub directory: &'a DeadLetterDirectory,
    pub choice: &'a LetterFilter,
    /// Returns the sink of a name, or the reason why there is none.
    pub sinks: &'a dyn Fn(&str) -> SinkOrReason,
    /// Runs the requests; the calling thread must not be one of its threads.
    pub runtime: Handle,
    /// Stops the replay between two requests; unsent letters stay.
    pub stop: CancellationToken,
    /// Called with the number of bytes that are finished, and that of all files.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// The result of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    pub delivered: u64,
    /// Those of the delivered letters that the target already had.
    pub duplicates: u64,
    /// Rejected again, permanently.
    pub refused: u64,
    /// Not accepted now; unchanged.
    pub left: u64,
    /// The reasons why it ended early, or skipped something.
    pub problems: Vec<String>,
    /// Lines that are not dead letters; they stay.
    pub odd: MalformedLines,
}

impl Replay<'_> {
    /// Replays the chosen letters. Blocking. `None`: another replay or removal is running.
    pub fn run(mut self) -> io::Result<Option<Replayed>> {
        let directory = self.directory;
        let Some(_changing) = directory.lock_changes() else { return Ok(None) };
        let mut replayed = Replayed::default();
        let files = directory.files(self.choice)?;
        let all = files.iter().map(|file| file.bytes).sum();
        let mut before = 0;
        let mut given_up: Option<&str> = None;
        for file in &files {
            if given_up != Some(&file.sink) && !self.stop.is_cancelled() {
                let whole = match (self.sinks)(&file.sink) {
                    Ok(sink) => {
                        (self.progress)(before, all);
                        self.file(file, sink, (before, all), &mut replayed)?
                    }
                    Err(problem) => {
                        replayed.problems.push(problem);
                        false
                    }
                };
                given_up = (!whole).then_some(&file.sink);
            }
            before += file.bytes;
        }
        (self.progress)(all, all);
        Ok(Some(replayed))
    }

    /// Replays the chosen letters of one file; `false` if the sink accepts nothing more now.
    fn file(
        &mut self,
        file: &LetterFile,
        sink: Arc<dyn Sink>,
        (before, all): (u64, u64),
        replayed: &mut Replayed,
    ) -> io::Result<bool> {
        let mut rewrite = Rewrite::begin(self.directory, file)?;
        let mut sender = Sender::new(sink, self.runtime.clone(), self.stop.clone());
        let mut group = Group::default();
        let mut end = 0;
        for line in Lines::open(file)? {
            let line = line?;
            end = line.end;
            group.take(line, self.choice, &mut replayed.odd);
            if group.is_full() {
                std::mem::take(&mut group).send_and_record(
                    file,
                    &mut sender,
                    &mut rewrite,
                    replayed,
                )?;
                (self.progress)(before + end, all);
                if sender.given_up.is_some() {
                    break;
                }
            }
        }
        group.send_and_record(file, &mut sender, &mut rewrite, replayed)?;
        rewrite.finish(end)?;
        replayed.problems.extend(sender.problems(&file.sink));
        Ok(sender.given_up.is_none())
    }
}

/// Consecutive lines of a file, whose chosen letters are sent together.
#[derive(Default)]
struct Group {
    /// The bytes and the number of each line.
    lines: Vec<(Range<u64>, u64)>,
    /// The letters to be sent, with the indices of their lines.
    letters: Vec<(usize, DeadLetter)>,
    bytes: usize,
}

impl Group {
    fn take(&mut self, line: Line, choice: &LetterFilter, odd: &mut MalformedLines) {
        match line.letter {
            Ok(letter) if choice.takes(&letter) => {
                self.bytes += letter.document.get().len();
                self.letters.push((self.lines.len(), letter));
            }
            Ok(_) => {}
            Err(problem) => odd.add(&problem),
        }
        self.lines.push((line.start..line.end, line.number));
    }

    fn is_full(&self) -> bool {
        self.letters.len() >= LETTERS || self.bytes >= BYTES || self.lines.len() >= 10 * LETTERS
    }

    /// Sends the letters and rewrites the lines according to the outcomes.
    fn send_and_record(
        self,
        file: &LetterFile,
        sender: &mut Sender,
        rewrite: &mut Rewrite<'_>,
        replayed: &mut Replayed,
    ) -> io::Result<()> {
        let letters: Vec<&DeadLetter> = self.letters.iter().map(|(_, letter)| letter).collect();
        let outcomes = sender.send(&letters);
        let mut letters = self.letters.into_iter().zip(outcomes).peekable();
        for (index, (span, line)) in self.lines.into_iter().enumerate() {
            match letters.next_if(|((at, _), _)| *at == index) {
                None => rewrite.keep(span)?,
                Some(((_, letter), outcome)) => match outcome {
                    LetterOutcome::Delivered { duplicate } => {
                        replayed.delivered += 1;
                        replayed.duplicates += u64::from(duplicate);
                        rewrite.remove();
                    }
                    LetterOutcome::Refused { refusal, target } => {
                        replayed.refused += 1;
                        let attempts = letter.attempts + 1;
                        let version = super::letter::VERSION;
                        let letter = DeadLetter { attempts, target, version, ..letter };
                        rewrite.replace(&letter.refused(refusal))?;
                    }
                    LetterOutcome::NotTaken => {
                        replayed.left += 1;
                        rewrite.keep(span)?;
                    }
                    LetterOutcome::Unreadable(problem) => {
                        let path = file.path.clone();
                        replayed.odd.add(&UnreadableLine { path, line, problem });
                        rewrite.keep(span)?;
                    }
                },
            }
        }
        Ok(())
    }
}
