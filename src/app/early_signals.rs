//! Captures signals that arrive between the start of `main` and the moment the engine listens for signals; the engine
//! then handles them. A command without an engine is ended by them, like any program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

static EARLY: OnceLock<EarlySignals> = OnceLock::new();

#[derive(Debug, Default)]
struct EarlySignals {
    hang_up: Arc<AtomicBool>,
    ship_now: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    /// Whether the signals have their default effect again.
    is_released: Arc<AtomicBool>,
}

/// The request that a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
    ShipNow,
    HangUp,
    Stop,
}

impl EarlySignals {
    fn flags(&self) -> [(i32, &Arc<AtomicBool>, SignalRequest); 3] {
        [
            (SIGUSR1, &self.ship_now, SignalRequest::ShipNow),
            (SIGHUP, &self.hang_up, SignalRequest::HangUp),
            (SIGTERM, &self.terminate, SignalRequest::Stop),
        ]
    }
}

/// Starts capturing. Ignored signals (as with nohup) stay ignored.
pub fn capture() {
    let early = EARLY.get_or_init(EarlySignals::default);
    let ignored = ignored();
    for (signal, received, _) in early.flags() {
        if ignored & (1 << (signal - 1)) != 0 {
            continue;
        }
        // Best effort: on failure the signal keeps its default effect.
        let _ = flag::register_conditional_default(signal, early.is_released.clone());
        let _ = flag::register(signal, received.clone());
    }
}

/// Stops capturing, for commands without an engine: a captured signal ends the program now, a later one when it
/// arrives.
pub fn release() {
    let Some(early) = EARLY.get() else { return };
    early.is_released.store(true, Ordering::SeqCst);
    for (signal, received, _) in early.flags() {
        if received.load(Ordering::SeqCst) {
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

/// Returns the captured signals, once, to the engine's listener. Later calls return nothing: their caller has received
/// later signals itself.
pub fn take_captured() -> Vec<SignalRequest> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(early) = EARLY.get().filter(|_| !TAKEN.swap(true, Ordering::SeqCst)) else {
        return Vec::new();
    };
    early.is_released.store(false, Ordering::SeqCst);
    let received = early.flags().into_iter();
    let received = received.filter(|(_, received, _)| received.swap(false, Ordering::SeqCst));
    received.map(|(_, _, request)| request).collect()
}

/// Bit mask of ignored signals, bit 0 for signal 1, from proc(5). 0 where it is not available.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
