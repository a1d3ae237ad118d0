//! Times as logs write them: parsed by hand without allocation, and resolved to UTC.
//!
//! [`read`] parses the written time ([`Stamp`]); [`Stamp::resolve`] adds the missing parts: the zone, the year, the
//! day. Nothing here reads the clock: all outside data is in the [`Context`](super::Context).

mod calendar;
mod clock;
mod digits;
mod epoch;
mod read;
mod zone;

pub use clock::clock;
pub use epoch::epoch;
pub use read::{read, whole};

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::Context;
use crate::base::Timestamp;

/// Nanoseconds per second.
pub const NANOS: i64 = 1_000_000_000;
/// Seconds per day.
const DAY: i64 = 86_400;

/// The date, as far as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Days since 1970-01-01.
    Known(i32),
    Yearless {
        month: u8,
        day: u8,
    },
    Missing,
}

/// The zone, as far as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Not written.
    Naive,
    /// Seconds east of UTC.
    Offset(i32),
    /// An abbreviation that may belong to the source's zone (`CEST`), padded with zeros.
    Named([u8; 5]),
}

/// A time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub day: Day,
    /// Second of the day; a leap second is 86,400.
    pub second: u32,
    pub nanos: u32,
    /// Digits of the fraction, rounded up to 0, 3, 6 or 9.
    pub precision: u8,
    pub zone: Zone,
}

impl Stamp {
    /// The moment in UTC; `None` if a [`Timestamp`] cannot represent it.
    pub fn resolve(&self, context: &Context) -> Option<Timestamp> {
        let day = match self.day {
            Day::Known(day) => day,
            Day::Yearless { month, day } => calendar::latest_year(month, day, context.day_mark)?,
            Day::Missing => self.missing_day(context)?,
        };
        self.on_day(day, context)
    }

    fn on_day(&self, day: i32, context: &Context) -> Option<Timestamp> {
        let local = i64::from(day) * DAY + i64::from(self.second);
        let offset = match self.zone {
            Zone::Offset(offset) => offset,
            Zone::Naive | Zone::Named(_) if context.zone == TimeZone::UTC => 0,
            Zone::Naive => self.offset_of(local, [0; 5], context),
            Zone::Named(name) => self.offset_of(local, name, context),
        };
        let nanos = (local - i64::from(offset)).checked_mul(NANOS)?;
        Some(Timestamp(nanos.checked_add(i64::from(self.nanos))?))
    }

    /// The offset of a local time. If the time occurs twice (clocks were set back): the named offset, otherwise the
    /// earliest for which it is not before the last time of the generation, otherwise the first. If it does not occur
    /// (clocks were set forward): the offset before the change, which moves the time forward by the gap.
    fn offset_of(&self, local: i64, name: [u8; 5], context: &Context) -> i32 {
        let Some(civil) = civil(local) else { return 0 };
        match context.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } => before.seconds(),
            AmbiguousOffset::Fold { before, after } => {
                let named = |offset: jiff::tz::Offset| {
                    let at = jiff::Timestamp::from_second(local - i64::from(offset.seconds()));
                    at.is_ok_and(|at| {
                        let info = context.zone.to_offset_info(at);
                        let wanted = name.split(|byte| *byte == 0).next().unwrap_or_default();
                        info.abbreviation().as_bytes() == wanted
                    })
                };
                if name[0] != 0 && named(before) != named(after) {
                    return if named(before) { before.seconds() } else { after.seconds() };
                }
                let first = local - i64::from(before.seconds());
                let second = local - i64::from(after.seconds());
                match context.last.map(Timestamp::seconds) {
                    Some(last) if first < last && second >= last => after.seconds(),
                    _ => before.seconds(),
                }
            }
        }
    }

    /// The day of the last time in the generation; the next day if the time of day is earlier by more than 12 hours.
    fn missing_day(&self, context: &Context) -> Option<i32> {
        let Some(last) = context.last else { return Some(context.day_mark) };
        // The last day in the source's zone, not in UTC.
        let offset = match self.zone {
            Zone::Offset(offset) => offset,
            _ if context.zone == TimeZone::UTC => 0,
            _ => {
                let at = jiff::Timestamp::from_second(last.seconds()).ok()?;
                context.zone.to_offset(at).seconds()
            }
        };
        let local = last.seconds() + i64::from(offset);
        let day = i32::try_from(local.div_euclid(DAY)).ok()?;
        let back = local.rem_euclid(DAY) - i64::from(self.second);
        Some(if back > DAY / 2 { day + 1 } else { day })
    }
}

fn civil(local: i64) -> Option<DateTime> {
    let at = jiff::Timestamp::from_second(local).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(at))
}

#[cfg(test)]
mod tests;
