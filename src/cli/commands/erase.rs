//! `logwarden erase --client ID`: whole events, from the archive, from dead letters and from Elasticsearch. Says
//! what was removed where, and what it does not reach. Erases nothing while an engine is at work.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::client_events::{Traces, events};
use crate::archive::{Archive, Reader};
use crate::base::{Clock, SystemClock};
use crate::cli::arguments::{Erase, Global};
use crate::cli::confirm;
use crate::cli::exit::{self, Exit, say};
use crate::cli::output::to_stdout;
use crate::sink::dead_letters;
use crate::state::{Claim, StateError};

pub fn run(global: &Global, arguments: &Erase) -> anyhow::Result<Exit> {
    let traces = Traces::of(global, &arguments.client)?;
    let found = traces.everywhere(0)?;
    // By a run that was cut short, or as too old: of whatever id.
    let deleted = traces.deleted_in_archive()?;
    to_stdout(|out| {
        let mut places = found.places.iter();
        places.try_for_each(|(place, found)| writeln!(out, "{place}: {}", events(found.events)))?;
        match deleted {
            0 => Ok(()),
            _ => Ok(writeln!(
                out,
                "archive: {} deleted before, of any id, still in its files",
                events(deleted)
            )?),
        }
    })?;
    tell_what_stays(&traces);
    let nothing = found.is_nothing() && found.whole && deleted == 0;
    if nothing {
        say("nothing was found, so nothing was erased");
        if !arguments.yes {
            return Ok(Exit::Done);
        }
    }
    let id = arguments.client.id.trim();
    if !arguments.yes && !confirm::typed(id, "erase these events for good")? {
        say("nothing was erased; with --yes these events are erased for good");
        return Ok(if found.whole { Exit::Done } else { Exit::Failed });
    }
    // Held to the end: no engine brings in more of it meanwhile.
    let _claim = match Claim::take(&traces.settings.directories.state) {
        Err(StateError::Owned { .. }) if nothing => return Ok(Exit::Done),
        Err(error @ StateError::Owned { .. }) => {
            let at_work =
                "nothing was erased: an engine is at work, and would bring in more; stop it";
            exit::report(&anyhow::Error::from(error).context(at_work));
            return Ok(Exit::Owned);
        }
        claim => claim?,
    };
    erase(&traces, found.whole)
}

fn erase(traces: &Traces, mut whole: bool) -> anyhow::Result<Exit> {
    let mut report = |place: &str, erased: anyhow::Result<u64>| match erased {
        Ok(0) => Ok(()),
        Ok(erased) => to_stdout(|out| Ok(writeln!(out, "{place}: {} erased", events(erased))?)),
        Err(error) => {
            whole = false;
            exit::report(&error.context(format!("{place}: not all was erased")));
            Ok(())
        }
    };
    // Counted again: before, an engine may have been at work.
    if let Some(found) = traces.in_archive(0)? {
        report("archive", from_archive(traces, found.events))?;
    }
    if traces.in_dead_letters(0)?.is_some_and(|(found, _)| found.events > 0) {
        report("dead letters", from_dead_letters(traces))?;
    }
    for target in traces.targets() {
        report(&target.place, target.erase(traces).map_err(anyhow::Error::msg))?;
    }
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn from_archive(traces: &Traces, found: u64) -> anyhow::Result<u64> {
    let directory = &traces.settings.directories.archive;
    if let Some(damage) = Reader::damage(directory)? {
        bail!(
            "it is damaged ({damage}); start the engine once: it sets the archive aside and fills a new one"
        );
    }
    let leaves = traces.leaves(&Reader::open(directory)?)?;
    let deleted = traces.deleted_in_archive()?;
    let (mut archive, _) = Archive::open_writer(directory, SystemClock::new().now())?;
    archive.erase(&leaves)?;
    drop(archive);
    let left = traces.in_archive(0)?.map_or(0, |found| found.events);
    match left + traces.deleted_in_archive()? {
        0 if deleted == 0 => Ok(found),
        0 => {
            let deleted = events(deleted);
            to_stdout(|out| {
                Ok(writeln!(out, "archive: {deleted} deleted before, now out of its files")?)
            })?;
            Ok(found)
        }
        left => bail!("{} are still there", events(left)),
    }
}

fn from_dead_letters(traces: &Traces) -> anyhow::Result<u64> {
    let (directory, choice) = traces.letters();
    let removed = dead_letters::remove(&directory, &choice)?.context("they are sorted already")?;
    Ok(removed.letters)
}

/// Where the id may stand and nothing is erased, by name where it has one.
fn tell_what_stays(traces: &Traces) {
    let settings = &traces.settings;
    for aside in set_aside(&settings.directories.archive) {
        say(format_args!("not looked into: the damaged archive {}", aside.display()));
    }
    for sink in &settings.sinks {
        if let Some(place) = sink.kind.out_of_reach() {
            say(format_args!("not looked into: {place}, what sink {} wrote", sink.name));
        }
    }
    say("not touched: the logs themselves, copies of them in the intake directory, backups");
}

/// Archives that were found damaged and kept beside.
fn set_aside(archive: &Path) -> Vec<PathBuf> {
    let Some((directory, name)) = archive.parent().zip(archive.file_name()) else {
        return Vec::new();
    };
    let prefix = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let is_one = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect();
    found.sort();
    found
}
