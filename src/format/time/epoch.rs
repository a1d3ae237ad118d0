//! Parses numbers as times: seconds, milliseconds, microseconds and nanoseconds since the epoch, and TAI64N.

use super::{Day, NANOS, Stamp, Zone};

/// Smaller numbers of seconds (before March 1973) are not accepted as times.
const SMALLEST: i64 = 100_000_000;

/// A decimal number as a time; its size determines the unit.
pub fn epoch(text: &[u8]) -> Option<Stamp> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &text[..0]),
    };
    if whole.is_empty() || whole.len() > 19 || !fraction.iter().all(u8::is_ascii_digit) {
        return exponent(text);
    }
    let mut value: i64 = 0;
    for byte in whole {
        if !byte.is_ascii_digit() {
            return exponent(text);
        }
        value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    let (unit, digits) = unit(value)?;
    let mut nanos = value.checked_mul(unit)?;
    let mut place = unit;
    for byte in fraction.iter().take(9) {
        place /= 10;
        nanos = nanos.checked_add(i64::from(byte - b'0') * place)?;
    }
    Some(from_nanos(nanos, (digits + fraction.len()).min(9) as u8))
}

/// Nanoseconds per unit, and the number of fractional digits of a second that the unit covers.
fn unit(value: i64) -> Option<(i64, usize)> {
    Some(match value {
        ..SMALLEST => return None,
        SMALLEST..100_000_000_000 => (NANOS, 0),
        100_000_000_000..100_000_000_000_000 => (1_000_000, 3),
        100_000_000_000_000..100_000_000_000_000_000 => (1_000, 6),
        _ => (1, 9),
    })
}

/// `1.7e9`, as zap and others write floats.
fn exponent(text: &[u8]) -> Option<Stamp> {
    if text.len() > 40 || !text.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return None;
    }
    epoch_f64(std::str::from_utf8(text).ok()?.parse().ok()?)
}

/// The size of the number determines the unit. Precise to the microsecond, because seconds as an f64 are not
/// more precise.
fn epoch_f64(value: f64) -> Option<Stamp> {
    if !value.is_finite() || value < SMALLEST as f64 || value > i64::MAX as f64 {
        return None;
    }
    let (unit, _) = unit(value as i64)?;
    let micros = (value * (unit as f64 / 1e3)).round();
    if micros.abs() > i64::MAX as f64 / 1e3 {
        return None;
    }
    Some(from_nanos(micros as i64 * 1_000, 6))
}

/// `@` and 24 hexadecimal digits: seconds of TAI64 and nanoseconds (djb, "TAI64, TAI64N").
pub fn tai64n(text: &[u8]) -> Option<(Stamp, usize)> {
    let digits = text.get(1..25)?;
    let mut value: u128 = 0;
    for byte in digits {
        value = value << 4 | u128::from((*byte as char).to_digit(16)?);
    }
    let (seconds, nanos) = ((value >> 32) as u64, value as u32);
    // 2^62 is 1970 in TAI, which was 10 s ahead of UTC then: daemontools' tai64nlocal subtracts this.
    let seconds = i64::try_from(seconds).ok()?.checked_sub((1 << 62) + 10)?;
    if nanos >= NANOS as u32 || !(0..=9_000_000_000).contains(&seconds) {
        return None;
    }
    Some((from_nanos(seconds * NANOS + i64::from(nanos), 9), 25))
}

fn from_nanos(nanos: i64, digits: u8) -> Stamp {
    let seconds = nanos.div_euclid(NANOS);
    Stamp {
        day: Day::Known(seconds.div_euclid(86_400) as i32),
        second: seconds.rem_euclid(86_400) as u32,
        nanos: nanos.rem_euclid(NANOS) as u32,
        precision: digits.div_ceil(3) * 3,
        zone: Zone::Offset(0),
    }
}
