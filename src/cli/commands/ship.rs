//! `logwarden ship`: asks the engine that owns the state directory to deliver, to wait, or to try again.

use anyhow::{Context, bail};

use crate::app::control::{self, Reply, Request};
use crate::cli::arguments::{Global, Ship};
use crate::cli::exit::{Exit, say};
use crate::cli::resolve;
use crate::event::Command;

pub fn run(global: &Global, ship: &Ship) -> anyhow::Result<Exit> {
    let state = resolve::settings(global)?.directories.state;
    let (command, what) = command(ship);
    match control::ask(&state, &Request::Do { command }, &mut |_, _| {}) {
        Ok(Reply::Done) => {
            say(format_args!("asked for: {what}"));
            Ok(Exit::Done)
        }
        Ok(Reply::Refused { reason }) => bail!("{reason}"),
        Ok(other) => bail!("the engine answered {other:?}"),
        Err(error) if control::is_nobody(&error) => bail!(
            "no engine runs on {}; start one, or deliver once with `logwarden --no-ui --once`",
            state.display()
        ),
        Err(error) => Err(error).context("the engine that owns the state does not answer"),
    }
}

fn command(ship: &Ship) -> (Command, String) {
    let to = |sink: &Option<String>| sink.clone().unwrap_or_else(|| "every sink".to_owned());
    match ship {
        Ship::Now { sink } => {
            (Command::ShipNow { sink: sink.clone() }, format!("all up to now to {}", to(sink)))
        }
        Ship::Pause { sink } => {
            let by = "logwarden ship".to_owned();
            (Command::Pause { sink: sink.clone(), by }, format!("{} waits", to(sink)))
        }
        Ship::Resume { sink } => {
            (Command::Resume { sink: sink.clone() }, format!("{} goes on", to(sink)))
        }
        Ship::Retry { sink } => {
            (Command::Retry { sink: sink.clone() }, format!("{} is tried at once", to(sink)))
        }
    }
}
