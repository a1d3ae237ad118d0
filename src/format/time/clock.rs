//! Parses a time of day with its fraction, and AM, PM or a zone after it.

use super::digits::{digit, two};
use super::zone::zone;
use super::{Day, Stamp};

/// Completes a time whose day was read: parses the time of day at `at`, with fraction, AM or PM, and zone. Returns the
/// end too.
pub(super) fn finish(text: &[u8], at: usize, day: Day) -> Option<(Stamp, usize)> {
    let (mut second, nanos, precision, mut end) = clock(text, at)?;
    if let Some([b' ', half, b'M' | b'm', ..]) = text.get(end..)
        && matches!(half, b'A' | b'a' | b'P' | b'p')
        && !text.get(end + 3).is_some_and(u8::is_ascii_alphanumeric)
    {
        let noon = second / 3600 == 12;
        match half | 0x20 {
            b'p' if !noon => second += 12 * 3600,
            b'a' if noon => second -= 12 * 3600,
            _ => {}
        }
        end += 3;
    }
    if second > 86_400 {
        return None;
    }
    let (zone, end) = zone(text, end);
    Some((Stamp { day, second, nanos, precision, zone }, end))
}

/// `HH:MM[:SS[.fraction]]` at `at`: second of the day, nanoseconds, precision, end.
#[inline]
pub fn clock(text: &[u8], at: usize) -> Option<(u32, u32, u8, usize)> {
    let (hour, at) = match two(text, at) {
        Some(hour) => (hour, at + 2),
        None => (digit(text, at)?, at + 1),
    };
    if *text.get(at)? != b':' {
        return None;
    }
    let minute = two(text, at + 1)?;
    let at = at + 3;
    if text.get(at) != Some(&b':') {
        return Some((seconds(hour, minute, 0)?, 0, 0, at));
    }
    let Some(second) = two(text, at + 1) else {
        return Some((seconds(hour, minute, 0)?, 0, 0, at));
    };
    let (nanos, precision, end) = fraction(text, at + 3);
    Some((seconds(hour, minute, second)?, nanos, precision, end))
}

/// A fraction of a second, if there is one at `at`: nanoseconds, precision (3, 6 or 9 digits), end.
#[inline]
pub(super) fn fraction(text: &[u8], at: usize) -> (u32, u8, usize) {
    if !matches!(text.get(at), Some(b'.' | b',' | b':')) {
        return (0, 0, at);
    }
    let (mut nanos, mut place, mut end) = (0, 100_000_000, at + 1);
    while let Some(byte) = text.get(end)
        && byte.is_ascii_digit()
    {
        nanos += u32::from(byte - b'0') * place;
        place /= 10;
        end += 1;
    }
    match end - at - 1 {
        0 => (0, 0, at),
        digits => (nanos, (digits.min(9).div_ceil(3) * 3) as u8, end),
    }
}

/// The second of the day; `None` if it is not a time. Second 60 is a leap second.
#[inline]
pub(super) fn seconds(hour: u32, minute: u32, second: u32) -> Option<u32> {
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}
