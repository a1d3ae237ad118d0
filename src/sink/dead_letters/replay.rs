//! Kept events are sent to their sink again, each under its own id: what is there already is done by that. What
//! is delivered leaves the store; what is refused again stays, with one attempt more; what the target does not
//! take now stays as it was. A crash in the middle repeats, and never loses.

mod send;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::send::{Fate, Sending};
use super::rewrite::Rewrite;
use super::{Choice, DeadLetter, DeadLetterDirectory, LetterFile, Line, Lines, Odd, Oddities};
use crate::sink::Sink;

/// Letters that are held in memory and sent together.
const LETTERS: usize = 1000;
/// Bytes of their documents.
const BYTES: usize = 1 << 20;

pub type Found = Result<Arc<dyn Sink>, String>;

/// Who is to send what.
pub struct Replay<'a> {
    pub directory: &'a DeadLetterDirectory,
    pub choice: &'a Choice,
    /// The sink of a name, or why there is none.
    pub sinks: &'a dyn Fn(&str) -> Found,
    /// On which requests are made; the caller's own thread may not be one of its.
    pub runtime: Handle,
    /// Ends it between two requests; what is not sent stays.
    pub stop: CancellationToken,
    /// Told bytes of the files that are done, and of all of them.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    pub delivered: u64,
    /// Of these: were there already.
    pub duplicates: u64,
    /// Refused again, for good.
    pub refused: u64,
    /// Sent, and not taken now.
    pub left: u64,
    /// Why it ended early, or passed something over.
    pub problems: Vec<String>,
    pub odd: Oddities,
}

impl Replay<'_> {
    /// Blocking. `None` while somebody else replays or drops.
    pub fn run(mut self) -> io::Result<Option<Replayed>> {
        let directory = self.directory;
        let Some(_sorting) = directory.sort() else { return Ok(None) };
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

    /// `false` where the sink takes nothing more now.
    fn file(
        &mut self,
        file: &LetterFile,
        sink: Arc<dyn Sink>,
        (before, all): (u64, u64),
        replayed: &mut Replayed,
    ) -> io::Result<bool> {
        let mut rewrite = Rewrite::begin(self.directory, file)?;
        let mut sending = Sending::new(sink, self.runtime.clone(), self.stop.clone());
        let mut group = Group::default();
        let mut end = 0;
        for line in Lines::open(file)? {
            let line = line?;
            end = line.end;
            group.take(line, self.choice, &mut replayed.odd);
            if group.is_full() {
                std::mem::take(&mut group).settle(file, &mut sending, &mut rewrite, replayed)?;
                (self.progress)(before + end, all);
                if sending.given_up.is_some() {
                    break;
                }
            }
        }
        group.settle(file, &mut sending, &mut rewrite, replayed)?;
        rewrite.finish(end)?;
        replayed.problems.extend(sending.problems(&file.sink));
        Ok(sending.given_up.is_none())
    }
}

/// Consecutive lines of a file.
#[derive(Default)]
struct Group {
    places: Vec<(Range<u64>, u64)>,
    /// Those that are to be sent, by the index of their place.
    letters: Vec<(usize, DeadLetter)>,
    bytes: usize,
}

impl Group {
    fn take(&mut self, line: Line, choice: &Choice, odd: &mut Oddities) {
        match line.letter {
            Ok(letter) if choice.takes(&letter) => {
                self.bytes += letter.document.get().len();
                self.letters.push((self.places.len(), letter));
            }
            Ok(_) => {}
            Err(problem) => odd.add(&problem),
        }
        self.places.push((line.start..line.end, line.number));
    }

    fn is_full(&self) -> bool {
        self.letters.len() >= LETTERS || self.bytes >= BYTES || self.places.len() >= 10 * LETTERS
    }

    /// Sends its letters, and writes down what is left.
    fn settle(
        self,
        file: &LetterFile,
        sending: &mut Sending,
        rewrite: &mut Rewrite<'_>,
        replayed: &mut Replayed,
    ) -> io::Result<()> {
        let letters: Vec<&DeadLetter> = self.letters.iter().map(|(_, letter)| letter).collect();
        let fates = sending.send(&letters);
        let mut letters = self.letters.into_iter().zip(fates).peekable();
        for (index, (place, line)) in self.places.into_iter().enumerate() {
            match letters.next_if(|((at, _), _)| *at == index) {
                None => rewrite.keep(place)?,
                Some(((_, letter), fate)) => match fate {
                    Fate::Delivered { duplicate } => {
                        replayed.delivered += 1;
                        replayed.duplicates += u64::from(duplicate);
                        rewrite.remove();
                    }
                    Fate::Refused { refusal, target } => {
                        replayed.refused += 1;
                        let attempts = letter.attempts + 1;
                        let version = super::letter::VERSION;
                        let letter = DeadLetter { attempts, target, version, ..letter };
                        rewrite.replace(&letter.refused(refusal))?;
                    }
                    Fate::Left => {
                        replayed.left += 1;
                        rewrite.keep(place)?;
                    }
                    Fate::Unfit(problem) => {
                        let path = file.path.clone();
                        replayed.odd.add(&Odd { path, line, problem });
                        rewrite.keep(place)?;
                    }
                },
            }
        }
        Ok(())
    }
}
