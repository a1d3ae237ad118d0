//! The commands `dead-letters list` (a summary per file) and `dead-letters show` (each dead letter). They change
//! nothing, and work while an engine is writing.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::{DeadLetterCommand, report_malformed};
use crate::base::{bytes, json, sanitize};
use crate::cli::exit::{Exit, say};
use crate::cli::output::to_stdout;
use crate::sink::dead_letters::{
    DeadLetter, LetterFile, Lines, MalformedLines, Overview, overview,
};

/// Maximum number of reasons shown per file in the table.
const MAX_REASONS: usize = 3;

impl DeadLetterCommand {
    pub(super) fn list(&self, json: bool) -> anyhow::Result<Exit> {
        let (found, odd) = self.overviews()?;
        to_stdout(|out| match json {
            true => found.iter().try_for_each(|file| object(out, file)),
            false => table(out, &found),
        })?;
        if found.is_empty() && !json {
            say("no dead letters");
        }
        Ok(report_malformed(&odd))
    }

    pub(super) fn show(&self, json: bool) -> anyhow::Result<Exit> {
        let (mut odd, mut found) = (MalformedLines::default(), 0u64);
        to_stdout(|out| {
            for file in self.files()? {
                for line in Lines::open(&file).with_context(|| cannot_read(&file.path))? {
                    let line = line.with_context(|| cannot_read(&file.path))?;
                    match line.letter {
                        Err(problem) => odd.add(&problem),
                        Ok(letter) if self.choice.takes(&letter) => {
                            found += 1;
                            match json {
                                true => object(
                                    out,
                                    &LetterObject { sink: &file.sink, letter: &letter },
                                )?,
                                false => card(out, &file, line.number, &letter)?,
                            }
                        }
                        Ok(_) => {}
                    }
                }
            }
            Ok(())
        })?;
        match report_malformed(&odd) {
            Exit::Done if found == 0 => {
                say("no matching dead letter");
                Ok(Exit::Failed)
            }
            exit => Ok(exit),
        }
    }

    /// Summaries of the files that contain selected dead letters, and the lines that could not be read as one.
    pub(super) fn overviews(&self) -> anyhow::Result<(Vec<Overview>, MalformedLines)> {
        let mut odd = MalformedLines::default();
        let mut found = Vec::new();
        for file in self.files()? {
            let overview = overview(&file, &self.choice, &mut odd);
            found.push(overview.with_context(|| cannot_read(&file.path))?);
        }
        found.retain(|file| file.letters > 0);
        Ok((found, odd))
    }

    pub(super) fn files(&self) -> anyhow::Result<Vec<LetterFile>> {
        self.directory.files(&self.choice).with_context(|| {
            let directory = self.settings.directories.state.join("dead-letters");
            cannot_read(&directory)
        })
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// A dead letter and the sink that rejected it.
#[derive(Serialize)]
struct LetterObject<'a> {
    sink: &'a str,
    #[serde(flatten)]
    letter: &'a DeadLetter,
}

/// One JSON object on a line; on a terminal, control characters are escaped.
fn object(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    if std::io::stdout().is_terminal() {
        line = json::harmless(&line).into_owned();
    }
    line.push(b'\n');
    Ok(out.write_all(&line)?)
}

pub(super) fn table(out: &mut impl Write, found: &[Overview]) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let sink = |file: &Overview| sanitize::line(&file.sink).into_owned();
    let width = found.iter().map(|file| sink(file).chars().count()).max().unwrap_or(0).max(4);
    writeln!(
        out,
        "{:width$}  {:10}  {:>9}  {:>9}  {:24}  {:24}",
        "SINK", "DAY", "LETTERS", "SIZE", "OLDEST", "NEWEST"
    )?;
    for file in found {
        let time =
            |time: &Option<String>| sanitize::line(time.as_deref().unwrap_or("-")).into_owned();
        writeln!(
            out,
            "{:width$}  {:10}  {:>9}  {:>9}  {:24}  {:24}",
            sink(file),
            sanitize::line(&file.day),
            bytes::count(file.letters),
            bytes::size(file.bytes),
            time(&file.oldest),
            time(&file.newest),
        )?;
        for (reason, count) in file.reasons.iter().take(MAX_REASONS) {
            writeln!(out, "    {:>7} × {}", bytes::count(*count), sanitize::line(reason))?;
        }
        if file.reasons.len() > MAX_REASONS {
            writeln!(out, "    and {} other reasons", file.reasons.len() - MAX_REASONS)?;
        }
    }
    Ok(())
}

/// One dead letter, as text for people.
fn card(
    out: &mut impl Write,
    file: &LetterFile,
    line: u64,
    letter: &DeadLetter,
) -> anyhow::Result<()> {
    let DeadLetter { id, time, target, attempts, source, path, offset, .. } = letter;
    let refusal = letter.refusal();
    let times = if *attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    let place = file.path.display();
    let document = json::harmless(letter.document.get().as_bytes()).into_owned();
    let document = String::from_utf8_lossy(&document);
    let lines = [
        format!("{id}  rejected {time} by sink {}, sent {times}", file.sink),
        format!("  target    {target}"),
        format!("  reason    {refusal}"),
        format!("  from      {path} at byte {offset} (source {source})"),
        format!("  stored    {place}:{line}"),
        format!("  document  {document}"),
    ];
    for text in lines {
        writeln!(out, "{}", sanitize::line(&text))?;
    }
    Ok(())
}
