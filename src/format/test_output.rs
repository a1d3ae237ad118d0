//! For tests of formats: shows a parsed record as one line of text.

use jiff::tz::TimeZone;

use super::{Context, detection};
use crate::base::Timestamp;
use crate::event::{Level, Part, Value};

pub fn context() -> Context {
    // 2024-03-18
    Context::new(TimeZone::UTC, 19_800, Timestamp::from_seconds(0))
}

/// `time level | field=text field:json [message]`
pub fn show(format: &str, record: &str) -> String {
    let format = detection::by_name(format, &[]).expect("a known format");
    let head = format.head(record.as_bytes(), &context());
    let time = head.time.map_or("-".to_string(), |time| {
        jiff::Timestamp::from_nanosecond(i128::from(time.0)).expect("in range").to_string()
    });
    let mut out = format!("{time} {} |", head.level.map_or("-", Level::name));
    format.parts(record.as_bytes(), &mut |part| match part {
        Part::Message(text) => out += &format!(" [{text}]"),
        Part::Field(name, Value::Text(text)) => out += &format!(" {name}={text}"),
        Part::Field(name, Value::Json(text)) => out += &format!(" {name}:{text}"),
    });
    out
}

/// Checks the output for each record, and that detection on the record alone finds the format.
pub fn check(format: &str, cases: &[(&str, &str)]) {
    for (record, expected) in cases {
        assert_eq!(show(format, record), *expected, "{record}");
        let found = detection::detect(record.as_bytes()).format;
        assert_eq!(found.name(), format, "{record}");
    }
}
