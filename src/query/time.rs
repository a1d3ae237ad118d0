//! Parses times as people write them: `2024-05-01`, `2024-05-01T10:00`, `10:30`, `-15m`, `now`.
//!
//! A written time stands for a span as long as its last unit: `time:2024-05-01` is the whole day, `time<=2024-05-01`
//! includes it. Times without a time zone are in that of the context.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Zoned};

use super::ParseContext;
use crate::base::Timestamp;
use crate::base::bytes::parse_duration;

/// Start (inclusive) and end (exclusive) of a written time.
pub type TimeSpan = (Timestamp, Timestamp);

const EXPECTED: &str = "expected a time, as in 2024-05-01, 2024-05-01T10:00:00Z, 10:30 or -15m";

/// Parses one time. The error lists the expected forms.
pub fn parse_time(text: &str, context: &ParseContext) -> Result<TimeSpan, String> {
    if let Some(ago) = text.strip_prefix('-').or_else(|| text.strip_prefix("now-")) {
        let ago = parse_duration(ago).map_err(|_| EXPECTED.to_owned())?;
        return Ok(instant(context.now.minus(ago)));
    }
    if text.eq_ignore_ascii_case("now") {
        return Ok(instant(context.now));
    }
    absolute(text, context).ok_or_else(|| EXPECTED.to_owned())
}

fn instant(time: Timestamp) -> TimeSpan {
    (time, time.plus(Duration::from_nanos(1)))
}

fn absolute(text: &str, context: &ParseContext) -> Option<TimeSpan> {
    let (date, rest) = match text.split_once(['T', 't', ' ']) {
        Some((date, rest)) => (date, Some(rest)),
        None if text.contains(':') => ("", Some(text)),
        None => (text, None),
    };
    let Some(rest) = rest else { return whole_days(date, &context.zone) };
    let (clock, zone) = split_zone(rest)?;
    let zone = zone.unwrap_or_else(|| context.zone.clone());
    let date = match date {
        "" => today(context, &zone),
        _ => read_date(date)?.0,
    };
    let (time, unit) = read_clock(clock)?;
    let start = moment(DateTime::from_parts(date, time), &zone)?;
    Some((start, start.plus(unit)))
}

/// A year, a month or a day.
fn whole_days(text: &str, zone: &TimeZone) -> Option<TimeSpan> {
    let (first, length) = read_date(text)?;
    let after = first.checked_add(length).ok()?;
    let midnight = |date: Date| moment(date.to_datetime(Time::midnight()), zone);
    Some((midnight(first)?, midnight(after)?))
}

fn read_date(text: &str) -> Option<(Date, Span)> {
    let numbers = read_numbers(text, '-', &[4, 2, 2])?;
    let part = |index: usize| numbers.get(index).copied().unwrap_or(1) as i8;
    let date = Date::new(numbers[0] as i16, part(1), part(2)).ok()?;
    let length = match numbers.len() {
        1 => Span::new().years(1),
        2 => Span::new().months(1),
        _ => Span::new().days(1),
    };
    Some((date, length))
}

fn today(context: &ParseContext, zone: &TimeZone) -> Date {
    to_zoned(context.now, zone).date()
}

fn to_zoned(time: Timestamp, zone: &TimeZone) -> Zoned {
    jiff::Timestamp::from_nanosecond(i128::from(time.0))
        .expect("64 bits of nanoseconds lie within the years 1677 to 2262")
        .to_zoned(zone.clone())
}

/// `10`, `10:30`, `10:30:05` or `10:30:05.25`, and the length of its last unit.
fn read_clock(text: &str) -> Option<(Time, Duration)> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let numbers = read_numbers(clock, ':', &[2, 2, 2])?;
    let part = |index: usize| numbers.get(index).copied().unwrap_or(0) as i8;
    let (nanos, unit) = match (fraction, numbers.len()) {
        (Some(fraction), 3) => read_fraction(fraction)?,
        (Some(_), _) => return None,
        (None, 1) => (0, Duration::from_secs(3600)),
        (None, 2) => (0, Duration::from_secs(60)),
        (None, _) => (0, Duration::from_secs(1)),
    };
    Some((Time::new(part(0), part(1), part(2), nanos).ok()?, unit))
}

fn read_fraction(text: &str) -> Option<(i32, Duration)> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let unit = 10_u64.pow(9 - text.len() as u32);
    let nanos = text.parse::<u64>().ok()? * unit;
    Some((nanos as i32, Duration::from_nanos(unit)))
}

/// Numbers of fixed width between separators; later ones may be absent.
fn read_numbers(text: &str, separator: char, widths: &[usize]) -> Option<Vec<u16>> {
    let parts: Vec<&str> = text.split(separator).collect();
    if parts.len() > widths.len() {
        return None;
    }
    let read = |(part, width): (&&str, &usize)| {
        (part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse().ok())
            .flatten()
    };
    parts.iter().zip(widths).map(read).collect()
}

/// Splits `Z`, `+02:00`, `+0200` or `+02` off a clock time. The zone is `None` if the text has none.
fn split_zone(text: &str) -> Option<(&str, Option<TimeZone>)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, Some(TimeZone::UTC)));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (clock, offset) = text.split_at(at);
    let (sign, digits) = offset.split_at(1);
    let digits = digits.replace(':', "");
    let numbers = match digits.len() {
        2 => read_numbers(&digits, ':', &[2])?,
        4 => read_numbers(&format!("{}:{}", digits.get(..2)?, digits.get(2..)?), ':', &[2, 2])?,
        _ => return None,
    };
    let seconds = i32::from(numbers[0]) * 3600 + numbers.get(1).map_or(0, |m| i32::from(*m) * 60);
    let seconds = if sign == "-" { -seconds } else { seconds };
    Some((clock, Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))))
}

fn moment(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let nanos = zone.to_ambiguous_zoned(civil).compatible().ok()?.timestamp().as_nanosecond();
    // Before 1677 and after 2262: the ends of our range, which keeps comparisons correct.
    let nearest = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Some(Timestamp(nearest as i64))
}

/// Text that parses to exactly this moment.
pub(super) fn write_time(time: Timestamp) -> String {
    to_zoned(time, &TimeZone::UTC).timestamp().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(zone: &str) -> ParseContext {
        let now = "2024-05-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap();
        ParseContext {
            now: Timestamp(now.as_nanosecond() as i64),
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    fn check(text: &str, start: &str, end: &str) {
        let (found_start, found_end) = parse_time(text, &context("Europe/Berlin")).expect(text);
        assert_eq!((write_time(found_start), write_time(found_end)), (start.into(), end.into()));
    }

    #[test]
    fn a_time_is_as_long_as_its_last_unit() {
        check("2024", "2023-12-31T23:00:00Z", "2024-12-31T23:00:00Z");
        check("2024-05", "2024-04-30T22:00:00Z", "2024-05-31T22:00:00Z");
        check("2024-05-01", "2024-04-30T22:00:00Z", "2024-05-01T22:00:00Z");
        check("2024-05-01T10:00", "2024-05-01T08:00:00Z", "2024-05-01T08:01:00Z");
        check("2024-05-01 10:00:01Z", "2024-05-01T10:00:01Z", "2024-05-01T10:00:02Z");
        check("2024-05-01T10:00:01.5-02:30", "2024-05-01T12:30:01.5Z", "2024-05-01T12:30:01.6Z");
        check("10:30", "2024-05-01T08:30:00Z", "2024-05-01T08:31:00Z");
        check("-15m", "2024-05-01T11:45:00Z", "2024-05-01T11:45:00.000000001Z");
        check("now", "2024-05-01T12:00:00Z", "2024-05-01T12:00:00.000000001Z");
    }

    #[test]
    fn invalid_times_are_refused() {
        for text in
            ["", "-", "yesterday", "2024-13", "2024-5-1", "24:61", "2024-05-01T", "-15", "1T1é"]
        {
            assert_eq!(parse_time(text, &context("UTC")), Err(EXPECTED.to_owned()), "{text}");
        }
    }

    #[test]
    fn times_out_of_range_are_the_ends_of_the_range() {
        let (start, end) = parse_time("9998", &context("UTC")).unwrap();
        assert_eq!((start, end), (Timestamp::MAX, Timestamp::MAX));
        assert_eq!(parse_time("0001", &context("UTC")).unwrap().0, Timestamp::MIN);
    }
}
