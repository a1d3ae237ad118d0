//! `logwarden erase --client ID`: erases the events of one client from the archive, the dead letters and Elasticsearch,
//! after confirmation. Reports the number erased per location, and the places that it does not reach. Erases nothing
//! while an engine is running.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::client_events::{ClientSearch, events};
use crate::archive::{Archive, Reader};
use crate::base::{Clock, SystemClock};
use crate::cli::arguments::{Erase, Global};
use crate::cli::confirm;
use crate::cli::exit::{self, Exit, say};
use crate::cli::output::to_stdout;
use crate::sink::dead_letters;
use crate::state::{StateError, StateOwnership};

pub fn run(global: &Global, arguments: &Erase) -> anyhow::Result<Exit> {
    let search = ClientSearch::of(global, &arguments.client)?;
    let found = search.search_all(0)?;
    // Events of any id that an interrupted run or the retention has only marked as deleted.
    let deleted = search.deleted_in_archive()?;
    to_stdout(|out| {
        let mut locations = found.locations.iter();
        locations.try_for_each(|(location, found)| {
            writeln!(out, "{location}: {}", events(found.events))
        })?;
        match deleted {
            0 => Ok(()),
            _ => Ok(writeln!(
                out,
                "archive: {} of any id, marked as deleted but still in its files",
                events(deleted)
            )?),
        }
    })?;
    report_not_erased(&search);
    let nothing = found.is_empty() && found.is_complete && deleted == 0;
    if nothing {
        say("no events found, nothing to erase");
        if !arguments.yes {
            return Ok(Exit::Done);
        }
    }
    let id = arguments.client.id.trim();
    if !arguments.yes && !confirm::ask_to_type(id, "erase these events permanently")? {
        say("nothing was erased; use --yes to erase these events permanently");
        return Ok(if found.is_complete { Exit::Done } else { Exit::Failed });
    }
    // Held until the end, so that no engine delivers more of these events meanwhile.
    let _claim = match StateOwnership::take(&search.settings.directories.state) {
        Err(StateError::Owned { .. }) if nothing => return Ok(Exit::Done),
        Err(error @ StateError::Owned { .. }) => {
            let running = "nothing was erased: a running engine would deliver more of these events; stop it first";
            exit::report(&anyhow::Error::from(error).context(running));
            return Ok(Exit::StateInUse);
        }
        claim => claim?,
    };
    erase(&search, found.is_complete)
}

fn erase(search: &ClientSearch, mut is_complete: bool) -> anyhow::Result<Exit> {
    let mut report = |location: &str, erased: anyhow::Result<u64>| match erased {
        Ok(0) => Ok(()),
        Ok(erased) => to_stdout(|out| Ok(writeln!(out, "{location}: {} erased", events(erased))?)),
        Err(error) => {
            is_complete = false;
            exit::report(&error.context(format!("{location}: not erased completely")));
            Ok(())
        }
    };
    // Counted again: an engine may have been running before.
    if let Some(found) = search.in_archive(0)? {
        report("archive", from_archive(search, found.events))?;
    }
    if search.in_dead_letters(0)?.is_some_and(|(found, _)| found.events > 0) {
        report("dead letters", from_dead_letters(search))?;
    }
    for target in search.targets() {
        report(&target.name, target.erase(search).map_err(anyhow::Error::msg))?;
    }
    Ok(if is_complete { Exit::Done } else { Exit::Failed })
}

fn from_archive(search: &ClientSearch, found: u64) -> anyhow::Result<u64> {
    let directory = &search.settings.directories.archive;
    if let Some(damage) = Reader::damage(directory)? {
        bail!(
            "it is damaged ({damage}); start the engine once: it sets the archive aside and creates a new one"
        );
    }
    let fields = search.tag_fields(&Reader::open(directory)?)?;
    let deleted = search.deleted_in_archive()?;
    let (mut archive, _) = Archive::open_writer(directory, SystemClock::new().now())?;
    archive.erase(&fields)?;
    drop(archive);
    let left = search.in_archive(0)?.map_or(0, |found| found.events);
    match left + search.deleted_in_archive()? {
        0 if deleted == 0 => Ok(found),
        0 => {
            let deleted = events(deleted);
            to_stdout(|out| {
                Ok(writeln!(
                    out,
                    "archive: {deleted} marked as deleted, now removed from its files"
                )?)
            })?;
            Ok(found)
        }
        left => bail!("{} still in the archive", events(left)),
    }
}

fn from_dead_letters(search: &ClientSearch) -> anyhow::Result<u64> {
    let (directory, choice) = search.dead_letters();
    let removed = dead_letters::remove(&directory, &choice)?.context(
        "another command is working on the dead letters; try again when it has finished",
    )?;
    Ok(removed.letters)
}

/// Reports the places that may contain the id and are not erased.
fn report_not_erased(search: &ClientSearch) {
    let settings = &search.settings;
    for aside in set_aside(&settings.directories.archive) {
        say(format_args!("not searched: the damaged archive {}", aside.display()));
    }
    for sink in &settings.sinks {
        if let Some(place) = sink.kind.out_of_reach() {
            say(format_args!("not searched: {place}, written by sink {}", sink.name));
        }
    }
    say("not changed: the logs themselves, copies of them in the intake directory, backups");
}

/// Damaged archives that were set aside.
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
