//! What was typed. Help, man page and completions come from these types.

mod client;
mod dead_letters;
mod keys;
mod ship;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use client::{Client, Erase, Find};
pub use dead_letters::{Chosen, DeadLetters, DropLetters, Listed};
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
  logwarden /var/log/app/*.log          watch these files in the terminal
  logwarden                             watch the configured sources
  logwarden --no-ui --once app.log      read all of it into the archive, without a screen
  kubectl logs -f web | logwarden -     standard input as a stream; keys come from the terminal
  logwarden demo                        see it work, without any setting

Exit codes: 0 done, 1 failed or nothing found, 2 usage, configuration or a path that
is not there, 3 done but something was lost, 4 another engine owns the state directory,
5 a part of Logwarden failed by a fault of its own."
)]
pub struct Arguments {
    #[command(flatten)]
    pub watch: Watch,
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub global: Global,
}

/// Watching files, with a screen or without.
#[derive(Args, Clone, Debug, Default)]
pub struct Watch {
    /// Files, directories or patterns, - for standard input; without any, the configured sources
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The same engine without a screen, until SIGTERM or SIGINT
    #[arg(long)]
    pub no_ui: bool,
    /// Read everything that is there, deliver, commit, exit; code 1 if something could not be delivered
    #[arg(long, requires = "no_ui")]
    pub once: bool,
    /// Give these files to the configured sinks, at once and continuously; the key s ships one round
    #[arg(long)]
    pub ship: bool,
}

impl Watch {
    pub fn is_used(&self) -> bool {
        !self.paths.is_empty() || self.no_ui || self.once || self.ship
    }
}

/// Accepted before and after every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Another configuration file, read after that of the user
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Keep everything durable (state, archive, intake, cache, own log) under DIR
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Where month keys lie
    #[arg(long, value_name = "DIR", global = true)]
    pub keys: Option<PathBuf>,
    /// Zone of times that name none: local, UTC, Europe/Berlin
    #[arg(long, value_name = "ZONE", global = true)]
    pub tz: Option<String>,
    /// Colours: auto where the output is a terminal
    #[arg(long, value_name = "WHEN", value_enum, global = true)]
    pub color: Option<When>,
    /// What our own log says: error, warn, info, debug, trace, off; or directives as in info,logwarden::follow=debug
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// More of our own log: -v debug, -vv trace
    #[arg(short, action = clap::ArgAction::Count, global = true, conflicts_with = "log_level")]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch generated logs: no configuration, nothing is left behind
    #[command(after_help = "Example:\n  logwarden demo")]
    Demo,
    /// Print one JSON object an event: what was understood
    #[command(after_help = "Examples:
  logwarden parse app.log
  kubectl logs web | logwarden parse --format json -
  logwarden parse --protect app.log     what would leave this machine")]
    Parse(Parse),
    /// Count lines, events and levels; time range, format, speed
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
  logwarden search -- '-timeout' app.log     a query that begins with -
  logwarden search '/time[- ]?out/' app.log  a regular expression over the record, as on the screen
  kubectl logs web | logwarden search level:error -

The language: words and \"phrases\" look at the message; field:value, field:(a b),
bytes>=1000, level>=warning, time>=2024-05-01, host:web*, ip:10.0.0.0/8, user:*;
and, or, not, parentheses. In quotes a value is a text: version:\"2.1\" is not 2.10.")]
    Search(Search),
    /// Write sample logs
    #[command(after_help = "Examples:
  logwarden generate web --count 1000
  logwarden generate ops --rate 20 --out ops.log --seed 7")]
    Generate(Generate),
    /// Write a commented configuration that works as it is
    #[command(after_help = "Examples:
  logwarden init
  logwarden init /var/log/app/app.log
  logwarden --config logwarden.toml init")]
    Init(Init),
    /// Check configuration, files, directories and archive, one line each
    #[command(after_help = "Example:\n  logwarden check --config logwarden.toml")]
    Check,
    /// Prepare a server for what is delivered to it: index template, deletion after `keep`
    #[command(
        after_help = "Examples:\n  logwarden setup elasticsearch --print\n  logwarden setup elasticsearch"
    )]
    Setup(Setup),
    /// Ask the running engine to deliver now, to pause, to resume or to try again
    #[command(after_help = ship::EXAMPLES)]
    Ship {
        #[command(subcommand)]
        command: Ship,
    },
    /// Look at what a sink refused for good, send it again, or drop it
    #[command(after_help = dead_letters::EXAMPLES)]
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// See, make, check, back up, rotate, import and destroy month keys
    #[command(after_help = keys::EXAMPLES)]
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Open sealed values: a token, or all tokens of a file or of standard input
    #[command(after_help = keys::DECRYPT_EXAMPLES)]
    Decrypt(Decrypt),
    /// Find the events of one client id, in the archive and in Elasticsearch
    #[command(after_help = client::FIND_EXAMPLES)]
    Find(Find),
    /// Erase the events of one client id; without --yes only show what would go
    #[command(after_help = client::ERASE_EXAMPLES)]
    Erase(Erase),
    /// Print the settings: all defaults, or what is in effect and where it comes from
    #[command(after_help = "Example:\n  logwarden config --print-effective")]
    Config(PrintConfig),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  logwarden completions bash > ~/.local/share/bash-completion/completions/logwarden"
    )]
    Completions { shell: Shell },
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
    /// What to prepare: every sink of this kind
    #[arg(value_parser = ["elasticsearch"])]
    pub kind: String,
    /// Print what would be sent, and send nothing
    #[arg(long)]
    pub print: bool,
}

#[derive(Args, Debug)]
pub struct Parse {
    /// A file, or - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Force a format instead of finding it out
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// Print what would leave this machine: sealed and renamed as [privacy] says, with the keys that are there
    #[arg(long)]
    pub protect: bool,
}

#[derive(Args, Debug)]
pub struct Stats {
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// One object a line
    Json,
}

#[derive(Args, Debug)]
pub struct Search {
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Search these files instead of the archive; - for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where to search; without it the archive, or the files if there are any
    #[arg(long = "in", value_name = "WHERE", value_enum)]
    pub place: Option<Place>,
    /// Only events at or after: 2024-05-01, 10:30, -15m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only events before
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// At most so many events
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Newest first
    #[arg(long, conflicts_with = "count")]
    pub newest: bool,
    /// Print only how many there are
    #[arg(long)]
    pub count: bool,
    /// Print events of files as they would leave this machine; those of the archive always are
    #[arg(long)]
    pub protect: bool,
    /// Open the tokens with the keys that are there; that is written to the audit file
    #[arg(long, conflicts_with_all = ["count", "protect"])]
    pub open: bool,
    /// Show what is found on the screen, where o opens the tokens of one event
    #[arg(long, conflicts_with_all = ["count", "open", "format"])]
    pub view: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub format: SearchFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Place {
    Archive,
    Files,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SearchFormat {
    /// One event a line, for people
    Text,
    /// One event document a line
    Json,
    /// A table with a header
    Csv,
}

#[derive(Args, Debug)]
pub struct Generate {
    #[arg(value_enum)]
    pub profile: Profile,
    /// Lines a second; without it as fast as possible
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Stop after so many lines; without it never with --rate, else after 1000
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// A file, or for sre a directory; without it standard output
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// The same seed writes the same lines
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The time of the first line: 2024-05-01, -1d; without it the last one is of now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Rename the file at so many bytes and begin a new one
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
    /// JSON lines with client ids, one file a month
    Sre,
    /// JSON lines of a service
    App,
    /// A small web application
    Web,
    /// Messages of machines
    Ops,
}

#[derive(Args, Debug)]
pub struct Init {
    /// What the first source reads; without any, /var/log/*.log
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct PrintConfig {
    /// Every setting with its default, commented
    #[arg(long)]
    pub print_default: bool,
    /// What is in effect, each with its file and line, variable or argument
    #[arg(long)]
    pub print_effective: bool,
}
