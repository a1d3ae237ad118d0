//! The command line as typed: every command, argument and help text. Help, completions and manual pages are generated
//! from these types; `cli::resolve` turns them into usable settings.

mod client;
mod dead_letters;
mod keys;
mod ship;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use client::{Client, Erase, Find};
pub use dead_letters::{DeadLetterFilter, DeadLetters, DropDeadLetters, ListOutput};
pub use keys::{Decrypt, Keys};
pub use ship::Ship;

/// The version of the package, with the commit that it was built from where that is known.
const VERSION: &str = match option_env!("LOGWARDEN_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Opens any log, follows it live, raises alerts and ships every event once.
#[derive(Debug, Parser)]
#[command(
    name = "logwarden",
    version = VERSION,
    subcommand_value_name = "COMMAND",
    after_help = "Examples:
  logwarden /var/log/app/*.log          view these files live; nothing is shipped until you press s
  logwarden                             follow and ship the configured sources
  logwarden --no-ui --once app.log      read the whole file into the archive and exit
  kubectl logs -f web | logwarden -     follow standard input; keys come from the terminal
  logwarden demo                        watch sample logs, no configuration needed

Exit codes: 0 done, 1 failed or nothing found, 2 wrong usage or configuration or a missing path,
3 done but some events were lost or became dead letters, 4 another engine is using the state
directory, 5 internal error: a part of Logwarden failed."
)]
pub struct Arguments {
    #[command(flatten)]
    pub watch: Watch,
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub global: Global,
}

/// Follow files, with or without the screen.
#[derive(Args, Clone, Debug, Default)]
pub struct Watch {
    /// Files, directories or globs, - for standard input; default: the configured sources
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Run without the screen, until SIGTERM or SIGINT
    #[arg(long)]
    pub no_ui: bool,
    /// Read all existing data, deliver it, commit and exit; code 1 if something could not be delivered
    #[arg(long, requires = "no_ui")]
    pub once: bool,
    /// Ship these files continuously (default for named files: view only, s ships once)
    #[arg(long)]
    pub ship: bool,
}

impl Watch {
    /// Whether any of these arguments was given.
    pub fn is_used(&self) -> bool {
        !self.paths.is_empty() || self.no_ui || self.once || self.ship
    }
}

/// Accepted before and after every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Additional configuration file; its settings override the user's
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Store all data (state, archive, intake, cache, Logwarden's own log) under DIR
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Directory of the monthly keys
    #[arg(long, value_name = "DIR", global = true)]
    pub keys: Option<PathBuf>,
    /// Time zone for timestamps without one: local, UTC, Europe/Berlin
    #[arg(long, value_name = "ZONE", global = true)]
    pub tz: Option<String>,
    /// Colours; auto: only on a terminal
    #[arg(long, value_name = "WHEN", value_enum, global = true)]
    pub color: Option<ColorChoice>,
    /// Log level of Logwarden itself: error, warn, info, debug, trace, off; or directives: info,logwarden::follow=debug
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// Raise the log level of Logwarden itself: -v debug, -vv trace
    #[arg(short, action = clap::ArgAction::Count, global = true, conflicts_with = "log_level")]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch generated sample logs: needs no configuration, leaves nothing behind
    #[command(after_help = "Example:\n  logwarden demo")]
    Demo,
    /// Print each parsed event as JSON
    #[command(after_help = "Examples:
  logwarden parse app.log
  kubectl logs web | logwarden parse --format json -
  logwarden parse --protect app.log     events as a sink would get them: sealed and pseudonymised")]
    Parse(Parse),
    /// Count lines, events and levels; show time range, format and speed
    #[command(after_help = "Examples:
  logwarden stats app.log
  logwarden stats --format json *.log")]
    Stats(Stats),
    /// Search the archive or files
    #[command(after_help = "Examples:
  logwarden search 'Unauthorized level>=warning' --since -1h
  logwarden search 'ip:10.0.0.0/8 and not path:health*' --count
  logwarden search timeout app.log --format json
  logwarden search client_id:CLIENTID2       a sealed id, with the keys of all months
  logwarden search -- '-timeout' app.log     a query that starts with -
  logwarden search '/time[- ]?out/' app.log  a regular expression over the whole record
  kubectl logs web | logwarden search level:error -

Query language: bare words and \"phrases\" search the message; field:value, field:(a b),
bytes>=1000, level>=warning, time>=2024-05-01, host:web*, ip:10.0.0.0/8, user:*;
and, or, not, parentheses. A quoted value is compared as text: version:\"2.1\" does not match 2.10.")]
    Search(Search),
    /// Write sample logs, for trying things out
    #[command(after_help = "Examples:
  logwarden generate web --count 1000
  logwarden generate ops --rate 20 --out ops.log --seed 7")]
    Generate(Generate),
    /// Write a ready-to-use, commented configuration
    #[command(after_help = "Examples:
  logwarden init
  logwarden init /var/log/app/app.log
  logwarden --config logwarden.toml init")]
    Init(Init),
    /// Check configuration, files, directories, keys and sinks; print one line for each
    #[command(after_help = "Example:\n  logwarden check --config logwarden.toml")]
    Check,
    /// Install the index template and retention policy on a server
    #[command(after_help = "Examples:
  logwarden setup elasticsearch --print   show the requests, send nothing
  logwarden setup elasticsearch")]
    Setup(Setup),
    /// Control shipping of the running engine: ship now, pause, resume, retry
    #[command(after_help = ship::EXAMPLES)]
    Ship {
        #[command(subcommand)]
        command: Ship,
    },
    /// List, replay or delete events that a sink rejected permanently
    #[command(after_help = dead_letters::EXAMPLES)]
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// List, create, check, back up, rotate, import and destroy the monthly keys
    #[command(after_help = keys::EXAMPLES)]
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Decrypt sealed values: one token, or all tokens in a file or standard input
    #[command(after_help = keys::DECRYPT_EXAMPLES)]
    Decrypt(Decrypt),
    /// Find the events of one client id in the archive, dead letters and Elasticsearch
    #[command(after_help = client::FIND_EXAMPLES)]
    Find(Find),
    /// Erase the events of one client id; without --yes only show what would be erased
    #[command(after_help = client::ERASE_EXAMPLES)]
    Erase(Erase),
    /// Print the settings: all defaults, or the effective values and their origin
    #[command(after_help = "Examples:
  logwarden config --print-default > logwarden.toml
  logwarden config --print-effective")]
    Config(PrintConfig),
    /// Print the completion script for a shell
    #[command(
        after_help = "Example:\n  logwarden completions bash > ~/.local/share/bash-completion/completions/logwarden"
    )]
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
    /// Print the manual page, or write one page per command into a directory
    #[command(after_help = "Examples:
  logwarden man | man -l -
  logwarden man --out ~/.local/share/man/man1")]
    Man {
        /// Write logwarden.1, logwarden-search.1, … into this directory
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub struct Setup {
    /// Kind of server; sets up every configured sink of this kind
    #[arg(value_parser = ["elasticsearch"])]
    pub kind: String,
    /// Print the requests, send nothing
    #[arg(long)]
    pub print: bool,
}

#[derive(Args, Debug)]
pub struct Parse {
    /// A file, or - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Use this format, skip detection
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// Print events as a sink would get them: sealed and pseudonymised by [privacy], with the existing keys
    #[arg(long)]
    pub protect: bool,
}

#[derive(Args, Debug)]
pub struct Stats {
    /// Files to read, - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Args, Debug)]
pub struct Search {
    /// Query (see below) or /regular expression/; quote it if it has several words
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Search these files, directories or globs instead of the archive; - for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where to search; default: the archive, or the files if any are named
    #[arg(long = "in", value_name = "WHERE", value_enum)]
    pub search_in: Option<SearchIn>,
    /// Only events at or after this time: 2024-05-01, 10:30, -15m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Print at most N events
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Newest first
    #[arg(long, conflicts_with = "count")]
    pub newest: bool,
    /// Print only the count
    #[arg(long)]
    pub count: bool,
    /// Print events of files as a sink would get them (those of the archive always are)
    #[arg(long)]
    pub protect: bool,
    /// Decrypt tokens with the available keys; recorded in the audit log
    #[arg(long, conflicts_with_all = ["count", "protect"])]
    pub open: bool,
    /// Show the results on the screen, where o decrypts one event
    #[arg(long, conflicts_with_all = ["count", "open", "format"])]
    pub view: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub format: SearchFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SearchIn {
    Archive,
    Files,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SearchFormat {
    /// One event per line, for people
    Text,
    /// One JSON event document per line
    Json,
    /// A table with a header
    Csv,
}

#[derive(Args, Debug)]
pub struct Generate {
    /// Kind of log to write
    #[arg(value_enum)]
    pub profile: Profile,
    /// Lines per second; default: as fast as possible
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Stop after N lines; default: never with --rate, otherwise 1000
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// File to write, or a directory for sre; default: standard output
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Random seed; the same seed and --start write the same lines
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Time of the first line: 2024-05-01, -1d; default: the last line is written with the current time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Rename the file when it reaches this size and start a new one
    #[arg(long, value_name = "BYTES", requires = "out")]
    pub rotate: Option<u64>,
    /// Write each line in two or three parts, as some loggers do
    #[arg(long)]
    pub pieces: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| *rate > 0.0 && rate.is_finite())
        .ok_or_else(|| "expected a number above 0".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// JSON lines with client ids, one file per month
    Sre,
    /// JSON lines of a service
    App,
    /// A small web application
    Web,
    /// Machine and system messages
    Ops,
}

#[derive(Args, Debug)]
pub struct Init {
    /// Paths of the first source; default: /var/log/*.log
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct PrintConfig {
    /// Print every setting with its default, commented
    #[arg(long)]
    pub print_default: bool,
    /// Print the effective settings, each with its origin: file and line, variable or argument
    #[arg(long)]
    pub print_effective: bool,
}
