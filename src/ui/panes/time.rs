//! Times and ages as they are shown.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::base::{Timestamp, bytes};
use crate::ui::state::{State, Zone};

/// How much of a time there is room for.
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

/// The zone that a source's times are shown in.
pub fn zone_of<'a>(state: &'a State, source: &'a TimeZone) -> &'a TimeZone {
    match state.zone {
        Zone::Source => source,
        Zone::Utc => &UTC,
        Zone::Local => &state.local,
    }
}

/// As it stands in the header.
pub fn zone_name(state: &State) -> String {
    match state.zone {
        // Where the line is short, the state of the engine needs the room.
        Zone::Source if state.size.0 < 100 => "source zone".to_owned(),
        Zone::Source => "zone of the source".to_owned(),
        Zone::Utc => "UTC".to_owned(),
        Zone::Local => match state.local.iana_name() {
            Some(name) => format!("local {name}"),
            None => "local time".to_owned(),
        },
    }
}

/// `14:05:03`: a clock time stays true on a screen that is not drawn again; an age does not. Of another day
/// `11-21 14:05`. Nothing where the moment is not known.
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

/// `in 8 s`, `now`: the loop draws again every second while somebody waits for it.
pub fn until(state: &State, moment: Timestamp) -> String {
    let left = moment.since(state.now);
    // Rounded up: "0 s" is never seen.
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    match seconds {
        0 => "now".to_owned(),
        seconds => format!("in {}", bytes::duration(Duration::from_secs(seconds))),
    }
}

/// `5 min`, in whole seconds.
pub fn age(state: &State, moment: Timestamp) -> String {
    bytes::duration(Duration::from_secs(state.now.since(moment).as_secs()))
}
