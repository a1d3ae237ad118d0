//! The resolved settings of the program: typed values, nothing left to parse.
//!
//! Built by `cli` from defaults, files, environment and arguments. Contains no secrets, only where to read them.

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
    /// Standard input is a source.
    pub stdin: bool,
    /// Pipes named on the command line; read like standard input.
    pub pipes: Vec<PathBuf>,
    /// The sources come from the command line: viewing a file must not ship it.
    pub ad_hoc: bool,
    pub ship: Ship,
    /// Enabled and disabled sinks, in the order of the configuration; never empty.
    pub sinks: Vec<SinkSettings>,
    /// Maximum disk space for the dead letters of one sink, in bytes.
    pub dead_letters_max_bytes: u64,
    /// Maximum disk space for the unread rest of deleted files until it is delivered, in bytes.
    pub intake_max_bytes: u64,
    pub privacy: PrivacySettings,
    /// The screen starts with sealed values hidden (masked).
    pub masked: bool,
    pub rules: Vec<RuleConfig>,
    pub notifiers: Vec<NotifierSettings>,
    pub directories: Directories,
    /// Directory of the monthly keys.
    pub keys: PathBuf,
    /// `keys` is the default directory, which is created when it is needed.
    pub makes_keys: bool,
    pub color: Color,
    /// Replaces the machine id in event ids.
    pub host_id: Option<String>,
    pub host_name: Option<String>,
    /// A filter of `tracing-subscriber`: `info`, `logwarden=debug`, …
    pub log_level: String,
    /// Listen address of the metrics endpoint.
    pub metrics: Option<SocketAddr>,
    /// Time zone for timestamps without one, on the command line and in sources that set none.
    pub zone: jiff::tz::TimeZone,
}

impl Settings {
    /// Standard input or a pipe is read.
    pub fn takes_input(&self) -> bool {
        self.stdin || !self.pipes.is_empty()
    }

    /// Names of the sinks that must have read temporary data before it is deleted, including sinks that are not running
    /// at the moment.
    pub fn consumers(&self) -> Vec<String> {
        self.sinks.iter().filter(|sink| sink.enabled).map(|sink| sink.name.clone()).collect()
    }
}

/// When sinks deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ship {
    pub start: ShipStart,
    /// Start a pass at this interval; each delivers everything up to the ends that the files have when it starts.
    pub every: Option<Duration>,
    /// Start a pass when this many events are pending.
    pub after: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShipStart {
    /// Shipping starts with the engine.
    #[default]
    Auto,
    /// Nothing is shipped until the operator requests it.
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
    /// Only events that match this query.
    pub where_: Option<Expr>,
    /// Replaces `Settings::ship` for this sink.
    pub ship: Option<Ship>,
}

impl PartialEq for SinkSettings {
    fn eq(&self, other: &Self) -> bool {
        let SinkSettings { name, kind, enabled, levels, where_, ship } = self;
        let has_same_filter = *levels == other.levels && *where_ == other.where_;
        let has_same_schedule = *ship == other.ship && *enabled == other.enabled;
        *name == other.name && kind.is_same(&*other.kind) && has_same_filter && has_same_schedule
    }
}

impl SinkSettings {
    /// The archive sink that is used if no sink is configured.
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
    /// Fields whose values are sealed.
    pub seal: Vec<String>,
    /// Fields whose IP addresses are replaced by pseudonyms.
    pub pseudonymise: Vec<String>,
    pub addresses: AddressMode,
    /// Pseudonyms are equal in all months.
    pub addresses_last: bool,
    /// Values of sealed fields inside messages: field name, regular expression.
    pub patterns: Vec<(String, String)>,
    /// Events contain the raw record as `event.original`.
    pub keep_original: bool,
}

impl PrivacySettings {
    /// A policy without keys: the values that it hides cannot be recovered.
    pub fn policy(&self) -> Policy {
        let pattern = |(field, regex): &(String, String)| {
            // The configuration was validated with the same expression.
            Regex::new(regex).ok().and_then(|regex| Pattern::new(field, regex))
        };
        Policy::new(&self.seal, self.keep_original)
            .with_addresses(&self.pseudonymise, self.addresses, self.addresses_last)
            .with_patterns(self.patterns.iter().filter_map(pattern).collect())
    }
}

/// Only name and kind: notifiers have no effect yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierSettings {
    pub name: String,
    pub kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// State file, lock, control socket, dead letters.
    pub state: PathBuf,
    /// The embedded archive.
    pub archive: PathBuf,
    /// Files that may be deleted at any time: indexes.
    pub cache: PathBuf,
    /// Standard input and the unread rest of deleted files, until they are delivered.
    pub intake: PathBuf,
    /// Logwarden's own log.
    pub log: PathBuf,
}

impl Directories {
    /// All data under one directory (`--state-dir`).
    pub fn under(root: &Path) -> Self {
        Directories {
            state: root.to_owned(),
            archive: root.join("archive"),
            cache: root.join("cache"),
            intake: root.join("intake"),
            log: root.join("log"),
        }
    }

    /// The state, data and cache directories of this user; `None` without a home directory.
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
    /// Whether to colour output; `is_terminal` is about the output's destination.
    pub fn enabled(self, is_terminal: bool) -> bool {
        match self {
            Color::Auto => is_terminal,
            Color::Always => true,
            Color::Never => false,
        }
    }
}
