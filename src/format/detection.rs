//! The list of all formats, and the detection of a file's format by a vote between them.

use std::sync::Arc;

use memchr::{memchr, memchr2};

use super::text::{is_blank, nul_run, without_line_end};
use super::{Fit, Format, Joins, multiline};
use super::{access, generic, json, logfmt, plain, python, syslog3164, syslog5424};

/// Creates a format from the parameters in its entry.
type Make = fn(parameters: &[u8]) -> Arc<dyn Format>;

/// One line per format, the more specific first; if two fit equally well, the first one wins.
const FORMATS: [(&str, Make); 8] = [
    ("json", |_| Arc::new(json::Json)),
    ("access", |_| Arc::new(access::Access)),
    ("syslog5424", |_| Arc::new(syslog5424::Syslog5424)),
    ("syslog3164", |_| Arc::new(syslog3164::Syslog3164)),
    ("logfmt", |_| Arc::new(logfmt::Logfmt)),
    ("python", |_| Arc::new(python::Python)),
    ("generic", |_| Arc::new(generic::Generic)),
    ("plain", |_| Arc::new(plain::Plain)),
];

/// With this many lines or bytes the result of a vote is final (settled).
const ENOUGH_LINES: usize = 100;
const ENOUGH_BYTES: usize = 64 << 10;

/// The format with this name (the setting `format = "…"` of a source) and these parameters.
pub fn by_name(name: &str, parameters: &[u8]) -> Option<Arc<dyn Format>> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(parameters))
}

/// The names of all formats, most specific first.
pub fn names() -> Vec<&'static str> {
    FORMATS.iter().map(|(name, _)| *name).collect()
}

pub fn plain() -> Arc<dyn Format> {
    Arc::new(plain::Plain)
}

/// The result of a vote.
#[derive(Debug, Clone)]
pub struct Vote {
    pub format: Arc<dyn Format>,
    pub parameters: Vec<u8>,
    /// The sample contained 100 lines or 64 KiB, so the result is final.
    pub settled: bool,
}

/// Detects the format of the first 100 non-empty lines or 64 KiB of `sample`.
///
/// Lines that can only continue a record do not vote. A format wins if it fits 60 % of the other lines, exactly or at
/// least as a frame; a format that joins lines also wins if it fits the first of them and at least a tenth of them.
/// Otherwise the format is `plain`.
pub fn detect(sample: &[u8]) -> Vote {
    let lines = Lines::of(sample);
    let settled = lines.settled;
    let vote = |format: Arc<dyn Format>| Vote { format, parameters: Vec::new(), settled };
    let candidates =
        || FORMATS.iter().filter(|(name, _)| *name != "plain").map(|(_, make)| make(&[]));
    for wanted in [Fit::Exact, Fit::Frame] {
        for format in candidates() {
            let fits = lines.voting().filter(|line| format.fit(line) >= wanted).count();
            if fits > 0 && fits * 10 >= lines.voting().count() * 6 {
                return vote(format);
            }
        }
    }
    for format in candidates().filter(|format| format.joins() == Joins::Lines) {
        let fits = |line: &&[u8]| format.fit(line) == Fit::Exact;
        let first = lines.voting().next().is_some_and(|line| fits(&line));
        if first && lines.voting().filter(fits).count() * 10 >= lines.voting().count() {
            return vote(format);
        }
    }
    vote(plain())
}

/// The non-empty lines of a sample.
struct Lines<'a> {
    lines: Vec<&'a [u8]>,
    settled: bool,
}

impl<'a> Lines<'a> {
    fn of(sample: &'a [u8]) -> Self {
        let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
        let sample = &sample[nul_run(sample)..];
        let (mut lines, mut at) = (Vec::new(), 0);
        while at < sample.len().min(ENOUGH_BYTES) && lines.len() < ENOUGH_LINES {
            // A hole is not part of the line after it.
            at += nul_run(&sample[at..]);
            let next = memchr(b'\n', &sample[at..]).map(|end| at + end + 1);
            let line = without_line_end(&sample[at..next.unwrap_or(sample.len())]);
            // An incomplete line is ambiguous, so it counts only if it is the only line.
            match next {
                _ if is_blank(line) => {}
                Some(_) => lines.push(line),
                None if lines.is_empty() => lines.push(without_open_string(line)),
                None => {}
            }
            at = next.unwrap_or(sample.len());
        }
        let settled = at >= ENOUGH_BYTES || lines.len() >= ENOUGH_LINES;
        Lines { lines, settled }
    }

    fn voting(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().copied().filter(|line| !multiline::is_continuation(line))
    }
}

/// The part before the open quote, if the line was cut inside a quoted string.
fn without_open_string(line: &[u8]) -> &[u8] {
    let (mut open, mut at) = (None, 0);
    while let Some(next) = memchr2(b'"', b'\\', &line[at..]).map(|next| at + next) {
        at = next + 1;
        match line[next] {
            b'"' => open = open.map_or(Some(next), |_| None),
            // Skip the escaped byte.
            _ => at = (next + 2).min(line.len()),
        }
    }
    &line[..open.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests;
