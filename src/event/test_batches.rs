//! Builds batches and simple formats for tests.

use std::path::Path;
use std::sync::Arc;

use super::{Batch, Decode, Flags, Generation, GenerationId, IdKey, Identity, Part, Record, Value};
use crate::base::Timestamp;

/// A format that parses `name=value` words; `null` and values that begin with a digit, `[` or `{` are JSON; `message=`
/// is the message.
#[derive(Debug)]
pub struct Pairs;

impl Decode for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        for word in std::str::from_utf8(text).unwrap().split_whitespace() {
            let (name, value) = word.split_once('=').unwrap();
            let json = value.starts_with(|c: char| c.is_ascii_digit() || c == '[' || c == '{');
            each(match name {
                "message" => Part::Message(value.into()),
                _ if json || value == "null" => Part::Field(name.into(), Value::Json(value)),
                _ => Part::Field(name.into(), Value::Text(value.into())),
            });
        }
    }
}

/// A format in which the whole record is the message.
#[derive(Debug)]
pub struct Lines;

impl Decode for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        each(Part::Message(String::from_utf8_lossy(text)));
    }
}

/// A batch of one record, at offset 0 of `/var/log/app.log`, in the format [`Pairs`].
pub fn batch(text: &str, service: Option<&str>) -> Batch {
    let identity = Identity { inode: 1, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 };
    let generation = Generation {
        id: GenerationId(1),
        identity,
        source: "test".into(),
        service: service.map(Into::into),
        host: "host".into(),
        key: IdKey::from_host_id("host"),
    };
    let record = Record {
        start: 0,
        end: text.len() as u64,
        at: 0,
        len: text.len() as u32,
        time: Timestamp(0),
        level: None,
        precision: 0,
        flags: Flags::default(),
    };
    Batch {
        generation: Arc::new(generation),
        path: Path::new("/var/log/app.log").into(),
        decode: Arc::new(Pairs),
        seen: Timestamp(0),
        day: 0,
        start: 0,
        end: record.end,
        bytes: text.as_bytes().into(),
        records: vec![record],
    }
}
