//! `logwarden find` and `logwarden erase`.

use clap::Args;

use super::Listed;

pub const FIND_EXAMPLES: &str = "Examples:
  logwarden find --client CLIENTID2               how many events where, and the newest of them
  logwarden find --client CLIENTID2 --limit 0     only how many
  logwarden find --client CLIENTID2 --open        with every token opened whose key is there
  logwarden find --client CLIENTID2 --view        on the screen, where o opens the tokens of one event
  logwarden --keys /mnt/safe/logwarden-keys find --client CLIENTID2 --format json

The id is looked for by its tags in every sealed field, under every key of the keys directory, in the
archive, in dead letters and in the indexes of all sinks of kind elasticsearch. Case counts. Code 1:
nothing was found, or not every place could be asked.";

pub const ERASE_EXAMPLES: &str = "Examples:
  logwarden erase --client CLIENTID2              what would be erased where; erases nothing
  logwarden erase --client CLIENTID2 --yes        erase it, and do not ask

Whole events are erased, from the archive, from dead letters and from the indexes of all sinks of
kind elasticsearch. Stop the engine first: it would bring in more. The logs themselves, outputs of
file sinks, mails and backups are not touched. To make a whole month unreadable wherever it was
copied to: logwarden keys destroy MONTH.";

#[derive(Args, Debug)]
pub struct Find {
    #[command(flatten)]
    pub client: Client,
    /// Show so many of the newest events of each place
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub limit: u16,
    /// Open the tokens of the events; that is written to the audit file
    #[arg(long)]
    pub open: bool,
    /// Show the newest events on the screen, where o opens the tokens of one event
    #[arg(long, conflicts_with_all = ["open", "json", "format"])]
    pub view: bool,
    #[command(flatten)]
    pub listed: Listed,
}

#[derive(Args, Debug)]
pub struct Erase {
    #[command(flatten)]
    pub client: Client,
    /// Erase, and do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub struct Client {
    /// The value of a sealed field, as the log has it
    #[arg(long = "client", value_name = "ID", required = true, allow_hyphen_values = true)]
    pub id: String,
}
