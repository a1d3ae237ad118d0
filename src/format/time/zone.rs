//! Parses the time zone after a time: an offset or a known abbreviation.

use super::Zone;
use super::digits::two;

/// The zone that begins at `at`, directly or after one space, and the offset of its end in `text`. [`Zone::Naive`] if
/// there is none.
#[inline]
pub(super) fn zone(text: &[u8], at: usize) -> (Zone, usize) {
    match text.get(at) {
        Some(b'Z' | b'z') if !text.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {
            (Zone::Offset(0), at + 1)
        }
        Some(b'+' | b'-') => offset(text, at, true).unwrap_or((Zone::Naive, at)),
        Some(b'A'..=b'Y') => zone_name(text, at).unwrap_or_else(|| unknown_zone(text, at)),
        Some(b' ') => match text.get(at + 1) {
            Some(b'+' | b'-') => offset(text, at + 1, false).unwrap_or((Zone::Naive, at)),
            Some(b'A'..=b'Z') => zone_name(text, at + 1).unwrap_or((Zone::Naive, at)),
            _ => (Zone::Naive, at),
        },
        _ => (Zone::Naive, at),
    }
}

/// `+02:00`, `+0200` and, attached to the time, `+02`.
fn offset(text: &[u8], at: usize, attached: bool) -> Option<(Zone, usize)> {
    let hours = two(text, at + 1)?;
    let (minutes, end) = match text.get(at + 3) {
        Some(b':') => (two(text, at + 4)?, at + 6),
        Some(b'0'..=b'9') => (two(text, at + 3)?, at + 5),
        _ if attached => (0, at + 3),
        _ => return None,
    };
    if hours > 18 || minutes > 59 || text.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let seconds = (hours * 3600 + minutes * 60) as i32;
    Some((Zone::Offset(if text[at] == b'-' { -seconds } else { seconds }), end))
}

/// UTC, GMT, or an abbreviation used by some zone: consumed in any case, but applied only if it belongs to the
/// source's zone.
fn zone_name(text: &[u8], at: usize) -> Option<(Zone, usize)> {
    const NAMES: [&[u8]; 30] = [
        b"UTC", b"GMT", b"Z", b"CET", b"CEST", b"EET", b"EEST", b"WET", b"WEST", b"BST", b"IST",
        b"MSK", b"EST", b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"AKST", b"AKDT",
        b"HST", b"JST", b"KST", b"AEST", b"AEDT", b"ACST", b"NZST", b"NZDT",
    ];
    let run = text[at..].iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    let end = at + run;
    let name = NAMES.iter().find(|name| **name == &text[at..end])?;
    if text.get(end).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_') {
        return None;
    }
    if [&b"UTC"[..], b"GMT", b"Z"].contains(name) {
        return Some((Zone::Offset(0), end));
    }
    let mut padded = [0; 5];
    padded[..run].copy_from_slice(name);
    Some((Zone::Named(padded), end))
}

/// An unknown name directly after the time: skipped.
fn unknown_zone(text: &[u8], at: usize) -> (Zone, usize) {
    let run = text[at..].iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    (Zone::Naive, if (2..=5).contains(&run) { at + run } else { at })
}
