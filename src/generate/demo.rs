//! Writes the four live logs of the demo: mostly calm, with a burst of errors now and then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::Profile;
use super::generator::Generator;
use super::output::{GenerateError, Output, Target};
use crate::base::{Clock, Timestamp};
use crate::event::Level;

/// Number of past lines at the start of each log, so that there is something to scroll.
const PAST_LINES: u32 = 240;
/// Time between two past lines.
const PAST_STEP: Duration = Duration::from_millis(1250);
/// Time between two bursts; the logs take turns.
const BURST_EVERY: Duration = Duration::from_secs(20);
const FIRST_BURST: Duration = Duration::from_secs(6);
const BURST_LINES: u64 = 9;
const BURST_STEP: Duration = Duration::from_millis(150);
const FATAL_EVERY: Duration = Duration::from_secs(75);
const FIRST_FATAL: Duration = Duration::from_secs(16);
/// In bytes: a log that grows by 1 KiB per second is renamed twice per minute.
const ROTATE_AT: u64 = 32 << 10;
const MAX_SLEEP: Duration = Duration::from_millis(20);

/// Profile, mean time between two lines, and whether the file is rotated.
const LOGS: [(Profile, Duration, bool); 4] = [
    (Profile::App, Duration::from_millis(90), true),
    (Profile::Web, Duration::from_millis(70), false),
    (Profile::Ops, Duration::from_millis(220), false),
    (Profile::Sre, Duration::from_millis(160), false),
];

/// The sources of the demo: names and paths.
pub fn demo_sources(directory: &Path) -> [(&'static str, PathBuf); 4] {
    LOGS.map(|(profile, _, _)| {
        let pattern = match profile {
            Profile::Sre => "logs_*.txt".into(),
            other => format!("{}.log", other.name()),
        };
        (profile.name(), directory.join(pattern))
    })
}

/// Writes about 35 lines per second to four files in `directory`, one of which is rotated. Blocks until stopped.
pub fn demo(
    directory: &Path,
    zone: &TimeZone,
    clock: &dyn Clock,
    stop: &CancellationToken,
) -> Result<(), GenerateError> {
    let mut logs: Vec<Log> = LOGS.iter().map(|log| Log::new(directory, log, zone)).collect();
    for log in &mut logs {
        log.write_past(clock.now(), stop)?;
    }
    let started = clock.uptime();
    let mut plan = Plan { next_burst: FIRST_BURST, next_fatal: FIRST_FATAL, bursts: 0 };
    while !stop.is_cancelled() {
        let elapsed = clock.uptime() - started;
        plan.run_due(&mut logs, elapsed, clock.now())?;
        for log in &mut logs {
            log.write_due(elapsed, clock.now())?;
        }
        let next = logs.iter().map(|log| log.next).min().unwrap_or(MAX_SLEEP);
        std::thread::sleep(next.saturating_sub(elapsed).clamp(Duration::from_millis(1), MAX_SLEEP));
    }
    Ok(())
}

/// When the next burst and the next fatal line are due.
struct Plan {
    next_burst: Duration,
    next_fatal: Duration,
    bursts: usize,
}

impl Plan {
    fn run_due(
        &mut self,
        logs: &mut [Log],
        elapsed: Duration,
        now: Timestamp,
    ) -> Result<(), GenerateError> {
        if elapsed >= self.next_burst {
            self.next_burst += BURST_EVERY;
            let log = self.bursts % logs.len();
            self.bursts += 1;
            logs[log].generator.start_burst(BURST_LINES);
            logs[log].burst_lines_left = BURST_LINES;
            logs[log].next = elapsed;
        }
        if elapsed >= self.next_fatal {
            self.next_fatal += FATAL_EVERY;
            let machines = logs.iter_mut().find(|log| log.profile == Profile::Ops);
            machines.map_or(Ok(()), |log| log.write(now, Some(Level::Fatal)))?;
        }
        Ok(())
    }
}

struct Log {
    profile: Profile,
    generator: Generator,
    output: Output,
    /// Mean time between two lines.
    mean: Duration,
    /// When the next line is due, since the start of the demo.
    next: Duration,
    /// Number of lines of a burst that are still to be written.
    burst_lines_left: u64,
}

impl Log {
    fn new(
        directory: &Path,
        (profile, mean, rotated): &(Profile, Duration, bool),
        zone: &TimeZone,
    ) -> Log {
        let monthly = *profile == Profile::Sre;
        let path = if monthly {
            directory.into()
        } else {
            directory.join(format!("{}.log", profile.name()))
        };
        let rotate = rotated.then_some(ROTATE_AT);
        Log {
            profile: *profile,
            generator: Generator::new(*profile, 1, zone.clone()).calm(),
            output: Output::new(Target::Path(path), monthly, rotate, zone.clone()),
            mean: *mean,
            next: Duration::ZERO,
            burst_lines_left: 0,
        }
    }

    /// Writes lines with times in the last minutes, none of them fatal.
    fn write_past(
        &mut self,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<(), GenerateError> {
        for step in (1..=PAST_LINES).rev() {
            if stop.is_cancelled() {
                break;
            }
            self.write(now.minus(PAST_STEP * step), None)?;
        }
        Ok(())
    }

    fn write_due(&mut self, elapsed: Duration, now: Timestamp) -> Result<(), GenerateError> {
        while self.next <= elapsed {
            self.write(now, None)?;
            let mean = if self.burst_lines_left > 0 { BURST_STEP } else { self.mean };
            self.burst_lines_left = self.burst_lines_left.saturating_sub(1);
            self.next += Duration::from_nanos(self.generator.jitter(mean.as_nanos() as u64));
        }
        Ok(())
    }

    fn write(&mut self, time: Timestamp, level: Option<Level>) -> Result<(), GenerateError> {
        let line = match level {
            Some(level) => self.generator.line_of(time, level),
            None => self.generator.line_at(time),
        };
        self.output.write(line.text.as_bytes(), time)?;
        self.output.rotate_if_due()
    }
}
