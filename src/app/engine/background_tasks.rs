//! The tasks of an engine beside sinks and rules, each watched: it is run again after a panic.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::control;
use crate::app::sinks::Maker;
use crate::app::status_board::{self, Board, Notices};
use crate::base::{OnPanic, with_causes};
use crate::event::{Command, Level, Status};
use crate::state::Store;

/// Cursors, marks and rows become durable together, so often.
const GROUP_COMMIT: Duration = Duration::from_millis(250);
/// After this many panics in a row, no commit will succeed any more.
const COMMIT_RESTARTS: u32 = 5;
/// Name of the task that makes them durable in failure messages.
const COMMITTER: &str = "commits of the state";

/// What tells how everything stands, and what makes positions durable.
pub(super) fn run(maker: &Maker, board: Board, tasks: &TaskTracker, stop: &CancellationToken) {
    let supervisor = maker.log.supervisor();
    let until = stop.clone();
    let telling = move || board.clone().run(until.clone());
    tasks.spawn(supervisor.clone().task(
        status_board::PART,
        OnPanic::Restart,
        stop.clone(),
        telling,
    ));
    let (store, notices, until) = (maker.store.clone(), maker.notices.clone(), stop.clone());
    let committing = move || commit_in_groups(store.clone(), notices.clone(), until.clone());
    let on_panic = OnPanic::RestartAtMost(COMMIT_RESTARTS);
    tasks.spawn(supervisor.task(COMMITTER, on_panic, stop.clone(), committing));
}

pub(super) fn listen(
    maker: &Maker,
    directory: &Path,
    status: watch::Receiver<Arc<Status>>,
    commands: mpsc::Sender<Command>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) {
    let (supervisor, letters) = (maker.log.supervisor(), maker.letters.clone());
    match control::Server::bind(directory, status, commands, letters, supervisor.clone()) {
        Ok(server) => {
            let (server, until) = (Arc::new(server), stop.clone());
            let answering = move || server.clone().run(until.clone());
            let task = supervisor.task(control::PART, OnPanic::Restart, stop.clone(), answering);
            tasks.spawn(task);
        }
        Err(error) => maker.notices.add(
            Level::Warning,
            format!("no control socket, other commands cannot reach this engine: {error}"),
        ),
    }
}

async fn commit_in_groups(store: Store, notices: Notices, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(GROUP_COMMIT) => {}
        }
        if !store.dirty() {
            continue;
        }
        let committing = store.clone();
        match tokio::task::spawn_blocking(move || committing.commit()).await {
            Ok(Ok(())) if failing => {
                failing = false;
                notices.add(Level::Info, "the state can be written again".to_owned());
            }
            Ok(Err(error)) => {
                failing = true;
                notices.add(
                    Level::Error,
                    format!("{}; nothing is lost; the commit is tried again", with_causes(&error)),
                );
            }
            // Who watches this tells it, and runs it again.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => {}
        }
    }
}
