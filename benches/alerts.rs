//! Measures the cost of one event for the alert rules, in batches of 1,000 events.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logwarden::alert::{Engine, RuleConfig, defaults};
use logwarden::base::Timestamp;
use logwarden::event::{
    Batch, Decode, Flags, Generation, GenerationId, IdKey, Identity, Level, Part, Record, Value,
};

const EVENTS: u64 = 1_000;
/// Event time between two events.
const STEP: Duration = Duration::from_millis(10);

/// A format in which the whole text is the field `id`.
#[derive(Debug)]
struct Id;

impl Decode for Id {
    fn name(&self) -> &'static str {
        "id"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        each(Part::Field("id".into(), Value::Text(String::from_utf8_lossy(text))));
    }
}

fn batch(level: impl Fn(u64) -> Level) -> Batch {
    let identity = Identity { inode: 1, birth: 0, head_len: 0, head_hash: 0, ordinal: 0 };
    let generation = Generation {
        id: GenerationId(1),
        identity,
        source: "app".into(),
        service: None,
        host: "here".into(),
        key: IdKey::from_host_id("bench"),
    };
    let record = |number: u64| Record {
        start: number * 8,
        end: number * 8 + 8,
        at: number as u32 * 8,
        len: 8,
        time: Timestamp(0),
        level: Some(level(number)),
        precision: 3,
        flags: Flags::default(),
    };
    Batch {
        generation: Arc::new(generation),
        path: Path::new("app.log").into(),
        decode: Arc::new(Id),
        seen: Timestamp::MAX,
        day: 0,
        start: 0,
        end: EVENTS * 8,
        bytes: vec![b'0'; EVENTS as usize * 8].into(),
        records: (0..EVENTS).map(record).collect(),
    }
}

/// Advances the time of all events; if `keys` is given, also changes the ids among that many values.
fn renew(batch: &mut Batch, now: &mut Timestamp, keys: Option<u64>) {
    let mut bytes = keys.map(|_| Vec::with_capacity(EVENTS as usize * 8));
    for record in &mut batch.records {
        *now = now.plus(STEP);
        record.time = *now;
        if let (Some(keys), Some(bytes)) = (keys, &mut bytes) {
            let id = (now.0 as u64 / 10_000_000).wrapping_mul(0x9e37_79b9) % keys;
            bytes.extend_from_slice(format!("{id:08}").as_bytes());
        }
    }
    if let Some(bytes) = bytes {
        batch.bytes = bytes.into();
    }
}

fn measure(
    criterion: &mut Criterion,
    name: &str,
    rules: Vec<RuleConfig>,
    mut batch: Batch,
    keys: Option<u64>,
) {
    let mut group = criterion.benchmark_group("alerts");
    group.throughput(Throughput::Elements(EVENTS));
    let mut engine = Engine::new(rules, &Arc::default());
    let mut now = Timestamp::from_seconds(1_700_000_000);
    let mut changes = 0u64;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                renew(&mut batch, &mut now, keys);
                let began = std::time::Instant::now();
                for event in batch.events() {
                    engine.on_event(&event, Timestamp::MAX, &mut |_| changes += 1);
                }
                spent += began.elapsed();
            }
            spent
        });
    });
    group.finish();
}

fn alerts(criterion: &mut Criterion) {
    let errors = |count, by: &[&str]| {
        let rule = defaults().remove(1);
        vec![RuleConfig { count, by: by.iter().map(ToString::to_string).collect(), ..rule }]
    };
    let calm =
        || batch(|number| if number.is_multiple_of(100) { Level::Error } else { Level::Info });
    let storm = || batch(|_| Level::Error);
    measure(criterion, "both default rules, 1 % errors", defaults(), calm(), None);
    measure(criterion, "ring of 5, one key, all match", errors(5, &["source"]), storm(), None);
    measure(criterion, "slices, one key, all match", errors(1_000, &["source"]), storm(), None);
    measure(
        criterion,
        "ring of 5, 9,000 keys, all match",
        errors(5, &["id"]),
        storm(),
        Some(9_000),
    );
}

criterion_group!(benches, alerts);
criterion_main!(benches);
