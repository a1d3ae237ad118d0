//! Arguments and help texts of `logwarden find` and `logwarden erase`.

use clap::Args;

use super::ListOutput;

pub const FIND_EXAMPLES: &str = "Examples:
  logwarden find --client CLIENTID2               event counts per location, and the newest events
  logwarden find --client CLIENTID2 --limit 0     only the counts
  logwarden find --client CLIENTID2 --open        decrypt all tokens whose key is available
  logwarden find --client CLIENTID2 --view        on the screen, where o decrypts one event
  logwarden --keys /mnt/safe/logwarden-keys find --client CLIENTID2 --format json

Searches for the tags of the id, in every sealed field and with every key of the keys directory, in
the archive, the dead letters and the indexes of all elasticsearch sinks. The id is case-sensitive.
Exit code 1: nothing was found, or a location could not be searched completely.";

pub const ERASE_EXAMPLES: &str = "Examples:
  logwarden erase --client CLIENTID2              show what would be erased; erases nothing
  logwarden erase --client CLIENTID2 --yes        erase without asking

Erases whole events from the archive, the dead letters and the indexes of all elasticsearch sinks.
Stop the engine first: it would deliver more events of the client. The logs themselves, outputs of
file sinks, mails and backups are not changed. To make a whole month unreadable in every copy:
logwarden keys destroy MONTH.";

#[derive(Args, Debug)]
pub struct Find {
    #[command(flatten)]
    pub client: Client,
    /// Show the newest N events of each location
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub limit: u16,
    /// Decrypt the tokens of the events; recorded in the audit log
    #[arg(long)]
    pub open: bool,
    /// Show the newest events on the screen, where o decrypts one event
    #[arg(long, conflicts_with_all = ["open", "json", "format"])]
    pub view: bool,
    #[command(flatten)]
    pub output: ListOutput,
}

#[derive(Args, Debug)]
pub struct Erase {
    #[command(flatten)]
    pub client: Client,
    /// Erase without asking
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub struct Client {
    /// The value of a sealed field, in plain text as in the log
    #[arg(long = "client", value_name = "ID", required = true, allow_hyphen_values = true)]
    pub id: String,
}
