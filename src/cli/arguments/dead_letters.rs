//! `logwarden dead-letters …`.

use clap::{Args, Subcommand};

use super::TextOrJson;

pub const EXAMPLES: &str = "Examples:
  logwarden dead-letters list                     what lies there, and the commonest reasons
  logwarden dead-letters show --sink es           each letter: who refused it, why, the document
  logwarden dead-letters replay --sink es         send them again; what is delivered leaves the store
  logwarden dead-letters drop --day 2026-11-20    see what would go; with --yes it goes

A letter lies in dead-letters/SINK/DAY.jsonl of the state directory. Where an engine runs, it does
the work; else this command does.";

#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Count them by sink and day, with the commonest reasons
    #[command(after_help = "Examples:
  logwarden dead-letters list
  logwarden dead-letters list --sink es --format json")]
    List {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show each letter: target, reason, place in the log, document
    #[command(after_help = "Examples:
  logwarden dead-letters show --sink es --day 2026-11-20
  logwarden dead-letters show --id jd3XoQAAAAAAAAAAAAAAAAAAAA
  logwarden dead-letters show --where 'level:error service.name:shop' --format json")]
    Show {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        listed: Listed,
    },
    /// Send them to their sink again, under the same ids; code 3 if some are refused again
    #[command(after_help = "Examples:
  logwarden dead-letters replay --sink es
  logwarden dead-letters replay --where 'service.name:shop'

What is there already counts as delivered. What is delivered leaves the store; what is refused
again stays. It can be broken off and repeated at any time.")]
    Replay {
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Drop them for good; without --yes only show what would go
    #[command(after_help = "Examples:
  logwarden dead-letters drop --sink es --day 2026-11-20
  logwarden dead-letters drop --where 'path:health*' --yes")]
    Drop(DropLetters),
}

#[derive(Args, Debug)]
pub struct DropLetters {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Drop them, and do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Which letters; without any of these, all of them.
#[derive(Args, Debug)]
pub struct Chosen {
    /// Those of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Refused on this day, in UTC: 2026-11-20
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub day: Option<String>,
    /// The one of this event
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Those whose document fits, in the language of `logwarden search`
    #[arg(long = "where", value_name = "QUERY")]
    pub where_: Option<String>,
}

#[derive(Args, Debug)]
pub struct Listed {
    #[arg(long, value_enum, default_value = "text")]
    format: TextOrJson,
    /// The same as --format json
    #[arg(long, hide = true)]
    json: bool,
}

impl Listed {
    pub fn is_json(&self) -> bool {
        self.json || self.format == TextOrJson::Json
    }
}

fn day(text: &str) -> Result<String, String> {
    match text.parse::<jiff::civil::Date>() {
        Ok(day) => Ok(day.to_string()),
        Err(_) => Err("expected a day, as in 2026-11-20".to_owned()),
    }
}
