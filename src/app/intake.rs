//! Standard input and named pipes: opens them and decides where their data is stored. Also lists the files that
//! Logwarden writes itself, which are never followed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::settings::{Directories, Settings, ShipStart};
use super::start_error::StartError;
use crate::follow::intake::{Input, Intake};
use crate::follow::{Log, OwnPaths, SourceConfig};
use crate::sink::kinds::Output;

/// Prefix of the cache subdirectory for input that is only viewed; it belongs to one process, which removes it.
const VIEWED: &str = "shown-";

/// Decides where the data of standard input and pipes is stored. `owner`: this process holds the state directory, so
/// delivery of the input can be promised, and the intake is used; otherwise a directory in the cache.
pub fn plan(settings: &Settings, owner: bool) -> Intake {
    let view_only = settings.ad_hoc && settings.ship.start == ShipStart::Manual;
    let cache = &settings.directories.cache;
    let directory = match owner {
        true => settings.directories.intake.clone(),
        false => cache.join(format!("{VIEWED}{}", std::process::id())),
    };
    let rescue = if owner && !view_only { settings.intake_max_bytes } else { 0 };
    Intake { directory, input: settings.takes_input(), looking: view_only, rescue }
}

/// The configured sources, plus standard input of this run or left by an earlier one.
pub fn sources(settings: &Settings, intake: &Intake) -> Vec<SourceConfig> {
    let mut sources = settings.sources.clone();
    if settings.takes_input() || intake.holds_segments() {
        sources.push(intake.source(settings.zone.clone()));
    }
    sources
}

/// Everything that an engine writes, which is never followed, except the directory from which standard input is read.
pub fn own(settings: &Settings, intake: &Intake) -> OwnPaths {
    OwnPaths { except: Some(intake.pattern()), ..written(settings) }
}

/// Everything that an engine writes.
pub fn written(settings: &Settings) -> OwnPaths {
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
    OwnPaths {
        directories: vec![archive, cache, intake, log, letters],
        flat_directories: vec![state],
        outputs,
        standard_output,
        except: None,
    }
}

/// Opens standard input and the named pipes, and starts to store the data of each.
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

/// Does not wait for a writer: the pipe is read once there is one.
fn open_pipe(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Removes input that was stored only for viewing, by this process or by processes that were killed.
pub fn remove_viewed_input(settings: &Settings) {
    let entries = std::fs::read_dir(&settings.directories.cache).into_iter().flatten();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if is_left_over(&path)
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

/// The directory belongs to this process, or to one that no longer runs.
fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(process) = name.and_then(|name| name.strip_prefix(VIEWED)) else { return false };
    let is_running = PathBuf::from("/proc").join(process).exists();
    process == std::process::id().to_string() || (!is_running && Path::new("/proc/self").exists())
}
