//! The JSON keys that loggers use for time, level and message, with their precedence.
//!
//! Sources: the documentation of bunyan, pino, winston, logback (logstash-encoder), log4j2, zap, slog, zerolog, logrus,
//! structlog, python-json-logger, Serilog (compact), NLog, ECS, GELF 1.1, systemd's journal export, Docker's json-file,
//! Google Cloud, MongoDB 4.4.

/// The meaning of a member. The number is the rank of its key: if several members have the same meaning, the one with
/// the lowest rank takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Time(u8),
    Level(LevelKey, u8),
    Message(u8),
    /// An object whose members may be level and message: `log` of ECS, `fields` of Rust's tracing, `@fields` of
    /// logstash. If `log` is text (Docker), it is the message.
    Inner,
}

/// How loggers write the level in the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelKey {
    /// A word, or 10–60; 0–7 where the record is GELF.
    Level,
    /// A word that is the whole value.
    Word,
    /// `levelno` of Python.
    Python,
    /// 0–7 of syslog.
    Syslog,
    /// `s` of MongoDB, one letter.
    Letter,
}

/// The meaning of this key, if it has one.
#[inline]
pub fn role(key: &[u8]) -> Option<Role> {
    match key.len() {
        1 => one(key[0]),
        2 => two(key),
        3..=26 => longer(key),
        _ => None,
    }
}

fn one(key: u8) -> Option<Role> {
    Some(match key {
        b't' | b'T' => Role::Time(14),
        b's' => Role::Level(LevelKey::Letter, 9),
        b'L' => Role::Level(LevelKey::Word, 9),
        b'M' => Role::Message(9),
        _ => return None,
    })
}

fn two(key: &[u8]) -> Option<Role> {
    Some(match key {
        b"@t" => Role::Time(0),
        b"@l" => Role::Level(LevelKey::Word, 0),
        b"@m" => Role::Message(0),
        b"ts" | b"TS" => Role::Time(3),
        b"dt" => Role::Time(13),
        _ => return None,
    })
}

fn longer(key: &[u8]) -> Option<Role> {
    let is = |name: &[u8]| key.eq_ignore_ascii_case(name);
    Some(match key.len() {
        3 if is(b"msg") => Role::Message(2),
        3 if is(b"lvl") => Role::Level(LevelKey::Level, 4),
        3 if key == b"log" => Role::Inner,
        3 if key == b"@mt" => Role::Message(5),
        4 if is(b"time") => Role::Time(2),
        4 if is(b"date") => Role::Time(12),
        4 if is(b"type") => Role::Level(LevelKey::Word, 12),
        4 if key == b"text" => Role::Message(7),
        4 if key == b"body" => Role::Message(8),
        5 if is(b"level") => Role::Level(LevelKey::Level, 1),
        5 if key == b"event" => Role::Message(6),
        6 if key == b"fields" => Role::Inner,
        6 if is(b"status") => Role::Level(LevelKey::Word, 11),
        7 if is(b"message") => Role::Message(1),
        7 if key == b"@fields" => Role::Inner,
        7 if key == b"asctime" => Role::Time(6),
        7 if key == b"levelno" => Role::Level(LevelKey::Python, 8),
        7 if key == b"instant" => Role::Time(5),
        8 if is(b"severity") => Role::Level(LevelKey::Word, 5),
        8 if is(b"loglevel") => Role::Level(LevelKey::Level, 3),
        8 if is(b"datetime") => Role::Time(7),
        8 if key == b"PRIORITY" => Role::Level(LevelKey::Syslog, 7),
        9 if is(b"timestamp") => Role::Time(1),
        9 if key == b"log.level" => Role::Level(LevelKey::Level, 0),
        9 if is(b"log_level") => Role::Level(LevelKey::Level, 3),
        9 if key == b"levelname" => Role::Level(LevelKey::Word, 0),
        9 if key == b"eventTime" => Role::Time(9),
        10 if key == b"@timestamp" => Role::Time(0),
        10 if key == b"level_name" => Role::Level(LevelKey::Word, 0),
        10 if key == b"event_time" => Role::Time(9),
        10 if key == b"timeMillis" => Role::Time(4),
        10 if key == b"created_at" => Role::Time(11),
        13 if key == b"short_message" => Role::Message(3),
        12 if key == b"severityText" => Role::Level(LevelKey::Word, 5),
        13 if key == b"severity_text" => Role::Level(LevelKey::Word, 5),
        11 if key == b"textPayload" => Role::Message(4),
        12 if key == b"timeUnixNano" => Role::Time(4),
        15 if key == b"RenderedMessage" => Role::Message(4),
        15 if key == b"MessageTemplate" => Role::Message(5),
        20 if key == b"__REALTIME_TIMESTAMP" => Role::Time(8),
        26 if key == b"_SOURCE_REALTIME_TIMESTAMP" => Role::Time(7),
        _ => return None,
    })
}
