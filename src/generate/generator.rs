//! Generates an endless sequence of sample log lines, determined by the seed and the times alone.

use jiff::tz::TimeZone;

use super::random::Random;
use super::{Profile, lines};
use crate::base::Timestamp;
use crate::event::Level;

/// Lines between two bursts of errors: the minimum, and the number of possible values (150 to 549).
const CALM: (u64, u64) = (150, 400);
/// Lines per burst: the minimum, and the number of possible values (6 to 13).
const BURST: (u64, u64) = (6, 8);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub time: Timestamp,
    pub level: Level,
    /// With its line end.
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Generator {
    profile: Profile,
    zone: TimeZone,
    random: Random,
    number: u64,
    /// Lines until the next burst; `None`: bursts only by [`Generator::start_burst`].
    calm: Option<u64>,
    /// Remaining lines of the current burst.
    burst: u64,
}

impl Generator {
    /// Times are written in `zone` without an offset, as in the logs that the profiles imitate.
    pub fn new(profile: Profile, seed: u64, zone: TimeZone) -> Self {
        let mut random = Random::new(seed ^ ((profile as u64) << 56));
        let calm = Some(CALM.0 + random.below(CALM.1));
        Generator { profile, zone, random, number: 0, calm, burst: 0 }
    }

    /// Disables automatic bursts, and makes errors between bursts rarer.
    pub fn calm(self) -> Self {
        Generator { calm: None, ..self }
    }

    /// The next `lines` lines are errors.
    pub fn start_burst(&mut self, lines: u64) {
        self.burst = lines;
    }

    /// The next line, with a random level, or an error in a burst.
    pub fn line_at(&mut self, time: Timestamp) -> Line {
        let level = self.next_level();
        self.line_of(time, level)
    }

    /// The next line, with this level.
    pub fn line_of(&mut self, time: Timestamp, level: Level) -> Line {
        self.number += 1;
        let instant = jiff::Timestamp::from_nanosecond(time.0.into()).unwrap_or_default();
        let zoned = instant.to_zoned(self.zone.clone());
        let mut text = String::with_capacity(128);
        lines::write(self.profile, &zoned, level, self.number, &mut self.random, &mut text);
        Line { time, level, text }
    }

    /// The random time until the next line in nanoseconds: between half and one and a half times `mean`.
    pub fn jitter(&mut self, mean: u64) -> u64 {
        mean / 2 + self.random.below(mean.max(1))
    }

    /// A number below `end`, which is not 0.
    pub(super) fn draw(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    fn next_level(&mut self) -> Level {
        if self.burst > 0 {
            self.burst -= 1;
            return Level::Error;
        }
        match &mut self.calm {
            Some(0) => {
                self.burst = BURST.0 + self.random.below(BURST.1);
                self.calm = Some(CALM.0 + self.random.below(CALM.1));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let level = self.random.weighted(lines::levels(self.profile));
        match self.calm {
            None if level == Level::Error && self.random.below(4) > 0 => Level::Info,
            _ => level,
        }
    }
}
