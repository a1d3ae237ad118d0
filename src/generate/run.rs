//! `logwarden generate`: writes lines of one profile to one target, at a given rate or as fast as possible.

use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::Profile;
use super::generator::{Generator, Line};
use super::output::{GenerateError, Output, Target};
use crate::base::{Clock, Timestamp};

/// Number of lines if neither a count nor a rate is given.
const DEFAULT_COUNT: u64 = 1000;
/// Longest sleep without checking whether to stop.
const MAX_SLEEP: Duration = Duration::from_millis(20);
/// Time between two pieces of a line, if a rate is given.
const BETWEEN_PIECES: Duration = Duration::from_millis(2);
/// Mean time between the timestamps of two lines if no rate is given.
const STEP: Duration = Duration::from_millis(700);
/// The same for `sre`, which writes one file per month.
const LONG_STEP: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub struct Options {
    pub profile: Profile,
    pub seed: u64,
    /// Lines per second. `None`: as fast as possible.
    pub rate: Option<f64>,
    /// `None`: 1,000 lines, or with a rate until stopped.
    pub count: Option<u64>,
    /// The time of the first line. `None`: without a rate the last line gets the current time; with a rate each line
    /// gets the time at which it is written.
    pub start: Option<Timestamp>,
    pub target: Target,
    /// Size in bytes at which the file is renamed.
    pub rotate: Option<u64>,
    /// Writes each line in two or three pieces.
    pub pieces: bool,
    /// The time zone of written times.
    pub zone: TimeZone,
}

impl Options {
    pub fn new(profile: Profile, target: Target) -> Self {
        Options {
            profile,
            seed: 1,
            rate: None,
            count: None,
            start: None,
            target,
            rotate: None,
            pieces: false,
            zone: TimeZone::UTC,
        }
    }
}

/// Writes the lines and returns their number. Blocking. A closed standard output ends it without an error.
pub fn run(
    options: &Options,
    clock: &dyn Clock,
    stop: &CancellationToken,
) -> Result<u64, GenerateError> {
    let mut generator = Generator::new(options.profile, options.seed, options.zone.clone());
    let monthly = options.profile == Profile::Sre;
    let mut output =
        Output::new(options.target.clone(), monthly, options.rotate, options.zone.clone());
    let count = options.count.or((options.rate.is_none()).then_some(DEFAULT_COUNT));
    let mut times = Times::new(options, clock);
    if let (None, None, Some(count)) = (options.start, options.rate, count) {
        times.end_at(clock.now(), count, generator.clone(), options.pieces);
    }
    let started = clock.uptime();
    let mut written = 0;
    while count.is_none_or(|count| written < count) && !stop.is_cancelled() {
        if let Some(rate) = options.rate {
            let due = Duration::try_from_secs_f64(written as f64 / rate).unwrap_or(Duration::MAX);
            let early = due.saturating_sub(clock.uptime() - started);
            if !early.is_zero() {
                std::thread::sleep(early.min(MAX_SLEEP));
                continue;
            }
        }
        let time = times.next(&mut generator, clock);
        let line = generator.line_at(time);
        if !write_line(&mut output, &mut generator, &line, options)? {
            break;
        }
        written += 1;
        output.rotate_if_due()?;
    }
    Ok(written)
}

/// `false`: standard output is closed.
fn write_line(
    output: &mut Output,
    generator: &mut Generator,
    line: &Line,
    options: &Options,
) -> Result<bool, GenerateError> {
    if !options.pieces {
        return output.write(line.text.as_bytes(), line.time);
    }
    let mut rest = line.text.as_bytes();
    for at in piece_lengths(rest.len(), generator) {
        let (piece, later) = rest.split_at(at);
        if !output.write(piece, line.time)? {
            return Ok(false);
        }
        rest = later;
        if options.rate.is_some() {
            std::thread::sleep(BETWEEN_PIECES);
        }
    }
    output.write(rest, line.time)
}

/// Lengths of the first two pieces of a line.
fn piece_lengths(length: usize, generator: &mut Generator) -> [usize; 2] {
    let first = generator.draw(length as u64) as usize;
    [first, generator.draw((length - first) as u64) as usize]
}

/// The times of the lines.
enum Times {
    /// The time at which each line is written.
    Live,
    /// The time of the next line, and the mean time between two lines.
    Stepped(Timestamp, Duration),
}

impl Times {
    fn new(options: &Options, clock: &dyn Clock) -> Self {
        let step = match (options.rate, options.profile) {
            (Some(rate), _) => Duration::try_from_secs_f64(1.0 / rate).unwrap_or(STEP),
            (None, Profile::Sre) => LONG_STEP,
            (None, _) => STEP,
        };
        match (options.start, options.rate) {
            (Some(start), _) => Times::Stepped(start, step),
            (None, Some(_)) => Times::Live,
            (None, None) => Times::Stepped(clock.now(), step),
        }
    }

    /// Moves the start back so that the last of `count` lines gets the time `end`: generates them once in advance.
    fn end_at(&mut self, end: Timestamp, count: u64, mut rehearsal: Generator, pieces: bool) {
        let Times::Stepped(start, step) = *self else { return };
        let mean = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        let mut length = Duration::ZERO;
        for _ in 1..count {
            length = length.saturating_add(Duration::from_nanos(rehearsal.jitter(mean)));
            let line = rehearsal.line_at(start);
            if pieces {
                piece_lengths(line.text.len(), &mut rehearsal);
            }
        }
        *self = Times::Stepped(end.minus(length), step);
    }

    fn next(&mut self, generator: &mut Generator, clock: &dyn Clock) -> Timestamp {
        match self {
            Times::Live => clock.now(),
            Times::Stepped(next, step) => {
                let time = *next;
                let mean = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
                *next = time.plus(Duration::from_nanos(generator.jitter(mean)));
                time
            }
        }
    }
}
