//! Turns arguments, environment and configuration files into usable settings.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::{Arguments, ColorChoice, Global, Watch};
use super::config::{self, Configured, Layers};
use super::exit::{say, usage_error};
use crate::app::settings::{Color, Directories, Settings, Ship, ShipStart, SinkSettings};
use crate::base::{Clock, SystemClock, timed_fs};
use crate::config::closest;
use crate::follow::{SourceConfig, Start};

/// Settings for following files. Paths on the command line replace the configured sources.
pub fn watch(global: &Global, watch: &Watch) -> anyhow::Result<Settings> {
    for_watching(settings(global)?, watch)
}

/// Resolves the settings again on reload, without printing anything to the terminal.
pub fn reload(global: &Global, watch: &Watch) -> anyhow::Result<Settings> {
    for_watching(from_configured(configured(global)?)?, watch)
}

fn for_watching(mut settings: Settings, watch: &Watch) -> anyhow::Result<Settings> {
    let paths = effective_paths(watch, settings.sources.is_empty());
    if !paths.is_empty() {
        settings.ad_hoc = true;
        let (stdin, paths): (Vec<PathBuf>, Vec<PathBuf>) =
            paths.into_iter().partition(|path| path.as_os_str() == STDIN);
        settings.stdin = !stdin.is_empty();
        let (pipes, paths): (Vec<PathBuf>, Vec<PathBuf>) =
            paths.into_iter().partition(|path| is_pipe(path));
        settings.pipes = pipes;
        if settings.stdin && !watch.no_ui && std::io::stdin().is_terminal() {
            return Err(usage_error(
                "`-` reads standard input, but that is this terminal, from which the screen reads key presses; \
                 pipe a program into it: some-program | logwarden -",
            ));
        }
        settings.sources = ad_hoc_sources(&paths, &settings.zone)?;
        // Viewing a file must not ship it: sinks wait for a manual request.
        if !(watch.no_ui || watch.ship) {
            settings.sinks = vec![SinkSettings::archive()];
            settings.notifiers.clear();
            settings.ship.start = ShipStart::Manual;
        } else {
            ship_automatically(&mut settings);
        }
    } else if settings.sources.is_empty() {
        return Err(usage_error(
            "nothing to follow: name files (`logwarden app.log`), configure sources (`logwarden init`), \
             or try `logwarden demo`",
        ));
    } else if watch.ship {
        ship_automatically(&mut settings);
    }
    Ok(settings)
}

/// Lets all sinks ship automatically, including those with their own `ship.start`.
fn ship_automatically(settings: &mut Settings) {
    let own = settings.sinks.iter_mut().filter_map(|sink| sink.ship.as_mut());
    for ship in own.chain([&mut settings.ship]) {
        ship.start = ShipStart::Auto;
    }
}

/// Whether the path is a pipe: `<(program)`, or a FIFO made with mkfifo.
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    timed_fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Means standard input where a path is expected.
pub const STDIN: &str = "-";

/// The paths of the command line. Without any, `some-program | logwarden` means `some-program | logwarden -` if no
/// sources are configured.
fn effective_paths(watch: &Watch, has_no_sources: bool) -> Vec<PathBuf> {
    let piped = || {
        let stdin = rustix::fs::fstat(std::io::stdin());
        let kind = stdin.map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
        kind.is_ok_and(|kind| kind == rustix::fs::FileType::Fifo)
    };
    match watch.paths.is_empty() && has_no_sources && !watch.no_ui && piped() {
        true => vec![STDIN.into()],
        false => watch.paths.clone(),
    }
}

/// Settings as configured, without paths of the command line; prints the notes about them.
pub fn settings(global: &Global) -> anyhow::Result<Settings> {
    let configured = configured(global)?;
    for note in &configured.notes {
        say(note);
    }
    from_configured(configured)
}

/// The merged settings of all layers, or every problem found in them.
pub fn configured(global: &Global) -> anyhow::Result<Configured> {
    Ok(config::read(layers(global), SystemClock::new().now())?)
}

pub fn layers(global: &Global) -> Layers {
    let mut arguments: Vec<(&[&str], &str, String)> = Vec::new();
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    if let Some(directory) = &global.state_dir {
        arguments.push((&["state_dir"], "--state-dir", text(directory)));
    }
    if let Some(directory) = &global.keys {
        arguments.push((&["privacy", "keys"], "--keys", text(directory)));
    }
    if let Some(zone) = &global.tz {
        arguments.push((&["timezone"], "--tz", zone.clone()));
    }
    if let Some(when) = global.color {
        let name = match when {
            ColorChoice::Auto => "auto",
            ColorChoice::Always => "always",
            ColorChoice::Never => "never",
        };
        arguments.push((&["color"], "--color", name.to_owned()));
    }
    if let Some(level) = &global.log_level {
        arguments.push((&["log_level"], "--log-level", level.clone()));
    }
    if global.verbose > 0 {
        let level = if global.verbose == 1 { "debug" } else { "trace" };
        arguments.push((&["log_level"], "-v", format!("info,logwarden={level}")));
    }
    Layers::read(global.config.as_deref(), std::env::vars_os(), &arguments)
}

fn from_configured(configured: Configured) -> anyhow::Result<Settings> {
    let directories = match &configured.state_dir {
        Some(directory) => Directories::under(directory),
        None => service_directories().or_else(Directories::of_user).ok_or_else(|| {
            usage_error(
                "this user has no home directory to keep the state in; name a directory with --state-dir DIR",
            )
        })?,
    };
    let mut sinks = configured.sinks;
    if sinks.is_empty() {
        sinks.push(SinkSettings::archive());
    }
    Ok(Settings {
        sources: configured.sources,
        stdin: false,
        pipes: Vec::new(),
        ad_hoc: false,
        ship: configured.ship,
        sinks,
        dead_letters_max_bytes: configured.dead_letters_max_bytes,
        intake_max_bytes: configured.intake_max_bytes,
        privacy: configured.privacy,
        masked: configured.masked,
        rules: configured.rules,
        notifiers: configured.notifiers,
        makes_keys: configured.keys.is_none(),
        keys: configured.keys.unwrap_or_else(|| user_keys(&directories)),
        directories,
        color: color(
            configured.color,
            std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()),
        ),
        host_id: configured.host_id,
        host_name: configured.host_name,
        log_level: configured.log_level,
        metrics: configured.metrics,
        zone: configured.zone,
    })
}

/// All data under the directory that systemd created for the service (`StateDirectory=`, systemd.exec(5)); under the
/// first one, if there are several.
fn service_directories() -> Option<Directories> {
    let named = std::env::var_os("STATE_DIRECTORY")?;
    let first = named.as_bytes().split(|byte| *byte == b':').next()?;
    let root = Path::new(OsStr::from_bytes(first));
    root.is_absolute().then(|| Directories::under(root))
}

/// The default directory of the monthly keys: beside the archive.
fn user_keys(directories: &Directories) -> PathBuf {
    let data = directories.archive.parent().unwrap_or(&directories.state);
    data.join("keys")
}

/// See no-color.org: an explicit choice takes precedence over NO_COLOR.
fn color(configured: Color, no_color: bool) -> Color {
    if configured == Color::Auto && no_color { Color::Never } else { configured }
}

/// Settings for `demo` and `--view`: no configuration is read, all data is stored under `root`.
pub fn temporary(
    root: &Path,
    global: &Global,
    sources: &[(&str, PathBuf)],
) -> anyhow::Result<Settings> {
    let defaults = Layers::read_defaults();
    let configured = config::read(defaults, SystemClock::new().now())?;
    let zone = configured.zone.clone();
    let mut settings =
        from_configured(Configured { state_dir: Some(root.to_owned()), ..configured })?;
    settings.sources =
        sources.iter().map(|(name, path)| source((*name).into(), path, &zone)).collect();
    settings.ad_hoc = true;
    settings.ship = Ship { start: ShipStart::Auto, every: None, after: None };
    settings.color = match global.color {
        Some(ColorChoice::Always) => Color::Always,
        Some(ColorChoice::Never) => Color::Never,
        Some(ColorChoice::Auto) | None => settings.color,
    };
    Ok(settings)
}

/// One source per path, named after it.
fn ad_hoc_sources(
    paths: &[PathBuf],
    zone: &jiff::tz::TimeZone,
) -> anyhow::Result<Vec<SourceConfig>> {
    let mut names = HashSet::new();
    let mut sources = Vec::new();
    for path in paths {
        check_path(path)?;
        sources.push(source(source_name(path, &mut names), path, zone));
    }
    Ok(sources)
}

fn source(name: Arc<str>, path: &Path, zone: &jiff::tz::TimeZone) -> SourceConfig {
    SourceConfig {
        name,
        paths: vec![path.to_owned()],
        format: None,
        zone: zone.clone(),
        service: None,
        start: Start::Beginning,
        multiline: true,
    }
}

fn source_name(path: &Path, taken: &mut HashSet<String>) -> Arc<str> {
    let short = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let long = path.display().to_string();
    let mut name = short.filter(|name| !taken.contains(name)).unwrap_or(long);
    while !taken.insert(name.clone()) {
        name.push('\'');
    }
    name.into()
}

/// Rejects a missing plain path, which is most likely a typo. A glob may match later.
fn check_path(path: &Path) -> anyhow::Result<()> {
    let text = path.to_string_lossy();
    // A file whose real name contains glob characters is that file.
    let found = timed_fs::symlink_metadata(path);
    // A mount that does not answer: the file may exist, so Logwarden waits for it.
    if found.as_ref().err().is_none_or(timed_fs::is_stuck) {
        return Ok(());
    }
    if text.contains(['*', '?', '[']) {
        return match glob::Pattern::new(&text) {
            Ok(_) => Ok(()),
            Err(error) => Err(usage_error(format!("`{text}` is not a valid glob: {}", error.msg))),
        };
    }
    Err(usage_error(missing(&text)))
}

/// The message for a missing path, which may have been meant as a command.
pub fn missing(text: &str) -> String {
    use clap::CommandFactory;
    let command = Arguments::command();
    let commands = command.get_subcommands().map(|command| command.get_name());
    match closest(text, commands.collect::<Vec<_>>()) {
        Some(known) => format!("{text}: no such file; did you mean `logwarden {known}`?"),
        None => format!("{text}: no such file (to wait for it, use a glob: '{text}*')"),
    }
}
