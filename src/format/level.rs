//! Parses levels as logs write them: words, letters and numbers.
//!
//! Callers use this only where a level belongs. A level must be the whole word, so that "terror" and "errorCode" are
//! not levels.

use crate::event::Level;

/// The level that this whole word names, in upper or lower case; a number after it is ignored (`INFO+2`, `DEBUG4`).
pub fn word(text: &[u8]) -> Option<Level> {
    if text.is_empty() || text.len() > 14 {
        return None;
    }
    plain_word(text).or_else(|| plain_word(without_number(text)))
}

fn plain_word(text: &[u8]) -> Option<Level> {
    let first = text.first()? | 0x20;
    WORDS
        .iter()
        .find(|(word, _)| {
            let word = word.as_bytes();
            word[0] == first && word.len() == text.len() && word.eq_ignore_ascii_case(text)
        })
        .map(|(_, level)| *level)
}

/// The most frequent first.
const WORDS: [(&str, Level); 37] = [
    ("info", Level::Info),
    ("error", Level::Error),
    ("debug", Level::Debug),
    ("warn", Level::Warning),
    ("warning", Level::Warning),
    ("trace", Level::Trace),
    ("notice", Level::Notice),
    ("note", Level::Notice),
    ("fatal", Level::Fatal),
    ("err", Level::Error),
    ("critical", Level::Fatal),
    ("crit", Level::Fatal),
    ("crt", Level::Fatal),
    ("inf", Level::Info),
    ("information", Level::Info),
    ("informational", Level::Info),
    ("wrn", Level::Warning),
    ("dbg", Level::Debug),
    ("dbug", Level::Debug),
    ("trc", Level::Trace),
    ("trce", Level::Trace),
    ("vrb", Level::Trace),
    ("verbose", Level::Trace),
    ("ftl", Level::Fatal),
    ("severe", Level::Error),
    ("fail", Level::Error),
    ("eror", Level::Error),
    ("fine", Level::Debug),
    ("config", Level::Debug),
    ("finer", Level::Trace),
    ("finest", Level::Trace),
    ("alert", Level::Fatal),
    ("emerg", Level::Fatal),
    ("emergency", Level::Fatal),
    ("panic", Level::Fatal),
    ("dpanic", Level::Fatal),
    ("pnc", Level::Fatal),
];

/// Removes the number from `INFO+2` (slog) and `DEBUG4` (OpenTelemetry).
fn without_number(text: &[u8]) -> &[u8] {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 2 {
        return text;
    }
    let word = &text[..text.len() - digits];
    match word {
        [word @ .., b'+' | b'-'] => word,
        _ => word,
    }
}

/// The one-letter levels of glog, klog, Android and others.
pub fn letter(letter: u8) -> Option<Level> {
    Some(match letter {
        b'T' | b'V' => Level::Trace,
        b'D' => Level::Debug,
        b'I' => Level::Info,
        b'N' => Level::Notice,
        b'W' => Level::Warning,
        b'E' => Level::Error,
        b'F' | b'C' | b'A' => Level::Fatal,
        _ => return None,
    })
}

/// Severity 0–7 of syslog, journald's `PRIORITY` and GELF.
pub fn syslog(severity: u64) -> Option<Level> {
    Some(match severity {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        7 => Level::Debug,
        _ => return None,
    })
}

/// 10–60 of bunyan and pino; numbers in between belong to the next lower level.
pub fn bunyan(number: u64) -> Option<Level> {
    Some(match number {
        10..=19 => Level::Trace,
        20..=29 => Level::Debug,
        30..=39 => Level::Info,
        40..=49 => Level::Warning,
        50..=59 => Level::Error,
        60 => Level::Fatal,
        _ => return None,
    })
}

/// `levelno` of Python's logging.
pub fn python(number: u64) -> Option<Level> {
    Some(match number {
        1..=9 => Level::Trace,
        10..=19 => Level::Debug,
        20..=29 => Level::Info,
        30..=39 => Level::Warning,
        40..=49 => Level::Error,
        50..=59 => Level::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_levels() {
        for (text, expected) in [
            ("WARN", Some(Level::Warning)),
            ("Information", Some(Level::Info)),
            ("INFO+2", Some(Level::Info)),
            ("DEBUG4", Some(Level::Debug)),
            ("trace3", Some(Level::Trace)),
            ("SEVERE", Some(Level::Error)),
            ("emerg", Some(Level::Fatal)),
            ("terror", None),
            ("errorCode", None),
            ("errors", None),
            ("4", None),
            ("", None),
            ("information overload", None),
        ] {
            assert_eq!(word(text.as_bytes()), expected, "{text}");
        }
    }
}
