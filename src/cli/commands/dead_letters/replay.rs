//! `replay` and `drop`: by the engine that owns the state directory, through its control socket; where none
//! runs, by this process, which then owns it.

use std::cell::OnceCell;

use anyhow::{Context, anyhow, bail};
use tokio_util::sync::CancellationToken;

use super::list::table;
use super::{Desk, tell};
use crate::app::control::{self, Reply, Request};
use crate::app::dead_letters::{LetterDesk, LetterOrder, LettersSorted};
use crate::base::bytes;
use crate::cli::confirm;
use crate::cli::exit::{self, Exit, say};
use crate::cli::output::to_stdout;
use crate::cli::progress;
use crate::sink::dead_letters::{Removed, Replayed};
use crate::state::{Claim, StateError};

impl Desk {
    pub(super) fn replay(&self) -> anyhow::Result<Exit> {
        if self.files()?.is_empty() {
            say("no dead letters");
            return Ok(Exit::Done);
        }
        let bar = OnceCell::new();
        let order = LetterOrder::Replay(self.choice.selection());
        let sorted = self.order(&order, &mut |done, all| {
            bar.get_or_init(|| progress::bytes("sending", all)).set_position(done);
        });
        if let Some(bar) = bar.get() {
            bar.finish_and_clear();
        }
        match sorted? {
            Sorted::Owned(exit) => Ok(exit),
            Sorted::Done(LettersSorted::Replayed(replayed)) => Ok(report(&replayed)),
            Sorted::Done(other) => bail!("the engine answered {other:?}"),
        }
    }

    pub(super) fn drop(&self, yes: bool) -> anyhow::Result<Exit> {
        let (found, odd) = self.overviews()?;
        let letters: u64 = found.iter().map(|file| file.letters).sum();
        if letters == 0 {
            say("no dead letter fits");
            return Ok(tell(&odd));
        }
        if !yes {
            to_stdout(|out| table(out, &found))?;
            let all = format!("drop these {letters} dead letters for good");
            if !confirm::typed(&letters.to_string(), &all)? {
                say("nothing was dropped; with --yes these are dropped for good");
                return Ok(tell(&odd));
            }
        }
        match self.order(&LetterOrder::Drop(self.choice.selection()), &mut |_, _| {})? {
            Sorted::Owned(exit) => Ok(exit),
            Sorted::Done(LettersSorted::Dropped(Removed { letters, odd })) => {
                say(format_args!("{} dead letters dropped", bytes::count(letters)));
                Ok(tell(&odd))
            }
            Sorted::Done(other) => bail!("the engine answered {other:?}"),
        }
    }

    fn order(
        &self,
        order: &LetterOrder,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<Sorted> {
        let state = &self.settings.directories.state;
        let request = Request::Letters { order: order.clone() };
        match control::ask(state, &request, progress) {
            Ok(Reply::Letters { sorted }) => Ok(Sorted::Done(sorted)),
            Ok(Reply::Refused { reason }) => bail!("{reason}"),
            Ok(other) => bail!("the engine answered {other:?}"),
            Err(error) if control::is_nobody(&error) => match Claim::take(state) {
                Ok(_held) => self.alone(order, progress),
                Err(error @ StateError::Owned { .. }) => {
                    exit::report(&anyhow::Error::from(error));
                    Ok(Sorted::Owned(Exit::Owned))
                }
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error).context("the engine that owns the state does not answer"),
        }
    }

    fn alone(
        &self,
        order: &LetterOrder,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<Sorted> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start")?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // What is delivered by then leaves the store; the rest stays.
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stopped.cancel();
            }
        });
        let desk = LetterDesk::alone(&self.settings);
        let sorted = desk.obey(order, runtime.handle().clone(), stop, progress);
        sorted.map(Sorted::Done).map_err(|problem| anyhow!(problem))
    }
}

enum Sorted {
    Done(LettersSorted),
    /// Somebody else owns the state, and does not answer.
    Owned(Exit),
}

fn report(replayed: &Replayed) -> Exit {
    let Replayed { delivered, duplicates, refused, left, problems, odd } = replayed;
    for problem in problems {
        say(problem);
    }
    let mut text = format!("{} delivered", bytes::count(*delivered));
    if *duplicates > 0 {
        text.push_str(&format!(" ({} were there already)", bytes::count(*duplicates)));
    }
    if *refused > 0 {
        text.push_str(&format!(", {} refused again", bytes::count(*refused)));
    }
    if *left > 0 {
        text.push_str(&format!(", {} not taken now", bytes::count(*left)));
    }
    if *refused + *left > 0 || !problems.is_empty() {
        text.push_str("; what is not delivered stays");
    }
    say(text);
    match tell(odd) {
        _ if *left > 0 || !problems.is_empty() => Exit::Failed,
        Exit::Done if *refused > 0 => Exit::Lossy,
        exit => exit,
    }
}
