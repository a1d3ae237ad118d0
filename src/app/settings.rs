//! What the program was told, resolved and usable: no text that still has to be understood.
//!
//! Made by `cli` from defaults, files, environment and arguments. Holds no secret, only where one lies.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::alert::RuleConfig;
use crate::event::Level;
use crate::follow::SourceConfig;
use crate::privacy::{AddressMode, Pattern, Policy};
use crate::query::Expr;
use crate::sink::kinds::{ArchiveKind, SinkKind};

#[derive(Clone, Debug)]
pub struct Settings {
    pub sources: Vec<SourceConfig>,
    /// Standard input is a source too.
    pub stdin: bool,
    /// Pipes that were named on the command line: read as standard input is.
    pub pipes: Vec<PathBuf>,
    /// The sources came from the command line: looking at a file must not ship it.
    pub ad_hoc: bool,
    pub ship: Ship,
    /// Enabled and disabled ones, in the order of the configuration; never empty.
    pub sinks: Vec<SinkSettings>,
    /// Bytes that the dead letters of one sink may take.
    pub dead_letters_most: u64,
    /// Most bytes of deleted files that are kept until they are delivered.
    pub intake_most: u64,
    pub privacy: PrivacySettings,
    /// The screen begins masked.
    pub masked: bool,
    pub rules: Vec<RuleConfig>,
    pub notifiers: Vec<NotifierSettings>,
    pub directories: Directories,
    /// Where month keys lie.
    pub keys: PathBuf,
    /// It is where it always is, and made when it is needed.
    pub makes_keys: bool,
    pub color: Color,
    /// Replaces the machine id in event ids.
    pub host_id: Option<String>,
    pub host_name: Option<String>,
    /// A filter of `tracing-subscriber`: `info`, `logwarden=debug`, …
    pub log_level: String,
    /// Where figures can be asked for.
    pub metrics: Option<SocketAddr>,
    /// Of naive times on the command line, and of sources that name none.
    pub zone: jiff::tz::TimeZone,
}

impl Settings {
    /// Something is read that is no file.
    pub fn takes_input(&self) -> bool {
        self.stdin || !self.pipes.is_empty()
    }

    /// Who must have read what vanishes before it is given up: also a sink that does not start now.
    pub fn consumers(&self) -> Vec<String> {
        self.sinks.iter().filter(|sink| sink.enabled).map(|sink| sink.name.clone()).collect()
    }
}

/// When delivery happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ship {
    pub start: ShipStart,
    /// A round so often, each up to the end seen at its start.
    pub every: Option<Duration>,
    /// A round whenever so many events wait.
    pub after: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShipStart {
    #[default]
    Auto,
    /// Armed, but nothing leaves before the operator asks for it.
    Manual,
}

#[derive(Clone, Debug)]
pub struct SinkSettings {
    pub name: String,
    pub kind: Arc<dyn SinkKind>,
    /// A disabled sink keeps its cursors.
    pub enabled: bool,
    /// Only these levels; empty: all events, also those without a level.
    pub levels: Vec<Level>,
    /// Only events for which this is true.
    pub where_: Option<Expr>,
    /// Instead of what holds for all.
    pub ship: Option<Ship>,
}

impl PartialEq for SinkSettings {
    fn eq(&self, other: &Self) -> bool {
        let SinkSettings { name, kind, enabled, levels, where_, ship } = self;
        let is_same_rule = *levels == other.levels && *where_ == other.where_;
        let is_same_way = *ship == other.ship && *enabled == other.enabled;
        *name == other.name && kind.is_same(&*other.kind) && is_same_rule && is_same_way
    }
}

impl SinkSettings {
    /// The archive as it is where nothing is configured.
    pub fn archive() -> Self {
        SinkSettings {
            name: "archive".to_owned(),
            kind: Arc::new(ArchiveKind::default()),
            enabled: true,
            levels: Vec::new(),
            where_: None,
            ship: None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivacySettings {
    /// Fields whose values leave sealed.
    pub seal: Vec<String>,
    /// Fields whose addresses leave under another name.
    pub pseudonymise: Vec<String>,
    pub addresses: AddressMode,
    /// Addresses look alike in all months.
    pub addresses_last: bool,
    /// Values of sealed fields inside messages: name of the field, expression.
    pub patterns: Vec<(String, String)>,
    /// The document carries the raw record as `event.original`.
    pub keep_original: bool,
}

impl PrivacySettings {
    /// Without keys: what it hides is hidden for good.
    pub fn policy(&self) -> Policy {
        let pattern = |(field, regex): &(String, String)| {
            // What the configuration was read with.
            Regex::new(regex).ok().and_then(|regex| Pattern::new(field, regex))
        };
        Policy::new(&self.seal, self.keep_original)
            .with_addresses(&self.pseudonymise, self.addresses, self.addresses_last)
            .with_patterns(self.patterns.iter().filter_map(pattern).collect())
    }
}

/// Kept as far as it is understood now: its name and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierSettings {
    pub name: String,
    pub kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// State file, lock, control socket.
    pub state: PathBuf,
    /// The embedded archive.
    pub archive: PathBuf,
    /// What may be deleted at any time: indexes.
    pub cache: PathBuf,
    /// Standard input until it is delivered, and rescued rests of deleted files.
    pub intake: PathBuf,
    /// Our own log.
    pub log: PathBuf,
}

impl Directories {
    /// Everything durable under one directory (`--state-dir`).
    pub fn under(root: &Path) -> Self {
        Directories {
            state: root.to_owned(),
            archive: root.join("archive"),
            cache: root.join("cache"),
            intake: root.join("intake"),
            log: root.join("log"),
        }
    }

    /// The state, data and cache directories of this user; `None` where there is no home.
    pub fn of_user() -> Option<Self> {
        let directories = directories::ProjectDirs::from("", "", "logwarden")?;
        let state =
            directories.state_dir().unwrap_or_else(|| directories.data_local_dir()).to_owned();
        Some(Directories {
            archive: directories.data_dir().join("archive"),
            cache: directories.cache_dir().to_owned(),
            intake: directories.data_dir().join("intake"),
            log: state.join("log"),
            state,
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether to colour what goes to a place that is a terminal or none.
    pub fn enabled(self, terminal: bool) -> bool {
        match self {
            Color::Auto => terminal,
            Color::Always => true,
            Color::Never => false,
        }
    }
}
