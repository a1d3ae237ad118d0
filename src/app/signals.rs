//! Turns signals into commands: TERM and INT stop (a second one, at least a second later, stops immediately), USR1
//! ships now, HUP reloads or stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::early_signals::{self, SignalRequest};
use super::status_board::Notices;
use crate::base::{OnPanic, Supervisor};
use crate::event::{Command, Level};

/// A second signal within this time is a repetition of the first: timeout(1) sends two in a row.
const MIN_GAP: Duration = Duration::from_secs(1);
/// Name of this part in failure messages.
const PART: &str = "signals";

/// The meaning of SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// With a screen: the terminal is gone.
    Stops,
    /// Without a screen: the configuration is read again.
    Reloads,
}

/// The settings and channels of the task that listens for signals.
#[derive(Clone, Debug)]
pub struct Listener {
    pub hang_up: HangUp,
    /// Where the commands go.
    pub commands: mpsc::Sender<Command>,
    /// Cancelled by a second signal to stop.
    pub stop_now: CancellationToken,
    /// When it is cancelled, listening ends.
    pub finished: CancellationToken,
    pub notices: Notices,
}

/// Starts a task that listens until `finished` is cancelled or a second signal to stop arrives.
pub fn listen(listener: Listener, supervisor: Supervisor) -> JoinHandle<()> {
    let stops = Arc::new(Mutex::new(Stops::default()));
    let finished = listener.finished.clone();
    let run = move || run(listener.clone(), stops.clone());
    tokio::spawn(supervisor.task(PART, OnPanic::Restart, finished, run))
}

async fn run(listener: Listener, stops: Arc<Mutex<Stops>>) {
    if let Err(error) = hear(&listener, &stops).await {
        let text = format!(
            "cannot listen for signals ({error}); stop this engine in its screen or through control.sock: a signal \
             may end it before events that were read are delivered"
        );
        listener.notices.add(Level::Error, text);
    }
}

async fn hear(listener: &Listener, stops: &Mutex<Stops>) -> std::io::Result<()> {
    let Listener { commands, stop_now, finished, .. } = listener;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut ship_now = signal(SignalKind::user_defined1())?;
    // Signals that arrived before the four lines above.
    let mut early = early_signals::take_captured().into_iter();
    loop {
        let request = match early.next() {
            Some(request) => request,
            None => tokio::select! {
                () = finished.cancelled() => return Ok(()),
                _ = terminate.recv() => SignalRequest::Stop,
                _ = interrupt.recv() => SignalRequest::Stop,
                _ = hung_up.recv() => SignalRequest::HangUp,
                _ = ship_now.recv() => SignalRequest::ShipNow,
            },
        };
        if !requests_stop(request, listener) {
            continue;
        }
        let stop = stops.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now());
        match stop {
            // On a separate task, so that a second signal is handled even if the command channel is full.
            StopSignal::First => {
                drop(tokio::spawn(ask_to_stop(commands.clone(), stop_now.clone())))
            }
            StopSignal::Repeated => {}
            StopSignal::Second => {
                stop_now.cancel();
                return Ok(());
            }
        }
    }
}

/// If the receiver is gone (a screen whose engine could not start), there is nothing to drain: stops immediately.
async fn ask_to_stop(commands: mpsc::Sender<Command>, stop_now: CancellationToken) {
    if commands.send(Command::Stop).await.is_err() {
        stop_now.cancel();
    }
}

/// `true` for a request to stop; carries out any other request.
fn requests_stop(request: SignalRequest, Listener { hang_up, commands, .. }: &Listener) -> bool {
    match (request, hang_up) {
        (SignalRequest::Stop, _) | (SignalRequest::HangUp, HangUp::Stops) => return true,
        (SignalRequest::HangUp, HangUp::Reloads) => _ = commands.try_send(Command::Reload),
        (SignalRequest::ShipNow, _) => _ = commands.try_send(Command::ShipNow { sink: None }),
    }
    false
}

/// The signals to stop that were received so far.
#[derive(Debug, Default)]
struct Stops {
    first: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum StopSignal {
    First,
    Repeated,
    Second,
}

impl Stops {
    fn add(&mut self, now: Instant) -> StopSignal {
        match self.first {
            None => {
                self.first = Some(now);
                StopSignal::First
            }
            Some(first) if now.saturating_duration_since(first) < MIN_GAP => StopSignal::Repeated,
            Some(_) => StopSignal::Second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_ends_a_screen_without_an_engine() {
        let (commands, orders) = mpsc::channel(1);
        let stop_now = CancellationToken::new();
        ask_to_stop(commands.clone(), stop_now.clone()).await;
        assert!(!stop_now.is_cancelled(), "the engine handles the command");
        // A signal sent before the engine failed to start also ends it.
        let waiting = tokio::spawn(ask_to_stop(commands.clone(), stop_now.clone()));
        drop(orders);
        waiting.await.unwrap();
        assert!(stop_now.is_cancelled());
    }

    #[test]
    fn a_second_signal_counts_only_after_a_second() {
        let (mut stops, first) = (Stops::default(), Instant::now());
        let after = |millis| first + Duration::from_millis(millis);
        assert_eq!(stops.add(first), StopSignal::First);
        assert_eq!(stops.add(first), StopSignal::Repeated);
        assert_eq!(stops.add(after(999)), StopSignal::Repeated);
        assert_eq!(stops.add(after(1_000)), StopSignal::Second);
    }
}
