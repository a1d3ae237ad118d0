//! `logwarden check`: configuration, files and directories, one clear line each. Changes nothing.

mod durable;
mod elasticsearch;
mod keys;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::app::folders;
use crate::app::settings::{Directories, Settings, SinkKind, SinkSettings};
use crate::base::{bytes, sanitize};
use crate::cli::arguments::Global;
use crate::cli::exit::Exit;
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::follow::SourceConfig;
use crate::sink::FileSink;
use crate::state::private;

/// One line: what was looked at, and whether it is right.
struct Finding {
    subject: String,
    result: Result<String, String>,
}

pub fn run(global: &Global) -> anyhow::Result<Exit> {
    let layers = resolve::layers(global);
    let mut findings = vec![configuration(&layers.files)];
    let settings = resolve::settings(global)?;
    findings.extend(settings.sources.iter().flat_map(source));
    findings.extend(doubled(&settings.sources));
    if settings.sources.is_empty() {
        let advice = "none configured; name files on the command line or write [source.NAME]";
        findings.push(Finding { subject: "sources".to_owned(), result: Ok(advice.to_owned()) });
    }
    findings.extend(directories(&settings.directories));
    findings.extend(keys::keys(&settings));
    findings.extend(keys::months(&settings));
    findings.extend(keys::unprotected(&settings));
    let engine_runs = durable::engine_runs(&settings.directories.state);
    findings.extend(durable::state(&settings.directories.state, engine_runs));
    findings.extend(settings.sinks.iter().map(|settled| sink(settled, &settings, engine_runs)));
    let rules: Vec<&str> = settings.rules.iter().map(|rule| rule.name.as_str()).collect();
    findings.push(Finding { subject: "rules".to_owned(), result: Ok(rules.join(", ")) });
    print(&findings)?;
    Ok(if findings.iter().all(|finding| finding.result.is_ok()) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn print(findings: &[Finding]) -> anyhow::Result<()> {
    to_stdout(|out| {
        for Finding { subject, result } in findings {
            let (word, text) = match result {
                Ok(good) => ("ok   ", good),
                Err(problem) => ("WRONG", problem),
            };
            writeln!(out, "{word} {}: {}", sanitize::line(subject), sanitize::line(text))?;
        }
        Ok(())
    })
}

fn configuration(files: &[PathBuf]) -> Finding {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let text = if names.is_empty() { "defaults only".to_owned() } else { names.join(", ") };
    Finding { subject: "configuration".to_owned(), result: Ok(text) }
}

fn source(source: &SourceConfig) -> Vec<Finding> {
    source
        .paths
        .iter()
        .map(|path| Finding {
            subject: format!("source {} {}", source.name, path.display()),
            result: readable(path),
        })
        .collect()
}

/// A file belongs to the first source that means it; the second one would wait for it for ever.
fn doubled(sources: &[SourceConfig]) -> Vec<Finding> {
    let mut owners: HashMap<PathBuf, &str> = HashMap::new();
    let mut findings = Vec::new();
    for source in sources {
        for path in &source.paths {
            let place = path.canonicalize().unwrap_or_else(|_| path.clone());
            let owner = *owners.entry(place).or_insert(&source.name);
            if owner != &*source.name {
                let subject = format!("source {} {}", source.name, path.display());
                let problem = format!(
                    "source {owner} names it too and gets all of its events; leave it out of one of them"
                );
                findings.push(Finding { subject, result: Err(problem) });
            }
        }
    }
    findings
}

fn readable(path: &Path) -> Result<String, String> {
    let text = path.to_string_lossy();
    let exists = path.symlink_metadata().is_ok();
    if !exists && text.contains(['*', '?', '[']) {
        let found: Vec<PathBuf> = glob::glob(&text)
            .map_err(|error| format!("is no pattern: {}", error.msg))?
            .filter_map(Result::ok)
            .filter(|path| path.is_file())
            .collect();
        if found.is_empty() {
            return Ok("matches nothing yet; it is waited for".to_owned());
        }
        let unreadable: Vec<String> = found.iter().filter_map(|path| open(path).err()).collect();
        return match unreadable.first() {
            None => Ok(format!("matches {}, readable", bytes::counted(found.len() as u64, "file"))),
            Some(first) => Err(format!(
                "{} of {} files cannot be read ({first}); let this user's groups read them",
                unreadable.len(),
                found.len()
            )),
        };
    }
    match exists {
        false => Ok("is not there yet; it is waited for".to_owned()),
        true => open(path).map(|()| "readable".to_owned()),
    }
}

fn open(path: &Path) -> Result<(), String> {
    let opened = match path.is_dir() {
        true => std::fs::read_dir(path).map(drop),
        false => File::open(path).map(drop),
    };
    opened.map_err(|error| format!("{}: {error}", path.display()))
}

fn directories(directories: &Directories) -> Vec<Finding> {
    let find = |(name, path): (&str, &Path)| Finding {
        subject: format!("{name} {}", path.display()),
        result: writable(path).and_then(|text| closed(path, directories).map(|()| text)),
    };
    folders::named(directories).into_iter().map(find).collect()
}

/// Only its owner may read what stands there.
fn closed(path: &Path, directories: &Directories) -> Result<(), String> {
    let Some(mode) = private::loose_mode(path) else { return Ok(()) };
    let what = match folders::is_closed_at_start(path, directories) {
        true => "it is closed when the engine starts, or now with",
        false => "close it with",
    };
    Err(format!("other users can use it (mode {mode:04o}); {what}: chmod 700 {}", path.display()))
}

/// Tries it at the nearest folder that is there.
fn writable(path: &Path) -> Result<String, String> {
    let Some(existing) = path.ancestors().find(|folder| folder.exists()) else {
        let existing = Path::new(".");
        return rustix::fs::access(existing, rustix::fs::Access::WRITE_OK)
            .map(|()| "will be made".to_owned())
            .map_err(|error| {
                format!("cannot be made here ({error}); choose another with --state-dir")
            });
    };
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    if !existing.is_dir() {
        return Err(format!("{} is a file; choose another with --state-dir", existing.display()));
    }
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(existing, wanted) {
        Ok(()) if existing == path => Ok("writable".to_owned()),
        Ok(()) => Ok("will be made".to_owned()),
        Err(error) => Err(format!(
            "cannot write in {} ({error}); change its owner or choose another with --state-dir",
            existing.display()
        )),
    }
}

fn sink(sink: &SinkSettings, settings: &Settings, engine_runs: bool) -> Finding {
    let subject = format!("sink {}", sink.name);
    if !sink.enabled {
        return Finding { subject, result: Ok("disabled; it keeps its place".to_owned()) };
    }
    let result = match &sink.kind {
        SinkKind::Archive { .. } => durable::archive(&settings.directories.archive, engine_runs),
        SinkKind::File { path } => {
            FileSink::check(path).map(|()| format!("JSON lines into {}", path.display()))
        }
        SinkKind::Stdout => Ok("JSON lines on standard output".to_owned()),
        SinkKind::Elasticsearch(settings) => elasticsearch::server(settings),
    };
    Finding { subject, result }
}
