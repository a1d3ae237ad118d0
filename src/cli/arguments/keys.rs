//! Arguments and help texts of `logwarden keys …` and `logwarden decrypt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ListOutput;
use crate::privacy::Month;

pub const EXAMPLES: &str = "Examples:
  logwarden keys list                             all keys and their state
  logwarden keys check                            verify every key; exit code 1 if one is unusable
  logwarden keys backup /mnt/safe/logwarden-keys  copy them to another keys directory
  logwarden --keys keys keys list                 the keys of another directory

Keys are stored in --keys DIR, else in the directory of `privacy.keys`, else in the data directory
of your user. The key of a month is created when an event of that month is first sealed. Values
sealed with a lost key can never be decrypted again: keep a backup. See docs/PRIVACY.md.";

pub const DECRYPT_EXAMPLES: &str = "Examples:
  logwarden decrypt enc1.AV6_…                    one token
  logwarden decrypt events.jsonl > plain.jsonl    all tokens of a file; other text is copied
  curl -s es:9200/app/_search | logwarden decrypt -
  logwarden --keys /mnt/safe/logwarden-keys decrypt -

Inside double quotes a value is written with JSON escapes, so that a JSON document stays valid. A
token that cannot be decrypted is copied unchanged; the reason is printed on standard error, and
the exit code is 1.

Decryption is recorded in audit.jsonl in the state directory: user, time, key, month, field and
file, never a value. If the file cannot be written, a warning is printed and decryption continues.";

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List all keys, including destroyed ones
    #[command(after_help = "Examples:
  logwarden keys list
  logwarden keys list --format json")]
    List(ListOutput),
    /// Create the first key of a month in advance
    #[command(after_help = "Examples:
  logwarden keys new
  logwarden keys new 2026_December")]
    New {
        /// Month, 2021_April or 2021-04; default: this month
        #[arg(value_parser = month)]
        month: Option<Month>,
    },
    /// Verify every key and say how to repair it; one line per key, exit code 1 if one is unusable
    #[command(after_help = "Example:\n  logwarden keys check")]
    Check,
    /// Copy all keys to another directory; never overwrites a file there
    #[command(after_help = "Example:\n  logwarden keys backup /mnt/safe/logwarden-keys")]
    Backup {
        /// Target directory; it can later be given as --keys
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Create another key for a month: it seals from now on, the old ones still decrypt
    #[command(after_help = "Example:\n  logwarden keys rotate 2026_November")]
    Rotate {
        /// Month, 2021_April or 2021-04
        #[arg(value_parser = month)]
        month: Month,
    },
    /// Import a key: a file of exactly 32 bytes
    #[command(after_help = "Examples:
  logwarden keys import 2021_April april.raw
  base64 -d april.b64 | logwarden keys import 2021_April -

If the month already has a key, the imported one seals from now on.")]
    Import {
        /// Month, 2021_April or 2021-04
        #[arg(value_parser = month)]
        month: Month,
        /// Key file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Destroy all keys of a month permanently: its sealed values can never be decrypted again
    #[command(after_help = "Examples:
  logwarden keys destroy 2021_April
  logwarden keys destroy 2021_April --confirm 2021_April     without a prompt, for scripts

A tombstone file remains, so that later attempts to decrypt can name the day of destruction.
Backups and copies of the key are not destroyed.")]
    Destroy {
        /// Month, 2021_April or 2021-04
        #[arg(value_parser = month)]
        month: Month,
        /// Repeat the month to destroy without a prompt
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
    Month::typed(text)
        .ok_or_else(|| "expected a month, for example 2021_April or 2021-04".to_owned())
}
