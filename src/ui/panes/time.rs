//! Formats times, ages and countdowns for the screen.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::base::{Timestamp, bytes};
use crate::ui::state::{State, Zone};

/// Precision of a shown time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `14:05:03.120`
    Clock,
    /// `11-21 14:05:03`
    Day,
    /// `2026-11-21 14:05:03.120`
    Full,
}

impl Detail {
    pub fn width(self) -> usize {
        match self {
            Detail::Clock => 12,
            Detail::Day => 14,
            Detail::Full => 23,
        }
    }
}

pub fn show(time: Timestamp, zone: &TimeZone, detail: Detail) -> String {
    let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(time.0)) else {
        return String::new();
    };
    let civil = zone.to_datetime(instant);
    let millis = civil.subsec_nanosecond() / 1_000_000;
    let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
    match detail {
        Detail::Clock => format!("{hour:02}:{minute:02}:{second:02}.{millis:03}"),
        Detail::Day => {
            format!("{:02}-{:02} {hour:02}:{minute:02}:{second:02}", civil.month(), civil.day())
        }
        Detail::Full => format!(
            "{:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}.{millis:03}",
            civil.year(),
            civil.month(),
            civil.day()
        ),
    }
}

static UTC: TimeZone = TimeZone::UTC;

/// The time zone in which times are shown. `source`: the zone to use while times are shown as logged.
pub fn zone_of<'a>(state: &'a State, source: &'a TimeZone) -> &'a TimeZone {
    match state.zone {
        Zone::Source => source,
        Zone::Utc => &UTC,
        Zone::Local => &state.local,
    }
}

/// Name of the time zone in the header.
pub fn zone_name(state: &State) -> String {
    match state.zone {
        // A short name on narrow screens, to leave room for the engine state.
        Zone::Source if state.size.0 < 100 => "as logged".to_owned(),
        Zone::Source => "times as logged".to_owned(),
        Zone::Utc => "UTC".to_owned(),
        Zone::Local => match state.local.iana_name() {
            Some(name) => format!("local {name}"),
            None => "local time".to_owned(),
        },
    }
}

/// A moment as `14:05:03`, on another day than today as `11-21 14:05`; empty if it is unknown. It is a clock time,
/// because an age would become wrong on a screen that is not redrawn.
pub fn moment(state: &State, moment: Timestamp) -> String {
    if moment == Timestamp::default() {
        return String::new();
    }
    let zone = zone_of(state, &state.local);
    let shown = show(moment, zone, Detail::Full);
    let same_day = show(state.now, zone, Detail::Full).get(..10) == shown.get(..10);
    let range = if same_day { 11..19 } else { 5..16 };
    shown.get(range).unwrap_or_default().to_owned()
}

/// A countdown: `in 8 s` or `now`. The event loop redraws it every second.
pub fn until(state: &State, moment: Timestamp) -> String {
    let left = moment.since(state.now);
    // Rounded up, so that "0 s" is never shown.
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    match seconds {
        0 => "now".to_owned(),
        seconds => format!("in {}", bytes::duration(Duration::from_secs(seconds))),
    }
}

/// An age as `5 min`, rounded down to seconds.
pub fn age(state: &State, moment: Timestamp) -> String {
    bytes::duration(Duration::from_secs(state.now.since(moment).as_secs()))
}
