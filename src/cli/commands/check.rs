//! `logwarden check`: verifies configuration, files, directories, keys, state and sinks, and prints one line per
//! result. Changes nothing.

mod keys;
mod sources;
mod state;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::settings::{Directories, Settings, SinkSettings};
use crate::app::{directories, intake};
use crate::base::sanitize;
use crate::cli::arguments::Global;
use crate::cli::exit::Exit;
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::follow;
use crate::sink::kinds::CheckContext;
use crate::state::private_directory;

/// One output line: the subject and the result of its check.
struct Finding {
    subject: String,
    result: Result<String, String>,
}

pub fn run(global: &Global) -> anyhow::Result<Exit> {
    let layers = resolve::layers(global);
    let mut findings = vec![configuration(&layers.files)];
    let settings = resolve::settings(global)?;
    findings.extend(settings.sources.iter().flat_map(sources::source));
    findings.extend(sources::named_twice(&settings.sources));
    findings.extend(own_files(&settings));
    if settings.sources.is_empty() {
        let advice = "none configured; name files on the command line or write [source.NAME]";
        findings.push(Finding { subject: "sources".to_owned(), result: Ok(advice.to_owned()) });
    }
    findings.extend(directories(&settings.directories));
    findings.extend(keys::keys(&settings));
    findings.extend(keys::months(&settings));
    findings.extend(keys::unprotected(&settings));
    let engine_runs = state::engine_runs(&settings.directories.state);
    findings.extend(state::state(&settings.directories.state, engine_runs));
    findings
        .extend(settings.sinks.iter().map(|configured| sink(configured, &settings, engine_runs)));
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
                Err(problem) => ("ERROR", problem),
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

/// Sources that name a file which Logwarden itself writes: such a file is not followed.
fn own_files(settings: &Settings) -> Vec<Finding> {
    let meant = follow::meant(&settings.sources, &intake::written(settings));
    let finding = |(path, source): (PathBuf, Arc<str>)| Finding {
        subject: format!("source {source}"),
        result: Ok(format!(
            "{} is written by Logwarden itself and is not followed",
            path.display()
        )),
    };
    meant.into_iter().map(finding).collect()
}

fn directories(directories: &Directories) -> Vec<Finding> {
    let find = |(name, path): (&str, &Path)| Finding {
        subject: format!("{name} {}", path.display()),
        result: writable(path).and_then(|text| private(path, directories).map(|()| text)),
    };
    directories::named(directories).into_iter().map(find).collect()
}

/// Checks that other users have no access to the directory.
fn private(path: &Path, directories: &Directories) -> Result<(), String> {
    let Some(mode) = private_directory::loose_mode(path) else { return Ok(()) };
    let advice = match directories::is_restricted_at_start(path, directories) {
        true => "the next start of the engine corrects it; to correct it now",
        false => "correct it with",
    };
    Err(format!(
        "other users have access (mode {mode:04o}); {advice}: chmod 700 {}",
        path.display()
    ))
}

/// Checks that the directory can be written to, or created in its nearest existing parent.
fn writable(path: &Path) -> Result<String, String> {
    let Some(existing) = path.ancestors().find(|directory| directory.exists()) else {
        let existing = Path::new(".");
        return rustix::fs::access(existing, rustix::fs::Access::WRITE_OK)
            .map(|()| "will be created".to_owned())
            .map_err(|error| {
                format!("cannot be created here ({error}); choose another with --state-dir")
            });
    };
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    if !existing.is_dir() {
        return Err(format!(
            "{} is not a directory; choose another with --state-dir",
            existing.display()
        ));
    }
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(existing, wanted) {
        Ok(()) if existing == path => Ok("writable".to_owned()),
        Ok(()) => Ok("will be created".to_owned()),
        Err(error) => Err(format!(
            "cannot write in {} ({error}); change its owner or choose another with --state-dir",
            existing.display()
        )),
    }
}

fn sink(sink: &SinkSettings, settings: &Settings, engine_runs: bool) -> Finding {
    let subject = format!("sink {}", sink.name);
    if !sink.enabled {
        return Finding { subject, result: Ok("disabled; its cursor is kept".to_owned()) };
    }
    let look = CheckContext { archive: &settings.directories.archive, engine_runs };
    Finding { subject, result: sink.kind.check(look) }
}
