//! Starts the engine's tasks other than sinks and rules: status board, commits of the state, control socket. Each is
//! restarted after a panic.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::control;
use crate::app::sinks::SinkStarter;
use crate::app::status_board::{self, Notices, StatusBoard};
use crate::base::{OnPanic, with_causes};
use crate::event::{Command, Level, Status};
use crate::state::Store;

/// Interval at which cursors, marks and rows are made durable together.
const GROUP_COMMIT: Duration = Duration::from_millis(250);
/// After this many panics in a row the engine ends, because commits will not succeed any more.
const COMMIT_RESTARTS: u32 = 5;
/// Name of the commit task in failure messages.
const COMMITTER: &str = "commits of the state";

/// Starts the status board and the periodic commits of the state.
pub(super) fn run(
    starter: &SinkStarter,
    board: StatusBoard,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let supervisor = starter.log.supervisor();
    let until = stop.clone();
    let reporting = move || board.clone().run(until.clone());
    tasks.spawn(supervisor.clone().task(
        status_board::PART,
        OnPanic::Restart,
        stop.clone(),
        reporting,
    ));
    let (store, notices, until) = (starter.store.clone(), starter.notices.clone(), stop.clone());
    let committing = move || commit_in_groups(store.clone(), notices.clone(), until.clone());
    let on_panic = OnPanic::RestartAtMost(COMMIT_RESTARTS);
    tasks.spawn(supervisor.task(COMMITTER, on_panic, stop.clone(), committing));
}

/// Starts the control socket. If it cannot be created, the engine runs without it, with a notice.
pub(super) fn listen(
    starter: &SinkStarter,
    directory: &Path,
    status: watch::Receiver<Arc<Status>>,
    commands: mpsc::Sender<Command>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) {
    let (supervisor, letters) = (starter.log.supervisor(), starter.letters.clone());
    match control::Server::bind(directory, status, commands, letters, supervisor.clone()) {
        Ok(server) => {
            let (server, until) = (Arc::new(server), stop.clone());
            let answering = move || server.clone().run(until.clone());
            let task = supervisor.task(control::PART, OnPanic::Restart, stop.clone(), answering);
            tasks.spawn(task);
        }
        Err(error) => starter.notices.add(
            Level::Warning,
            format!("no control socket ({error}); other commands cannot reach this engine"),
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
                    format!("{}; nothing is lost; retrying", with_causes(&error)),
                );
            }
            // The supervisor reports the panic and restarts this task.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => {}
        }
    }
}
