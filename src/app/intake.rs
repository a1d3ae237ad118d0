//! Where standard input is kept, and who it is for: known before anything of it is read.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::settings::{Directories, Settings, ShipStart};
use super::start_error::StartError;
use crate::follow::intake::{Input, Intake};
use crate::follow::{Log, Own, SourceConfig};
use crate::sink::kinds::Output;

/// Where it is only shown: a directory of this process alone below the cache, made and removed by it.
const SHOWN: &str = "shown-";

/// `owner`: the state directory is ours, so what comes in can be promised to arrive.
pub fn plan(settings: &Settings, owner: bool) -> Intake {
    let looking = settings.ad_hoc && settings.ship.start == ShipStart::Manual;
    let cache = &settings.directories.cache;
    let directory = match owner {
        true => settings.directories.intake.clone(),
        false => cache.join(format!("{SHOWN}{}", std::process::id())),
    };
    let rescue = if owner && !looking { settings.intake_most } else { 0 };
    Intake { directory, input: settings.takes_input(), looking, rescue }
}

/// The configured sources, and standard input: that of this run, or what an earlier one left.
pub fn sources(settings: &Settings, intake: &Intake) -> Vec<SourceConfig> {
    let mut sources = settings.sources.clone();
    if settings.takes_input() || intake.holds_segments() {
        sources.push(intake.source(settings.zone.clone()));
    }
    sources
}

/// What is never followed; beside it, standard input is read from where it is kept.
pub fn own(settings: &Settings, intake: &Intake) -> Own {
    Own { except: Some(intake.pattern()), ..written(settings) }
}

/// Everything that an engine writes.
pub fn written(settings: &Settings) -> Own {
    let Directories { state, archive, cache, intake, log } = settings.directories.clone();
    let letters = state.join("dead-letters");
    let enabled = settings.sinks.iter().filter(|sink| sink.enabled);
    let mut outputs = Vec::new();
    let mut standard_output = false;
    for output in enabled.filter_map(|sink| sink.kind.output()) {
        match output {
            Output::File(path) => outputs.push(path),
            Output::Standard => standard_output = true,
        }
    }
    Own {
        directories: vec![archive, cache, intake, log, letters],
        flat_directories: vec![state],
        outputs,
        standard_output,
        except: None,
    }
}

/// Standard input, and pipes that were named, each for itself.
pub fn take_in(settings: &Settings, log: &Log) -> Result<Vec<Input>, StartError> {
    let mut inputs = Vec::new();
    if settings.stdin {
        let input = io::stdin().as_fd().try_clone_to_owned();
        inputs.push(input.map_err(|source| StartError::Input { source })?);
    }
    for path in &settings.pipes {
        let input = open_pipe(path);
        inputs.push(input.map_err(|source| StartError::Pipe { path: path.clone(), source })?);
    }
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    log.take_in(inputs).map_err(|source| StartError::Input { source })
}

/// Waits for no writer: it is read when there is one.
fn open_pipe(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Nothing that was only shown is kept; nor what a screen left that was killed.
pub fn remove_what_was_shown(settings: &Settings) {
    let entries = std::fs::read_dir(&settings.directories.cache).into_iter().flatten();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if is_left_over(&path)
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(process) = name.and_then(|name| name.strip_prefix(SHOWN)) else { return false };
    let lives = PathBuf::from("/proc").join(process).exists();
    process == std::process::id().to_string() || (!lives && Path::new("/proc/self").exists())
}
