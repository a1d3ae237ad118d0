//! `logwarden erase --client ID`: whole events, from the archive, from dead letters and from Elasticsearch. Says
//! what was removed where, and what it does not reach. Erases nothing while an engine is at work.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::dead_letters::tell;
use super::traces::{Traces, events};
use crate::app::settings::SinkKind;
use crate::archive::{Archive, Reader};
use crate::base::{Clock, SystemClock, sanitize};
use crate::cli::arguments::{Erase, Global};
use crate::cli::exit::{self, Exit, say};
use crate::cli::output::to_stdout;
use crate::sink::dead_letters;
use crate::state::{Claim, StateError};

pub fn run(global: &Global, arguments: &Erase) -> anyhow::Result<Exit> {
    let traces = Traces::of(global, &arguments.client)?;
    let found = Found::everywhere(&traces)?;
    to_stdout(|out| {
        let mut places = found.places.iter();
        Ok(places.try_for_each(|(place, number)| writeln!(out, "{place}: {}", events(*number)))?)
    })?;
    tell_what_stays(&traces);
    if found.is_nothing() && found.whole {
        say("nothing was found, so nothing was erased");
        return Ok(Exit::Done);
    }
    if !arguments.yes && !confirmed(arguments.client.id.trim())? {
        say("nothing was erased; with --yes these events are erased for good");
        return Ok(if found.whole { Exit::Done } else { Exit::Failed });
    }
    // Held to the end: no engine brings in more of it meanwhile.
    let _claim = match Claim::take(&traces.settings.directories.state) {
        Err(error @ StateError::Owned { .. }) => {
            let at_work =
                "nothing was erased: an engine is at work, and would bring in more; stop it";
            exit::report(&anyhow::Error::from(error).context(at_work));
            return Ok(Exit::Owned);
        }
        claim => claim?,
    };
    erase(&traces, found)
}

/// How many events where.
struct Found {
    places: Vec<(String, u64)>,
    /// Every place could be asked, all of it.
    whole: bool,
}

impl Found {
    fn everywhere(traces: &Traces) -> anyhow::Result<Found> {
        let mut whole = traces.unknown == 0;
        let archived = traces.in_archive(0)?.map_or(0, |found| found.events);
        let mut places = vec![("archive".to_owned(), archived)];
        if let Some((found, odd)) = traces.in_dead_letters(0)? {
            whole &= tell(&odd) == Exit::Done;
            places.push(("dead letters".to_owned(), found.events));
        }
        for server in traces.servers() {
            match server.find(traces, 0) {
                Ok(found) => places.push((server.place, found.events)),
                Err(problem) => {
                    say(format_args!("{}: {problem}", server.place));
                    whole = false;
                }
            }
        }
        Ok(Found { places, whole })
    }

    fn is_nothing(&self) -> bool {
        self.places.iter().all(|(_, found)| *found == 0)
    }
}

fn erase(traces: &Traces, found: Found) -> anyhow::Result<Exit> {
    let mut whole = found.whole;
    let mut report = |place: &str, erased: anyhow::Result<u64>| match erased {
        Ok(erased) => to_stdout(|out| Ok(writeln!(out, "{place}: {} erased", events(erased))?)),
        Err(error) => {
            whole = false;
            exit::report(&error.context(format!("{place}: not all was erased")));
            Ok(())
        }
    };
    // Counted again: before, an engine may have been at work.
    let archived = traces.in_archive(0)?.map_or(0, |found| found.events);
    if archived > 0 {
        report("archive", from_archive(traces, archived))?;
    }
    if traces.in_dead_letters(0)?.is_some_and(|(found, _)| found.events > 0) {
        report("dead letters", from_dead_letters(traces))?;
    }
    for server in traces.servers() {
        report(&server.place, server.erase(traces).map_err(anyhow::Error::msg))?;
    }
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

fn from_dead_letters(traces: &Traces) -> anyhow::Result<u64> {
    let (folder, choice) = traces.letters();
    let removed = dead_letters::remove(&folder, &choice)?.context("they are sorted already")?;
    Ok(removed.letters)
}

/// Where the id may stand and nothing is erased, by name where it has one.
fn tell_what_stays(traces: &Traces) {
    let settings = &traces.settings;
    for aside in set_aside(&settings.directories.archive) {
        say(format_args!("not looked into: the damaged archive {}", aside.display()));
    }
    for sink in &settings.sinks {
        if let SinkKind::File { path } = &sink.kind {
            let path = path.display();
            say(format_args!("not looked into: {path}, what sink {} wrote", sink.name));
        }
    }
    say("not touched: the logs themselves, copies of them in the intake folder, backups");
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
