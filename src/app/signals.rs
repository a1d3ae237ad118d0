//! Signals become commands: TERM and INT stop (a second one at once), USR1 ships now, HUP reloads or stops.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::event::Command;

/// What a hang-up means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// With a screen: the terminal is gone.
    Stops,
    /// Without one: the configuration is read again.
    Reloads,
}

/// Runs until `finished`; the first stop goes out as [`Command::Stop`], a second one cancels `at_once`.
pub async fn run(
    hang_up: HangUp,
    commands: mpsc::Sender<Command>,
    at_once: CancellationToken,
    finished: CancellationToken,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut ship_now = signal(SignalKind::user_defined1())?;
    let mut stopping = false;
    loop {
        let stop = tokio::select! {
            () = finished.cancelled() => return Ok(()),
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            _ = hung_up.recv() => {
                if hang_up == HangUp::Reloads {
                    let _ = commands.try_send(Command::Reload);
                }
                hang_up == HangUp::Stops
            }
            _ = ship_now.recv() => {
                let _ = commands.try_send(Command::ShipNow { sink: None });
                false
            }
        };
        if stop && stopping {
            at_once.cancel();
            return Ok(());
        }
        if stop {
            stopping = true;
            // Beside, so that a second signal is heard while nobody takes commands.
            let commands = commands.clone();
            drop(tokio::spawn(async move { commands.send(Command::Stop).await }));
        }
    }
}
