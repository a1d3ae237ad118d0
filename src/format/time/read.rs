//! Parses a time in any of the supported notations, which are distinguished by their beginning.

use super::calendar::{days, is_weekday, month};
use super::clock::{finish, fraction, seconds};
use super::digits::{number, two};
use super::epoch::{epoch, tai64n};
use super::zone::zone;
use super::{Day, Stamp, Zone};

/// The time at the beginning of `text` and its length in bytes. A date alone is not a time.
pub fn read(text: &[u8]) -> Option<(Stamp, usize)> {
    let (stamp, end) = match text.first()? {
        b'0'..=b'9' => iso(text).or_else(|| numeric(text))?,
        b'@' => tai64n(text)?,
        _ => named(text)?,
    };
    // 10:23:01abc is not a time.
    match text.get(end) {
        Some(next) if next.is_ascii_alphanumeric() => None,
        _ => Some((stamp, end)),
    }
}

/// The whole text as a time; a date alone means its midnight, a number alone is a time since the epoch.
pub fn whole(text: &[u8]) -> Option<Stamp> {
    let text = text.trim_ascii();
    if let Some((stamp, end)) = read(text)
        && end == text.len()
    {
        return Some(stamp);
    }
    if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return epoch(text);
    }
    let (day, end) = year_first(text)?;
    (end == text.len()).then_some(Stamp {
        day: Day::Known(day),
        second: 0,
        nanos: 0,
        precision: 0,
        zone: Zone::Naive,
    })
}

/// `YYYY-MM-DD HH:MM:SS` and its suffixes: the form of nearly all lines.
#[inline]
fn iso(text: &[u8]) -> Option<(Stamp, usize)> {
    let (day, end) = year_first(text)?;
    if !matches!(text.get(end)?, b'T' | b't' | b' ' | b'_' | b'-' | b':') {
        return None;
    }
    finish(text, end + 1, Day::Known(day))
}

/// `YYYY-MM-DD`, `YYYY/MM/DD` or `YYYY.MM.DD`: days since the epoch and the length.
#[inline]
fn year_first(text: &[u8]) -> Option<(i32, usize)> {
    let separator = *text.get(4)?;
    if !matches!(separator, b'-' | b'/' | b'.') || *text.get(7)? != separator {
        return None;
    }
    let year = two(text, 0)? * 100 + two(text, 2)?;
    Some((days(year as i32, two(text, 5)?, two(text, 8)?)?, 10))
}

/// The other forms that begin with a digit.
fn numeric(text: &[u8]) -> Option<(Stamp, usize)> {
    let run = text.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    match (run, text.get(run)) {
        (1 | 2, Some(b':')) => time_only(text),
        (1 | 2, Some(b'/' | b'-' | b'.' | b' ')) => short_first(text, run),
        (4, Some(b'-' | b'/')) => loose_year(text),
        (6, Some(b' ')) => compact_short(text),
        (8, Some(b'T' | b' ' | b'-' | b'_')) => compact(text, 9),
        (14, _) => compact(text, 8),
        (10, Some(b'.' | b' ' | b'\t') | None) | (13 | 16 | 19, Some(b' ' | b'\t') | None) => {
            let more = text[run..].strip_prefix(b".").map_or(0, |rest| {
                1 + rest.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count()
            });
            Some((epoch(&text[..run + more])?, run + more))
        }
        _ => None,
    }
}

/// `HH:MM:SS` without a date; the seconds are required.
fn time_only(text: &[u8]) -> Option<(Stamp, usize)> {
    let colons = text.iter().take(8).filter(|byte| **byte == b':').count();
    if colons < 2 {
        return None;
    }
    finish(text, 0, Day::Missing)
}

/// Day or month first: `14/Nov/2023:10:23:01`, `11/14/2023 10:23:01 AM`, `17/06/09 20:10:58`,
/// `14-Nov-2023 10:23:01`, `03-17 16:13:38.811`, `14.11.2023 10:23:01`, `30 May 12:52:42.131`.
fn short_first(text: &[u8], run: usize) -> Option<(Stamp, usize)> {
    let separator = text[run];
    let first = number(&text[..run])?;
    let rest = &text[run + 1..];
    if let Some(month) = month(rest) {
        return day_month_name(text, first, month, run + 4, separator);
    }
    let second_run = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let second = number(rest.get(..second_run)?)?;
    let at = run + 1 + second_run;
    if separator == b'-' && text.get(at) == Some(&b' ') {
        // Android's logcat: month and day.
        days(2000, first, second)?;
        return finish(text, at + 1, Day::Yearless { month: first as u8, day: second as u8 });
    }
    if text.get(at) != Some(&separator) || separator == b' ' {
        return None;
    }
    let third = &text[at + 1..];
    let third_run = third.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let third = number(third.get(..third_run)?)?;
    let day = match (third_run, separator) {
        // Hadoop and Spark: year, month, day.
        (2, b'/') => days(2000 + first as i32, second, third)?,
        (4, b'/') => {
            days(third as i32, first, second).or_else(|| days(third as i32, second, first))?
        }
        (4, _) => days(third as i32, second, first)?,
        _ => return None,
    };
    let end = at + 1 + third_run;
    if !matches!(text.get(end)?, b' ' | b',' | b':' | b'T' | b'-') {
        return None;
    }
    let end = end + usize::from(text[end] == b',');
    finish(
        text,
        end + usize::from(matches!(text.get(end), Some(b' ' | b':' | b'T' | b'-'))),
        Day::Known(day),
    )
}

/// A time whose day and named month were read already; `at` is the offset after the month's name.
fn day_month_name(
    text: &[u8],
    day: u32,
    month: u32,
    at: usize,
    separator: u8,
) -> Option<(Stamp, usize)> {
    if *text.get(at)? != separator {
        return None;
    }
    let year_run = text[at + 1..].iter().take(5).take_while(|b| b.is_ascii_digit()).count();
    if year_run == 4 {
        let year = number(&text[at + 1..at + 5])?;
        let day = days(year as i32, month, day)?;
        matches!(text.get(at + 5)?, b':' | b' ').then_some(())?;
        return finish(text, at + 6, Day::Known(day));
    }
    days(2000, month, day)?;
    (separator == b' ').then_some(())?;
    finish(text, at + 1, Day::Yearless { month: month as u8, day: day as u8 })
}

/// `2023-1-4 9:05:00`: without leading zeros.
fn loose_year(text: &[u8]) -> Option<(Stamp, usize)> {
    let separator = text[4];
    let year = number(&text[..4])?;
    if let Some(of_year) = text.get(5..8).and_then(number) {
        // ISO 8601's ordinal date: the day of the year.
        let day = days(year as i32, 1, 1)? + of_year as i32 - 1;
        if of_year == 0 || day >= days(year as i32 + 1, 1, 1)? || text.get(8) != Some(&b'T') {
            return None;
        }
        return finish(text, 9, Day::Known(day));
    }
    let digits = |at: usize| {
        Some(text.get(at..)?.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count())
    };
    let month_run: usize = digits(5).filter(|run| (1..=2).contains(run))?;
    let day_at = 5 + month_run + 1;
    if *text.get(day_at - 1)? != separator {
        return None;
    }
    let day_run: usize = digits(day_at).filter(|run| (1..=2).contains(run))?;
    let day = days(
        year as i32,
        number(&text[5..5 + month_run])?,
        number(&text[day_at..day_at + day_run])?,
    )?;
    let end = day_at + day_run;
    matches!(text.get(end)?, b' ' | b'T').then_some(())?;
    finish(text, end + 1, Day::Known(day))
}

/// `161209 14:18:57`, `191015  9:46:45` (MySQL) and `081110 220658` (HDFS).
fn compact_short(text: &[u8]) -> Option<(Stamp, usize)> {
    let day = days(2000 + two(text, 0)? as i32, two(text, 2)?, two(text, 4)?)?;
    let at = if text.get(7) == Some(&b' ') { 8 } else { 7 };
    if text.get(at + 1) == Some(&b':') || text.get(at + 2) == Some(&b':') {
        return finish(text, at, Day::Known(day));
    }
    let second = seconds(two(text, at)?, two(text, at + 2)?, two(text, at + 4)?)?;
    let stamp = Stamp { day: Day::Known(day), second, nanos: 0, precision: 0, zone: Zone::Naive };
    Some((stamp, at + 6))
}

/// `20231114T102301Z`, `20231114-10:23:01:462`, `20231114102301`; the time of day begins at `at`.
fn compact(text: &[u8], at: usize) -> Option<(Stamp, usize)> {
    let year = two(text, 0)? * 100 + two(text, 2)?;
    let day = days(year as i32, two(text, 4)?, two(text, 6)?)?;
    if !(1900..2300).contains(&year) {
        return None;
    }
    if text.get(at + 2) == Some(&b':') || text.get(at + 1) == Some(&b':') {
        return finish(text, at, Day::Known(day));
    }
    let second = seconds(two(text, at)?, two(text, at + 2)?, two(text, at + 4)?)?;
    let (nanos, precision, end) = fraction(text, at + 6);
    let (zone, end) = zone(text, end);
    Some((Stamp { day: Day::Known(day), second, nanos, precision, zone }, end))
}

/// The forms that begin with a name: `Nov 14 10:23:01`, `Nov 14, 2023 10:23:01 AM`,
/// `Tue Nov 14 10:23:01.123456 2023`, `Tue, 14 Nov 2023 10:23:01 GMT`.
fn named(text: &[u8]) -> Option<(Stamp, usize)> {
    if is_weekday(text) {
        let skip = text.iter().take(5).position(|byte| *byte == b' ')? + 1;
        let (stamp, end) = match text.get(skip)? {
            b'0'..=b'9' => numeric(&text[skip..])?,
            _ => named_month(&text[skip..])?,
        };
        return Some((stamp, end + skip));
    }
    named_month(text)
}

fn named_month(text: &[u8]) -> Option<(Stamp, usize)> {
    let month = month(text)?;
    if text.get(3) != Some(&b' ') {
        return None;
    }
    let at = if text.get(4) == Some(&b' ') { 5 } else { 4 };
    let run = text.get(at..)?.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let day = number(text.get(at..at + run).filter(|run| (1..=2).contains(&run.len()))?)?;
    let mut at = at + run;
    at += usize::from(text.get(at) == Some(&b','));
    if text.get(at) != Some(&b' ') {
        return None;
    }
    at += 1;
    let run = text[at..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    if run == 4 && matches!(text.get(at + 4), Some(b' ' | b',')) {
        let year = number(&text[at..at + 4])?;
        let known = Day::Known(days(year as i32, month, day)?);
        let comma = usize::from(text[at + 4] == b',');
        return finish(text, at + 5 + comma, known);
    }
    days(2000, month, day)?;
    let (mut stamp, end) = finish(text, at, Day::Yearless { month: month as u8, day: day as u8 })?;
    // Apache and ctime write the year last, ctime of some systems after a zone.
    if text.get(end) == Some(&b' ')
        && let Some(year) = text.get(end + 1..end + 5)
        && year.iter().all(u8::is_ascii_digit)
        && (b"19"..=b"22").contains(&year.first_chunk::<2>().expect("four bytes were taken"))
        && !text.get(end + 5).is_some_and(u8::is_ascii_alphanumeric)
        && let Some(known) = days(number(year)? as i32, month, day)
    {
        stamp.day = Day::Known(known);
        return Some((stamp, end + 5));
    }
    Some((stamp, end))
}
