//! `logwarden keys …` and `logwarden decrypt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Listed;
use crate::privacy::Month;

pub const EXAMPLES: &str = "Examples:
  logwarden keys list                             which keys there are, and in what state
  logwarden keys check                            is every key in order; code 1 if not
  logwarden keys backup /mnt/safe/logwarden-keys  a copy that is a keys directory itself
  logwarden --keys keys keys list                 those of another directory

Keys lie in --keys DIR, else where `privacy.keys` says, else in the data directory of your user; a month's
key is made when something of that month is sealed for the first time. Without its key, what was
sealed cannot be opened by anybody: keep a backup. docs/PRIVACY.md says what a key protects.";

pub const DECRYPT_EXAMPLES: &str = "Examples:
  logwarden decrypt enc1.AV6_…                    one token
  logwarden decrypt events.jsonl > clear.jsonl    all tokens of a file, the rest as it is
  curl -s es:9200/app/_search | logwarden decrypt -
  logwarden --keys /mnt/safe/logwarden-keys decrypt -

Between double quotes, as in JSON, a value is written with the escapes of JSON, so that a document
stays one. A token that cannot be opened stays as it is; why is said on standard error, and the exit
code is 1.

What is opened is written to audit.jsonl in the state directory: who, when, key, month, field and file,
never a value. Where that cannot be written, it is said on standard error, and the tokens are opened.";

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Every key there is or was
    #[command(after_help = "Examples:
  logwarden keys list
  logwarden keys list --format json")]
    List(Listed),
    /// Make the first key of a month, before anything needs it
    #[command(after_help = "Examples:
  logwarden keys new
  logwarden keys new 2026_December")]
    New {
        /// As in 2021_April or 2021-04; without it, this month
        #[arg(value_parser = month)]
        month: Option<Month>,
    },
    /// Whether every key is in order, one line each, with the command that mends it; code 1 if one is not
    #[command(after_help = "Example:\n  logwarden keys check")]
    Check,
    /// Copy all keys to another directory; nothing that lies there is written over
    #[command(after_help = "Example:\n  logwarden keys backup /mnt/safe/logwarden-keys")]
    Backup {
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Make one more key for a month: it is sealed with from now on, and the old ones still open
    #[command(after_help = "Example:\n  logwarden keys rotate 2026_November")]
    Rotate {
        #[arg(value_parser = month)]
        month: Month,
    },
    /// Take over a key that was made elsewhere: 32 bytes, and nothing else in the file
    #[command(after_help = "Examples:
  logwarden keys import 2021_April april.raw
  base64 -d april.b64 | logwarden keys import 2021_April -

Where the month has a key, the new one is sealed with from now on.")]
    Import {
        #[arg(value_parser = month)]
        month: Month,
        /// A file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Destroy all keys of a month for good: nobody can open again what they sealed
    #[command(after_help = "Examples:
  logwarden keys destroy 2021_April
  logwarden keys destroy 2021_April --confirm 2021_April     where nobody can type it

A tombstone stays, so that whoever tries to open something learns when it was. Backups and copies
are beyond this command.")]
    Destroy {
        #[arg(value_parser = month)]
        month: Month,
        /// The month once more: destroy, and do not ask
        #[arg(long, value_name = "MONTH")]
        confirm: Option<String>,
    },
}

#[derive(Args, Debug)]
pub struct Decrypt {
    /// A token, a file, or - for standard input
    #[arg(value_name = "TOKEN|FILE", default_value = "-")]
    pub input: PathBuf,
}

fn month(text: &str) -> Result<Month, String> {
    Month::typed(text).ok_or_else(|| "expected a month, as in 2021_April or 2021-04".to_owned())
}
