//! Measures how fast each format is read: bytes → records with time and level, and the same with all fields visited.
//!
//! `cargo bench --bench formats` prints MB/s and the ratio to a plain newline scan (memchr) of the same bytes in the
//! same run. One core; the best of several passes, because other load on the machine disturbs single ones.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use jiff::tz::TimeZone;
use logwarden::base::Timestamp;
use logwarden::event::{Encoding, Part, Record};
use logwarden::format::{Context, End, Framer, detection};

const BYTES: usize = 16 << 20;
const PIECE: usize = 1 << 20;
const PASSES: usize = 7;

fn main() {
    println!(
        "{:<12} {:>8} {:>14} {:>7} {:>14} {:>7}",
        "format", "bytes/ln", "records MB/s", "ratio", "parts MB/s", "ratio"
    );
    for (name, make) in FORMATS {
        let (text, lines) = generate(make);
        assert_eq!(
            detection::detect(text.as_bytes()).format.name(),
            name,
            "the sample is another format"
        );
        measure(name, text.as_bytes(), lines);
    }
}

fn measure(name: &str, bytes: &[u8], lines: usize) {
    let scan = best(|| memchr::memchr_iter(b'\n', black_box(bytes)).count());
    let framer = Framer {
        format: detection::by_name(name, &[]).expect("a format of the list"),
        encoding: Encoding::Utf8,
        max_length: PIECE,
    };
    let mut records = Vec::with_capacity(lines + 1);
    let frame = best(|| {
        read(&framer, bytes, &mut records);
        records.len()
    });
    assert_eq!(records.len(), lines, "{name}: every line is a record");
    assert!(records.iter().all(|record| record.time.0 > 0), "{name}: every record has a time");
    let mut fields = 0usize;
    let parts = best(|| {
        read(&framer, bytes, &mut records);
        for record in &records {
            let text = &bytes[record.at as usize..][..record.len as usize];
            framer.format.parts(text, &mut |part: Part<'_>| {
                black_box(&part);
                fields += 1;
            });
        }
        fields
    });
    let speed = |seconds: f64| bytes.len() as f64 / 1e6 / seconds;
    println!(
        "{name:<12} {:>8} {:>14.0} {:>7.4} {:>14.0} {:>7.4}",
        bytes.len() / lines,
        speed(frame),
        scan / frame,
        speed(parts),
        scan / parts,
    );
}

/// Reads in pieces, as a file is read.
fn read(framer: &Framer, bytes: &[u8], records: &mut Vec<Record>) {
    records.clear();
    let mut context = Context {
        zone: TimeZone::UTC,
        day_mark: 20_000,
        last: None,
        since_last: 0,
        seen: Timestamp::from_seconds(1_728_000_000),
    };
    let mut at = 0;
    while at < bytes.len() {
        let stop = (at + PIECE).min(bytes.len());
        let end = if stop == bytes.len() { End::Closed } else { End::Open };
        let first = records.len();
        let framed = framer.frame(&bytes[at..stop], at as u64, &[], end, &mut context, records);
        for record in &mut records[first..] {
            record.at += at as u32;
        }
        at += framed.consumed;
    }
}

/// Seconds of the fastest pass.
fn best<R>(mut pass: impl FnMut() -> R) -> f64 {
    (0..PASSES)
        .map(|_| {
            let started = Instant::now();
            black_box(pass());
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn generate(make: fn(&mut String, Moment)) -> (String, usize) {
    let mut text = String::with_capacity(BYTES + 1024);
    let mut lines = 0;
    while text.len() < BYTES {
        make(&mut text, Moment(lines as u64));
        text.push('\n');
        lines += 1;
    }
    (text, lines)
}

/// The number of a line; its time and all varying parts are derived from it.
#[derive(Clone, Copy)]
struct Moment(u64);

impl Moment {
    fn clock(self) -> (u64, u64, u64, u64) {
        let millis = self.0 * 37;
        (8 + millis / 3_600_000 % 12, millis / 60_000 % 60, millis / 1000 % 60, millis % 1000)
    }

    fn level(self, names: [&'static str; 3]) -> &'static str {
        names[((self.0 * 2_654_435_761) >> 13) as usize % 3]
    }
}

type Make = fn(&mut String, Moment);

const FORMATS: [(&str, Make); 8] = [
    ("json", |out, now| {
        let (h, m, s, ms) = now.clock();
        let level = now.level(["info", "warn", "error"]);
        let n = now.0;
        write!(
            out,
            r#"{{"time":"2026-03-09T{h:02}:{m:02}:{s:02}.{ms:03}Z","level":"{level}","service":"checkout","msg":"order placed by customer","request_id":"{n:016x}","status":200,"duration_ms":{},"path":"/api/v1/orders/{n}","user":{{"id":{n},"plan":"basic"}}}}"#,
            n % 900,
        )
        .expect("writing to a String cannot fail");
    }),
    ("python", |out, now| {
        let (h, m, s, ms) = now.clock();
        let level = now.level(["INFO", "WARNING", "ERROR"]);
        write!(out, "2026-03-09 {h:02}:{m:02}:{s:02},{ms:03} - [{level}] - Unauthorized - POST request - at the index page - IP: 192.0.2.{}", now.0 % 250)
            .expect("writing to a String cannot fail");
    }),
    ("generic", |out, now| {
        let (h, m, s, _) = now.clock();
        let level = now.level(["INFO", "WARN", "ERROR"]);
        write!(out, "2026-03-09 {h:02}:{m:02}:{s:02} [{level}] snapshot {} written in 88 ms to /srv/data/snapshots", now.0)
            .expect("writing to a String cannot fail");
    }),
    ("logfmt", |out, now| {
        let (h, m, s, ms) = now.clock();
        let level = now.level(["info", "warning", "error"]);
        write!(out, r#"time=2026-03-09T{h:02}:{m:02}:{s:02}.{ms:03}Z level={level} msg="lease renewed by node" component=scheduler node=node-{} took=4.2ms"#, now.0 % 9)
            .expect("writing to a String cannot fail");
    }),
    ("access", |out, now| {
        let (h, m, s, _) = now.clock();
        write!(out, r#"192.0.2.{} - - [09/Mar/2026:{h:02}:{m:02}:{s:02} +0000] "GET /products/{} HTTP/1.1" 200 {} "https://shop.example.org/" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0""#, now.0 % 250, now.0, now.0 % 20000)
            .expect("writing to a String cannot fail");
    }),
    ("syslog3164", |out, now| {
        let (h, m, s, _) = now.clock();
        write!(out, "Mar  9 {h:02}:{m:02}:{s:02} gate-1 sshd[{}]: Accepted publickey for deploy from 192.0.2.7 port 50122 ssh2", now.0 % 30000)
            .expect("writing to a String cannot fail");
    }),
    ("syslog5424", |out, now| {
        let (h, m, s, ms) = now.clock();
        write!(out, r#"<30>1 2026-03-09T{h:02}:{m:02}:{s:02}.{ms:03}Z edge-1.example.org dhcpd {} LEASE [lease@32473 ip="192.0.2.9" mac="02:00:5e:10:00:aa"] lease granted"#, now.0 % 900)
            .expect("writing to a String cannot fail");
    }),
    ("plain", |out, now| {
        write!(
            out,
            "client {} connected and asked for the list of all documents of the year",
            now.0
        )
        .expect("writing to a String cannot fail");
    }),
];
