//! `logwarden erase --client ID`: whole events, from the archive and from Elasticsearch. Says what was removed
//! where, and what it does not reach. Erases nothing where the archive is another process's.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::traces::{Traces, events};
use crate::archive::{Archive, Reader};
use crate::base::{Clock, SystemClock, sanitize};
use crate::cli::arguments::{Erase, Global};
use crate::cli::exit::{self, Exit, say};
use crate::cli::output::to_stdout;
use crate::state::{Claim, StateError};

pub fn run(global: &Global, arguments: &Erase) -> anyhow::Result<Exit> {
    let traces = Traces::of(global, &arguments.client)?;
    let archived = traces.in_archive(0)?.map_or(0, |found| found.events);
    let mut whole = traces.unknown == 0;
    let mut places = vec![("archive".to_owned(), archived)];
    for server in traces.servers() {
        match server.find(&traces, 0) {
            Ok(found) => places.push((server.place, found.events)),
            Err(problem) => {
                say(format_args!("{}: {problem}", server.place));
                whole = false;
            }
        }
    }
    to_stdout(|out| {
        Ok(places
            .iter()
            .try_for_each(|(place, found)| writeln!(out, "{place}: {}", events(*found)))?)
    })?;
    if places.iter().all(|(_, found)| *found == 0) && whole {
        say("nothing was found, so nothing was erased");
        return Ok(Exit::Done);
    }
    if !arguments.yes && !confirmed(arguments.client.id.trim())? {
        say("nothing was erased; with --yes these events are erased for good");
        return Ok(if whole { Exit::Done } else { Exit::Failed });
    }
    // Held to the end: no engine begins in the middle.
    let _claim = match archived {
        0 => None,
        _ => match Claim::take(&traces.settings.directories.state) {
            Err(error @ StateError::Owned { .. }) => {
                let error = anyhow::Error::from(error);
                exit::report(
                    &error
                        .context("nothing was erased: one process writes to the archive; stop it"),
                );
                return Ok(Exit::Owned);
            }
            claim => Some(claim?),
        },
    };
    erase(&traces, archived, whole)
}

fn erase(traces: &Traces, archived: u64, mut whole: bool) -> anyhow::Result<Exit> {
    let report = |place: &str, erased: u64| {
        to_stdout(|out| Ok(writeln!(out, "{place}: {} erased", events(erased))?))
    };
    if archived > 0 {
        match from_archive(traces, archived) {
            Ok(erased) => report("archive", erased)?,
            Err(error) => {
                exit::report(&error.context("archive: not all was erased"));
                whole = false;
            }
        }
    }
    for server in traces.servers() {
        match server.erase(traces) {
            Ok(erased) => report(&server.place, erased)?,
            Err(problem) => {
                say(format_args!("{}: {problem}", server.place));
                whole = false;
            }
        }
    }
    for aside in set_aside(&traces.settings.directories.archive) {
        say(format_args!("not looked into: the damaged archive {}", aside.display()));
    }
    say("not touched: the logs themselves, outputs of file sinks, dead letters, mails, backups");
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn from_archive(traces: &Traces, before: u64) -> anyhow::Result<u64> {
    let directory = &traces.settings.directories.archive;
    if let Some(damage) = Reader::damage(directory)? {
        bail!(
            "it is damaged ({damage}); start the engine once: it sets the archive aside and fills a new one"
        );
    }
    let leaves = traces.leaves(&Reader::open(directory)?)?;
    let (mut archive, _) = Archive::open_writer(directory, SystemClock::new().now())?;
    archive.erase(&leaves)?;
    drop(archive);
    match traces.in_archive(0)?.map_or(0, |found| found.events) {
        0 => Ok(before),
        left => bail!("{} are still there", events(left)),
    }
}

/// Archives that were found damaged and kept beside.
fn set_aside(archive: &Path) -> Vec<PathBuf> {
    let Some((folder, name)) = archive.parent().zip(archive.file_name()) else { return Vec::new() };
    let prefix = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_one = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect();
    found.sort();
    found
}

/// Asked only where a person can answer: they type the id once more.
fn confirmed(id: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    eprint!("{}", sanitize::line(&format!("Type {id} to erase these events for good: ")));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim() == id)
}
