//! Shortens a history that fails, as long as it fails with the same kind.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::run::run;
use super::steps::{History, Pace, Step};

/// The shortest history found within `time`, and its failure.
pub fn shrink(history: &History, failure: Failure, time: Duration) -> (History, Failure) {
    let until = Instant::now() + time;
    let mut best = (history.clone(), failure);
    let mut size = best.0.steps.len().div_ceil(2);
    while size > 0 && Instant::now() < until {
        let before = best.0.steps.len();
        drop_steps(&mut best, size, until);
        if size == 1 && best.0.steps.len() == before {
            break;
        }
        size = if size == 1 { 1 } else { size / 2 };
    }
    simplify(&mut best, until);
    best
}

fn drop_steps(best: &mut (History, Failure), size: usize, until: Instant) {
    let mut at = 0;
    while at < best.0.steps.len() && Instant::now() < until {
        let mut shorter = best.0.clone();
        shorter.steps.drain(at..(at + size).min(shorter.steps.len()));
        if !try_it(best, shorter) {
            at += size;
        }
    }
}

/// Tries fewer lines, one log, and the follower held between steps.
fn simplify(best: &mut (History, Failure), until: Instant) {
    let mut calm = best.0.clone();
    (calm.setting.pace, calm.setting.late, calm.setting.logs) = (Pace::Stepped, false, 1);
    if !calm.to_string().contains(".1.") {
        try_it(best, calm);
    }
    for at in 0..best.0.steps.len() {
        if Instant::now() >= until {
            return;
        }
        if let Step::Write { log, lines: 2.. } = best.0.steps[at] {
            let mut smaller = best.0.clone();
            smaller.steps[at] = Step::Write { log, lines: 1 };
            try_it(best, smaller);
        }
    }
}

fn try_it(best: &mut (History, Failure), candidate: History) -> bool {
    match run(&candidate).result {
        Err(failure) if failure.kind == best.1.kind => {
            *best = (candidate, failure);
            true
        }
        _ => false,
    }
}
