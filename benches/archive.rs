//! Measures how fast events are archived, how much space they take, and how fast they are found.
//!
//! `cargo bench --bench archive [-- EVENTS]`. The speed is in events per second of CPU time (all threads: privacy and
//! encoding, indexing, commits, merges, the system time of fsync), compared with a newline scan (memchr) of the same
//! bytes in the same run.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use logwarden::archive::{Archive, GenerationFacts, Generations, Reader, encode};
use logwarden::base::Timestamp;
use logwarden::event::{Batch, Cursor, Encoding, Generation, GenerationId, IdKey, Identity};
use logwarden::format::{Context, End, Framer, detection};
use logwarden::privacy::{Policy, shown};
use logwarden::query::{ParseContext, parse};
use logwarden::search::{Options, archive, count_archive};

const EVENTS: usize = 400_000;
/// Events per delivery and per commit, as in the worker.
const BULK: usize = 5_000;
const COMMIT: usize = 50_000;
const NOW: Timestamp = Timestamp(1_714_557_600_000_000_000);

fn main() {
    let events = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(EVENTS);
    for (name, make) in KINDS {
        measure(name, &generate(make, events));
    }
}

type Make = fn(&mut String, &mut Random, jiff::Timestamp);
const KINDS: [(&str, Make); 3] = [("python", python), ("json", json), ("access", access)];

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % end
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 24] = [
            "connection",
            "refused",
            "timeout",
            "while",
            "reading",
            "response",
            "from",
            "upstream",
            "order",
            "accepted",
            "payment",
            "retry",
            "customer",
            "session",
            "expired",
            "cache",
            "miss",
            "for",
            "key",
            "index",
            "page",
            "Unauthorized",
            "request",
            "worker",
        ];
        // Some words are frequent, most are not.
        let at = self.below(24).min(self.below(24));
        WORDS[at as usize]
    }
}

fn sentence(line: &mut String, random: &mut Random, words: usize) {
    for _ in 0..words {
        line.push_str(random.word());
        line.push(' ');
    }
    write!(line, "id={:x} after {} ms", random.below(1 << 40), random.below(5000)).unwrap();
}

fn python(line: &mut String, random: &mut Random, time: jiff::Timestamp) {
    let level = ["INFO", "INFO", "INFO", "WARNING", "ERROR"][random.below(5) as usize];
    let clock = time.strftime("%Y-%m-%d %H:%M:%S,%3f");
    let module = ["shop.orders", "shop.payment", "werkzeug"][random.below(3) as usize];
    write!(line, "{clock} - {module} - {level} - ").unwrap();
    sentence(line, random, 16);
}

fn json(line: &mut String, random: &mut Random, time: jiff::Timestamp) {
    let level = ["info", "info", "warn", "error"][random.below(4) as usize];
    write!(line, r#"{{"time":"{time}","level":"{level}","message":""#).unwrap();
    sentence(line, random, 6);
    let (status, bytes) = ([200, 200, 404, 500][random.below(4) as usize], random.below(100_000));
    let (a, b, user) = (random.below(256), random.below(256), random.below(5000));
    write!(line, r#"","status":{status},"bytes":{bytes},"ip":"10.1.{a}.{b}","user":"u{user}"}}"#)
        .unwrap();
}

fn access(line: &mut String, random: &mut Random, time: jiff::Timestamp) {
    let (a, b) = (random.below(256), random.below(256));
    let clock = time.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let path = ["/", "/index.html", "/api/orders", "/static/app.js"][random.below(4) as usize];
    let (status, bytes) = ([200, 200, 304, 404][random.below(4) as usize], random.below(100_000));
    write!(
        line,
        r#"10.1.{a}.{b} - - [{clock}] "GET {path}?q={:x} HTTP/1.1" {status} {bytes} "https://shop.example.org/" "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0""#,
        random.below(1 << 24)
    )
    .unwrap();
}

fn generate(make: Make, events: usize) -> String {
    let mut random = Random(42);
    let mut text = String::with_capacity(events * 220);
    for number in 0..events {
        let time = jiff::Timestamp::from_millisecond(NOW.millis() + number as i64 * 7).unwrap();
        make(&mut text, &mut random, time);
        text.push('\n');
    }
    text
}

struct NoGenerations;

impl Generations for NoGenerations {
    fn fact(&self, _: GenerationId) -> Option<GenerationFacts> {
        None
    }
}

fn batch(text: &str) -> Batch {
    let key = IdKey::from_host_id("bench");
    let identity = Identity { inode: 9, birth: NOW.0, head_len: 10, head_hash: 11, ordinal: 0 };
    let mut context =
        Context { zone: TimeZone::UTC, day_mark: NOW.day(), last: None, since_last: 0, seen: NOW };
    let mut records = Vec::new();
    let format = detection::detect(text.as_bytes()).format;
    let framer = Framer { format: format.clone(), encoding: Encoding::Utf8, max_length: 1 << 20 };
    framer.frame(text.as_bytes(), 0, &[], End::Closed, &mut context, &mut records);
    Batch {
        generation: Arc::new(Generation {
            id: identity.id(&key),
            identity,
            source: "bench".into(),
            service: None,
            host: "bench-1".into(),
            key,
        }),
        path: Path::new("/var/log/shop/app.log").into(),
        decode: format,
        seen: NOW,
        day: NOW.day(),
        start: 0,
        end: text.len() as u64,
        bytes: text.as_bytes().into(),
        records,
    }
}

fn measure(name: &str, text: &str) {
    let started = Instant::now();
    black_box(memchr::memchr_iter(b'\n', black_box(text.as_bytes())).count());
    let scan = started.elapsed().as_secs_f64();
    let batch = batch(text);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = directory.path().join("archive");
    let mut archive = Archive::open_writer(&directory, NOW).unwrap().0;

    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let encoding = fill(&mut archive, &batch);
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);

    let events = batch.records.len() as f64;
    println!(
        "{name:<7} {events} events of {:.0} bytes ({}): {:.0} events/s of CPU, {:.0}/s by the clock; \
         encoding alone {:.0}/s; {:.0} × the time of a newline scan; RssAnon {} MiB",
        text.len() as f64 / events,
        batch.decode.name(),
        events / cpu,
        events / wall,
        events / encoding,
        cpu / scan,
        rss_anon() / 1024,
    );
    print_sizes(&directory, text.len());
    drop(archive);
    print_searches(&directory);
}

/// Archives the batch; returns the seconds spent on encoding.
fn fill(archive: &mut Archive, batch: &Batch) -> f64 {
    let policy = Policy::new(&["client_id".to_owned()], false);
    let mut encoding = 0.0;
    for (number, first) in (0..batch.records.len()).step_by(BULK).enumerate() {
        let started = Instant::now();
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        let last = (first + BULK).min(batch.records.len());
        for index in first..last {
            encode(&shown(&policy, batch.event(index)), &mut body);
            ends.push(body.len());
        }
        encoding += started.elapsed().as_secs_f64();
        archive.add(body.into(), &ends).unwrap();
        if (number + 1) % (COMMIT / BULK) == 0 || last == batch.records.len() {
            let offset = batch.records[last - 1].end;
            let upto = [Cursor { generation: batch.generation.id, offset }];
            archive.commit(&upto, &NoGenerations, NOW).unwrap();
        }
    }
    encoding
}

fn print_sizes(directory: &Path, raw: usize) {
    let mut sizes = std::collections::BTreeMap::<String, u64>::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.path().extension().unwrap_or_default().to_string_lossy().into_owned();
        *sizes.entry(kind).or_default() += entry.metadata().unwrap().len();
    }
    let total: u64 = sizes.values().sum();
    let part = |bytes: u64| 100.0 * bytes as f64 / raw as f64;
    print!("        on disk {:.0} % of raw:", part(total));
    for (kind, bytes) in sizes.iter().filter(|(_, bytes)| part(**bytes) >= 0.5) {
        print!(" {kind} {:.1}", part(*bytes));
    }
    println!();
}

fn print_searches(directory: &Path) {
    let reader = Reader::open(directory).unwrap();
    let segments = reader.snapshot().unwrap().searcher.segment_readers().len();
    print!("        {segments} segments;");
    for query in
        ["Unauthorized", "level:error", "id and not retry", "\"connection refused\"", "7f*"]
    {
        let context = ParseContext { now: NOW, zone: TimeZone::UTC };
        let tree = parse(query, &context).unwrap();
        let options = Options { limit: Some(50), ..Options::default() };
        let started = Instant::now();
        let count = count_archive(&reader, &tree, &Options::default()).unwrap();
        let counted = started.elapsed();
        let started = Instant::now();
        archive(&reader, &tree, &options, &mut |_| Ok(())).unwrap();
        print!(
            " {query}: {count} in {:.1} ms, first 50 in {:.1} ms;",
            counted.as_secs_f64() * 1e3,
            started.elapsed().as_secs_f64() * 1e3
        );
    }
    println!();
}

/// User and system time of all threads, in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn rss_anon() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
