//! Signals that come before the engine listens. They are remembered from the first moment of `main`, and obeyed once
//! somebody listens; a command without an engine ends by them, as any program does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

static EARLY: OnceLock<Early> = OnceLock::new();

#[derive(Debug, Default)]
struct Early {
    hang_up: Arc<AtomicBool>,
    ship_now: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    /// They do again what they do to any program.
    let_go: Arc<AtomicBool>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    ShipNow,
    HangUp,
    Stop,
}

impl Early {
    fn flags(&self) -> [(i32, &Arc<AtomicBool>, Asked); 3] {
        [
            (SIGUSR1, &self.ship_now, Asked::ShipNow),
            (SIGHUP, &self.hang_up, Asked::HangUp),
            (SIGTERM, &self.terminate, Asked::Stop),
        ]
    }
}

/// From now on they are remembered. What is ignored (as by nohup) stays ignored.
pub fn hold() {
    let early = EARLY.get_or_init(Early::default);
    let ignored = ignored();
    for (signal, came, _) in early.flags() {
        if ignored & (1 << (signal - 1)) != 0 {
            continue;
        }
        // Best effort: it works as before where they cannot be held.
        let _ = flag::register_conditional_default(signal, early.let_go.clone());
        let _ = flag::register(signal, came.clone());
    }
}

/// Nobody is going to listen: one that came ends the program now, and one that comes does then.
pub fn let_go() {
    let Some(early) = EARLY.get() else { return };
    early.let_go.store(true, Ordering::SeqCst);
    for (signal, came, _) in early.flags() {
        if came.load(Ordering::SeqCst) {
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

/// Somebody listens now. Each that came is told once: who listens again later has heard what came since.
pub fn take() -> Vec<Asked> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(early) = EARLY.get().filter(|_| !TAKEN.swap(true, Ordering::SeqCst)) else {
        return Vec::new();
    };
    early.let_go.store(false, Ordering::SeqCst);
    let came = early.flags().into_iter().filter(|(_, came, _)| came.swap(false, Ordering::SeqCst));
    came.map(|(_, _, asked)| asked).collect()
}

/// As proc(5) tells: a bit each, from 1. None where it does not.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
