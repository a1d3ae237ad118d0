//! JSON lines of a service, about 225 bytes each: eight fields, one of them an object; no two lines alike.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::server::nanoseconds;

const MESSAGES: [&str; 4] = [
    "order accepted and passed on to the warehouse",
    "payment is late, the customer gets an e-mail",
    "cache entry is stale, it is fetched once more",
    "request was answered from the second replica",
];

/// Writes the line with this number; `written` is its write time.
pub fn line(number: u64, written: u64, out: &mut impl Write) -> std::io::Result<()> {
    // Pseudo-random, but the same in every run.
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let (seconds, thousandths) = (number / 1000 % 86_400, number % 1000);
    writeln!(
        out,
        "{{\"time\":\"2026-11-21T{:02}:{:02}:{:02}.{thousandths:03}Z\",\"level\":\"{}\",\
         \"message\":\"{}\",\"request\":\"{scattered:012x}\",\"customer\":\"C-{:07}\",\
         \"written\":{written},\"took\":{},\"http\":{{\"method\":\"GET\",\"status\":{}}}}}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        if scattered.is_multiple_of(97) { "warn" } else { "info" },
        MESSAGES[(scattered % 4) as usize],
        scattered % 20_000,
        scattered % 5_000,
        200 + scattered % 5,
    )
}

/// Creates a file of about this many bytes; returns the number of lines.
pub fn fill(path: &Path, bytes: u64, first: u64) -> std::io::Result<u64> {
    let mut out =
        CountingWriter { out: BufWriter::with_capacity(1 << 20, File::create(path)?), bytes: 0 };
    let mut number = 0;
    while out.bytes < bytes {
        line(first + number, 1_795_219_200_000_000_000, &mut out)?;
        number += 1;
    }
    out.flush()?;
    Ok(number)
}

/// Appends `rate` lines per second, one write each, in turn to `files`; each line contains its write time.
pub fn write_steadily(files: &mut [File], rate: u32, time: Duration) -> std::io::Result<u64> {
    let (began, mut number) = (Instant::now(), 0u32);
    let mut text = Vec::new();
    while began.elapsed() < time {
        let due = began + Duration::from_secs(1) / rate * number;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        text.clear();
        line(u64::from(number), nanoseconds(), &mut text)?;
        files[number as usize % files.len()].write_all(&text)?;
        number += 1;
    }
    Ok(u64::from(number))
}

struct CountingWriter<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for CountingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
