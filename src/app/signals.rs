//! Signals become commands: TERM and INT stop (a second one, at least a second later, at once), USR1 ships now, HUP
//! reloads or stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::early_signals::{self, Asked};
use super::status_board::Notices;
use crate::base::{OnPanic, Supervisor};
use crate::event::{Command, Level};

/// A second signal sooner than this is the first one once more: timeout(1) sends two in a row.
const APART: Duration = Duration::from_secs(1);
/// Name of this part in failure messages.
const PART: &str = "signals";

/// What a hang-up means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// With a screen: the terminal is gone.
    Stops,
    /// Without one: the configuration is read again.
    Reloads,
}

/// Who hears of signals.
#[derive(Clone, Debug)]
pub struct Listener {
    pub hang_up: HangUp,
    pub commands: mpsc::Sender<Command>,
    /// Cancelled by a second signal to stop.
    pub at_once: CancellationToken,
    /// Signals are listened to until then.
    pub finished: CancellationToken,
    pub notices: Notices,
}

/// Listens on a task of its own.
pub fn listen(listener: Listener, supervisor: Supervisor) -> JoinHandle<()> {
    let stops = Arc::new(Mutex::new(Stops::default()));
    let finished = listener.finished.clone();
    let run = move || run(listener.clone(), stops.clone());
    tokio::spawn(supervisor.task(PART, OnPanic::Restart, finished, run))
}

async fn run(listener: Listener, stops: Arc<Mutex<Stops>>) {
    if let Err(error) = hear(&listener, &stops).await {
        let text = format!(
            "cannot listen for signals ({error}); only a command stops this engine cleanly, and a kill ends it \
             without draining"
        );
        listener.notices.add(Level::Error, text);
    }
}

async fn hear(listener: &Listener, stops: &Mutex<Stops>) -> std::io::Result<()> {
    let Listener { commands, at_once, finished, .. } = listener;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut ship_now = signal(SignalKind::user_defined1())?;
    // What came before that.
    let mut early = early_signals::take().into_iter();
    loop {
        let asked = match early.next() {
            Some(asked) => asked,
            None => tokio::select! {
                () = finished.cancelled() => return Ok(()),
                _ = terminate.recv() => Asked::Stop,
                _ = interrupt.recv() => Asked::Stop,
                _ = hung_up.recv() => Asked::HangUp,
                _ = ship_now.recv() => Asked::ShipNow,
            },
        };
        let stop = is_stop(asked, listener);
        if !stop {
            continue;
        }
        let meaning = stops.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now());
        match meaning {
            // Beside, so that a second signal is heard while nobody takes commands.
            Meaning::Stop => drop(tokio::spawn(ask_to_stop(commands.clone(), at_once.clone()))),
            Meaning::TheSame => {}
            Meaning::AtOnce => {
                at_once.cancel();
                return Ok(());
            }
        }
    }
}

/// Where nobody will ever take a command (beside a screen whose engine could not start), there is nothing to wait for.
async fn ask_to_stop(commands: mpsc::Sender<Command>, at_once: CancellationToken) {
    if commands.send(Command::Stop).await.is_err() {
        at_once.cancel();
    }
}

/// Does what else is asked for.
fn is_stop(asked: Asked, Listener { hang_up, commands, .. }: &Listener) -> bool {
    match (asked, hang_up) {
        (Asked::Stop, _) | (Asked::HangUp, HangUp::Stops) => return true,
        (Asked::HangUp, HangUp::Reloads) => _ = commands.try_send(Command::Reload),
        (Asked::ShipNow, _) => _ = commands.try_send(Command::ShipNow { sink: None }),
    }
    false
}

/// Signals to stop.
#[derive(Debug, Default)]
struct Stops {
    first: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Stop,
    TheSame,
    AtOnce,
}

impl Stops {
    fn add(&mut self, now: Instant) -> Meaning {
        match self.first {
            None => {
                self.first = Some(now);
                Meaning::Stop
            }
            Some(first) if now.saturating_duration_since(first) < APART => Meaning::TheSame,
            Some(_) => Meaning::AtOnce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_ends_what_has_no_engine() {
        let (commands, orders) = mpsc::channel(1);
        let at_once = CancellationToken::new();
        ask_to_stop(commands.clone(), at_once.clone()).await;
        assert!(!at_once.is_cancelled(), "an engine obeys");
        // Nor does a signal that came before the engine could not start.
        let waiting = tokio::spawn(ask_to_stop(commands.clone(), at_once.clone()));
        drop(orders);
        waiting.await.unwrap();
        assert!(at_once.is_cancelled());
    }

    #[test]
    fn a_second_signal_counts_only_a_second_later() {
        let (mut stops, first) = (Stops::default(), Instant::now());
        let after = |millis| first + Duration::from_millis(millis);
        assert_eq!(stops.add(first), Meaning::Stop);
        assert_eq!(stops.add(first), Meaning::TheSame);
        assert_eq!(stops.add(after(999)), Meaning::TheSame);
        assert_eq!(stops.add(after(1_000)), Meaning::AtOnce);
    }
}
