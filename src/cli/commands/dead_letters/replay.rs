//! `dead-letters replay` and `drop`: carried out by the running engine through its control socket, or, if none is
//! running, by this process, which then holds the lock of the state directory.

use std::cell::OnceCell;

use anyhow::{Context, anyhow, bail};
use tokio_util::sync::CancellationToken;

use super::list::table;
use super::{DeadLetterCommand, report_malformed};
use crate::app::control::{self, Reply, Request};
use crate::app::dead_letters::{DeadLetterOrder, DeadLetterResult, DeadLetterService};
use crate::base::bytes;
use crate::cli::confirm;
use crate::cli::exit::{self, Exit, say};
use crate::cli::output::to_stdout;
use crate::cli::progress;
use crate::sink::dead_letters::{Removed, Replayed};
use crate::state::{StateError, StateOwnership};

impl DeadLetterCommand {
    pub(super) fn replay(&self) -> anyhow::Result<Exit> {
        if self.files()?.is_empty() {
            say("no dead letters");
            return Ok(Exit::Done);
        }
        let bar = OnceCell::new();
        let order = DeadLetterOrder::Replay(self.choice.selection());
        let outcome = self.order(&order, &mut |done, all| {
            bar.get_or_init(|| progress::bytes("sending", all)).set_position(done);
        });
        if let Some(bar) = bar.get() {
            bar.finish_and_clear();
        }
        match outcome? {
            OrderOutcome::InUse(exit) => Ok(exit),
            OrderOutcome::Done(DeadLetterResult::Replayed(replayed)) => Ok(report(&replayed)),
            OrderOutcome::Done(other) => bail!("unexpected answer from the engine: {other:?}"),
        }
    }

    pub(super) fn drop(&self, yes: bool) -> anyhow::Result<Exit> {
        let (found, odd) = self.overviews()?;
        let letters: u64 = found.iter().map(|file| file.letters).sum();
        if letters == 0 {
            say("no matching dead letter");
            return Ok(report_malformed(&odd));
        }
        if !yes {
            to_stdout(|out| table(out, &found))?;
            let all = format!("delete these {letters} dead letters permanently");
            if !confirm::ask_to_type(&letters.to_string(), &all)? {
                say("nothing was deleted; to delete them permanently, add --yes");
                return Ok(report_malformed(&odd));
            }
        }
        match self.order(&DeadLetterOrder::Drop(self.choice.selection()), &mut |_, _| {})? {
            OrderOutcome::InUse(exit) => Ok(exit),
            OrderOutcome::Done(DeadLetterResult::Dropped(Removed { letters, odd })) => {
                say(format_args!("{} deleted", bytes::counted(letters, "dead letter")));
                Ok(report_malformed(&odd))
            }
            OrderOutcome::Done(other) => bail!("unexpected answer from the engine: {other:?}"),
        }
    }

    fn order(
        &self,
        order: &DeadLetterOrder,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<OrderOutcome> {
        let state = &self.settings.directories.state;
        let request = Request::Letters { order: order.clone() };
        match control::ask(state, &request, progress) {
            Ok(Reply::Letters { result }) => Ok(OrderOutcome::Done(result)),
            Ok(Reply::Refused { reason }) => bail!("{reason}"),
            Ok(other) => bail!("unexpected answer from the engine: {other:?}"),
            Err(error) if control::is_not_running(&error) => match StateOwnership::take(state) {
                Ok(_held) => self.carry_out(order, progress),
                Err(error @ StateError::Owned { .. }) => {
                    exit::report(&anyhow::Error::from(error));
                    Ok(OrderOutcome::InUse(Exit::StateInUse))
                }
                Err(error) => Err(error.into()),
            },
            Err(error) => {
                Err(error).context("the engine that is using the state directory does not answer")
            }
        }
    }

    fn carry_out(
        &self,
        order: &DeadLetterOrder,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<OrderOutcome> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // Dead letters delivered before Ctrl-C are removed from the store; the others stay.
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stopped.cancel();
            }
        });
        let service = DeadLetterService::alone(&self.settings);
        let result = service.execute(order, runtime.handle().clone(), stop, progress);
        result.map(OrderOutcome::Done).map_err(|problem| anyhow!(problem))
    }
}

enum OrderOutcome {
    Done(DeadLetterResult),
    /// Another process holds the lock of the state directory, but accepts no orders.
    InUse(Exit),
}

fn report(replayed: &Replayed) -> Exit {
    let Replayed { delivered, duplicates, refused, left, problems, odd } = replayed;
    for problem in problems {
        say(problem);
    }
    let mut text = format!("{} delivered", bytes::count(*delivered));
    if *duplicates > 0 {
        text.push_str(&format!(" ({} duplicates)", bytes::count(*duplicates)));
    }
    if *refused > 0 {
        text.push_str(&format!(", {} rejected again", bytes::count(*refused)));
    }
    if *left > 0 {
        text.push_str(&format!(", {} not accepted for now", bytes::count(*left)));
    }
    if *refused + *left > 0 || !problems.is_empty() {
        text.push_str("; undelivered dead letters stay in the store");
    }
    say(text);
    match report_malformed(odd) {
        _ if *left > 0 || !problems.is_empty() => Exit::Failed,
        Exit::Done if *refused > 0 => Exit::Lossy,
        exit => exit,
    }
}
