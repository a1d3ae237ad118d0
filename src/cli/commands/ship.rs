//! `logwarden ship`: sends a shipping command to the running engine: now, pause, resume, retry.

use anyhow::{Context, bail};

use crate::app::control::{self, Reply, Request};
use crate::cli::arguments::{Global, Ship};
use crate::cli::exit::{Exit, say};
use crate::cli::resolve;
use crate::event::Command;

pub fn run(global: &Global, ship: &Ship) -> anyhow::Result<Exit> {
    let state = resolve::settings(global)?.directories.state;
    let (command, confirmation) = command(ship);
    match control::ask(&state, &Request::Do { command }, &mut |_, _| {}) {
        Ok(Reply::Done) => {
            say(confirmation);
            Ok(Exit::Done)
        }
        Ok(Reply::Refused { reason }) => bail!("{reason}"),
        Ok(other) => bail!("unexpected answer from the engine: {other:?}"),
        Err(error) if control::is_not_running(&error) => bail!(
            "no engine is running with the state directory {}; start one, or deliver once with `logwarden --no-ui \
             --once`",
            state.display()
        ),
        Err(error) => {
            Err(error).context("the engine that is using the state directory does not answer")
        }
    }
}

fn command(ship: &Ship) -> (Command, String) {
    let to = |sink: &Option<String>| sink.clone().unwrap_or_else(|| "all sinks".to_owned());
    match ship {
        Ship::Now { sink } => (
            Command::ShipNow { sink: sink.clone() },
            format!("shipping everything up to now to {}", to(sink)),
        ),
        Ship::Pause { sink } => {
            let by = "logwarden ship".to_owned();
            (Command::Pause { sink: sink.clone(), by }, format!("paused: {}", to(sink)))
        }
        Ship::Resume { sink } => {
            (Command::Resume { sink: sink.clone() }, format!("resumed: {}", to(sink)))
        }
        Ship::Retry { sink } => {
            (Command::Retry { sink: sink.clone() }, format!("retrying now: {}", to(sink)))
        }
    }
}
