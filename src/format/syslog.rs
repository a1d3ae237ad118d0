//! Parses the parts that both syslog formats have: priority, octet count, and the level in the message.

use super::json::Json;
use super::{Context, Format, header, level};
use crate::event::Level;

/// `<PRI>` at the beginning: its value (facility × 8 + severity), and its length in bytes.
pub fn priority(text: &[u8]) -> Option<(u32, usize)> {
    let rest = text.strip_prefix(b"<")?;
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) || rest.get(digits) != Some(&b'>') {
        return None;
    }
    let value = rest[..digits].iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
    (value < 192).then_some((value, digits + 2))
}

/// Length in bytes of the octet count of RFC 6587 at the beginning, with the space after it; 0 if there is none.
pub fn octet_count(text: &[u8]) -> usize {
    let digits = text.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    match text.get(digits..) {
        Some([b' ', b'<', ..]) if digits > 0 && text[0] != b'0' => digits + 1,
        _ => 0,
    }
}

/// The level of this priority.
pub fn severity(priority: Option<u32>) -> Option<Level> {
    level::syslog(u64::from(priority? % 8))
}

/// Short name of the facility of this priority (RFC 5424, table 1).
pub fn facility(priority: u32) -> &'static str {
    const NAMES: [&str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
        "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2",
        "local3", "local4", "local5", "local6", "local7",
    ];
    NAMES[(priority / 8) as usize % NAMES.len()]
}

/// The level that the message itself contains, in a position where a level belongs.
pub fn payload_level(message: &[u8], context: &Context) -> Option<Level> {
    let message = message.trim_ascii_start();
    match message.first()? {
        b'{' => return Json.head(message, context).level,
        // klog, NetworkManager and other messages with a header of their own.
        b'0'..=b'9' => return header::read(message)?.level,
        b'[' | b'<' => {
            let close = if message[0] == b'[' { b']' } else { b'>' };
            let end = message.iter().take(16).position(|byte| *byte == close)?;
            return level::word(message[1..end].trim_ascii())
                .or_else(|| header::read(message)?.level);
        }
        _ => {}
    }
    let length = message.iter().take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = &message[..length];
    let upper = word.iter().all(u8::is_ascii_uppercase);
    match message.get(length) {
        Some(b':') if upper || length > 3 => level::word(word),
        Some(b' ' | b']' | b'|' | b'[') if upper && length > 3 => level::word(word),
        Some(b'0'..=b'9') if length == 1 => header::read(message)?.level,
        // logfmt in syslog.
        Some(b'=') => super::logfmt::find(message)?.level(),
        _ => None,
    }
}
