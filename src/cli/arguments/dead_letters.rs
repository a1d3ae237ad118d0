//! Arguments and help texts of `logwarden dead-letters …`.

use clap::{Args, Subcommand};

use super::TextOrJson;

pub const EXAMPLES: &str = "Examples:
  logwarden dead-letters list                     counts by sink and day, most frequent reasons
  logwarden dead-letters show --sink es           each dead letter: sink, reason, document
  logwarden dead-letters replay --sink es         send again; delivered ones are removed
  logwarden dead-letters drop --day 2026-11-20    show what would be deleted; with --yes delete it

Dead letters are stored in dead-letters/SINK/DAY.jsonl in the state directory. If an engine is
running, it carries out replay and drop; otherwise this command does.";

#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Count dead letters by sink and day, with the most frequent reasons
    #[command(after_help = "Examples:
  logwarden dead-letters list
  logwarden dead-letters list --sink es --format json")]
    List {
        #[command(flatten)]
        filter: DeadLetterFilter,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Show each dead letter: target, reason, file and offset, document
    #[command(after_help = "Examples:
  logwarden dead-letters show --sink es --day 2026-11-20
  logwarden dead-letters show --id jd3XoQAAAAAAAAAAAAAAAAAAAA
  logwarden dead-letters show --where 'level:error service.name:shop' --format json")]
    Show {
        #[command(flatten)]
        filter: DeadLetterFilter,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Send dead letters to their sink again, with the same ids; exit code 3 if some are rejected again
    #[command(after_help = "Examples:
  logwarden dead-letters replay --sink es
  logwarden dead-letters replay --where 'service.name:shop'

Duplicates count as delivered. Delivered dead letters are removed from the store, rejected ones
stay. It can be interrupted and repeated at any time.")]
    Replay {
        #[command(flatten)]
        filter: DeadLetterFilter,
    },
    /// Delete dead letters permanently; without --yes only show what would be deleted
    #[command(after_help = "Examples:
  logwarden dead-letters drop --sink es --day 2026-11-20
  logwarden dead-letters drop --where 'path:health*' --yes")]
    Drop(DropDeadLetters),
}

#[derive(Args, Debug)]
pub struct DropDeadLetters {
    #[command(flatten)]
    pub filter: DeadLetterFilter,
    /// Delete without asking
    #[arg(long)]
    pub yes: bool,
}

/// Selects dead letters; without any of these, all of them.
#[derive(Args, Debug)]
pub struct DeadLetterFilter {
    /// Only those of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Only those rejected on this day (UTC): 2026-11-20
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub day: Option<String>,
    /// Only the one with this event id
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Only those whose document matches this query, in the language of `logwarden search`
    #[arg(long = "where", value_name = "QUERY")]
    pub where_: Option<String>,
}

#[derive(Args, Debug)]
pub struct ListOutput {
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: TextOrJson,
    /// The same as --format json
    #[arg(long, hide = true)]
    json: bool,
}

impl ListOutput {
    pub fn is_json(&self) -> bool {
        self.json || self.format == TextOrJson::Json
    }
}

fn day(text: &str) -> Result<String, String> {
    match text.parse::<jiff::civil::Date>() {
        Ok(day) => Ok(day.to_string()),
        Err(_) => Err("expected a day, for example 2026-11-20".to_owned()),
    }
}
