//! `logwarden stats FILE…`: prints the format, the time range and the numbers of lines, events and levels of each file,
//! and the reading speed.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::app::settings::Settings;
use crate::base::{Clock, SystemClock, Timestamp, bytes, rfc3339, sanitize};
use crate::cli::arguments::{Global, Stats, TextOrJson};
use crate::cli::exit::{Exit, say};
use crate::cli::file_batches::{InputInfo, must_exist, read_batches};
use crate::cli::output::to_stdout;
use crate::cli::{progress, resolve};
use crate::event::level::LevelCounts;
use crate::event::{Batch, Flags, Level};

pub fn run(global: &Global, arguments: &Stats) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    arguments.files.iter().try_for_each(|path| must_exist(path))?;
    let mut exit = Exit::Done;
    to_stdout(|out| {
        for path in &arguments.files {
            match count(path, &settings) {
                Ok((found, failed)) => {
                    let name = path.display().to_string();
                    match arguments.format {
                        TextOrJson::Text => found.write_text(&name, out)?,
                        TextOrJson::Json => found.write_json(&name, out)?,
                    }
                    if let Some(error) = failed {
                        say(format_args!("{error:#}"));
                        exit = Exit::Failed;
                    }
                }
                Err(error) => {
                    say(format_args!("{error:#}"));
                    exit = Exit::Failed;
                }
            }
        }
        Ok(())
    })?;
    Ok(exit)
}

/// The statistics of one file.
#[derive(Debug, Default)]
struct FileStatistics {
    bytes: u64,
    lines: u64,
    events: u64,
    levels: LevelCounts,
    /// Only from timestamps in the records, not from times assigned to records without one.
    range: Option<(Timestamp, Timestamp)>,
    /// Highest number of fractional digits of a second.
    precision: u8,
    /// In order of first use; several if the format changes within the file.
    formats: Vec<&'static str>,
    took: Duration,
}

/// Reads a file. If it cannot be read to its end, its statistics so far are returned together with the error.
fn count(
    path: &Path,
    settings: &Settings,
) -> anyhow::Result<(FileStatistics, Option<anyhow::Error>)> {
    let clock = SystemClock::new();
    let (info, input, size) = InputInfo::open(path, settings, clock.now())?;
    let bar = progress::bytes(&path.display().to_string(), size);
    let started = clock.uptime();
    let mut statistics = FileStatistics::default();
    let read = read_batches(input, &info, &mut |batch| {
        statistics.add(batch);
        bar.set_position(batch.end);
        Ok(())
    });
    statistics.took = clock.uptime() - started;
    bar.finish_and_clear();
    Ok((statistics, read.err()))
}

impl FileStatistics {
    fn add(&mut self, batch: &Batch) {
        self.bytes = batch.end;
        self.events += batch.records.len() as u64;
        self.lines += lines(batch);
        if !self.formats.contains(&batch.decode.name()) {
            self.formats.push(batch.decode.name());
        }
        for record in &batch.records {
            self.levels[Level::slot(record.level)] += 1;
            let assigned = Flags(Flags::TIME_SEEN.0 | Flags::TIME_PREVIOUS.0);
            if record.flags.0 & assigned.0 == 0 {
                let (first, last) = self.range.unwrap_or((record.time, record.time));
                self.range = Some((first.min(record.time), last.max(record.time)));
                self.precision = self.precision.max(record.precision);
            }
        }
    }

    fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64().max(1e-9)
    }

    fn write_text(&self, name: &str, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(out, "{}", sanitize::line(name))?;
        writeln!(out, "  format  {}", self.format_names())?;
        writeln!(out, "  size    {}", bytes::size(self.bytes))?;
        writeln!(out, "  lines   {}", bytes::count(self.lines))?;
        writeln!(out, "  events  {}", bytes::count(self.events))?;
        if let Some((first, last)) = self.range {
            writeln!(out, "  first   {}", rfc3339::text(first, self.precision))?;
            writeln!(out, "  last    {}", rfc3339::text(last, self.precision))?;
        }
        writeln!(out, "  levels  {}", self.level_names())?;
        let rate = bytes::size(self.bytes_per_second() as u64);
        writeln!(out, "  read    in {:.3} s, {rate}/s", self.took.as_secs_f64())?;
        Ok(())
    }

    fn format_names(&self) -> String {
        if self.formats.is_empty() { "empty".to_owned() } else { self.formats.join(", ") }
    }

    fn level_names(&self) -> String {
        let mut parts: Vec<String> = Level::ALL
            .iter()
            .map(|level| (level.name(), self.levels[*level as usize]))
            .chain([("none", self.levels[0])])
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {}", bytes::count(count)))
            .collect();
        if parts.is_empty() {
            parts.push("none".to_owned());
        }
        parts.join(" · ")
    }

    fn write_json(&self, name: &str, out: &mut impl Write) -> anyhow::Result<()> {
        let mut levels = serde_json::Map::new();
        levels.insert("none".to_owned(), self.levels[0].into());
        for level in Level::ALL {
            levels.insert(level.name().to_owned(), self.levels[level as usize].into());
        }
        let time = |time: Timestamp| rfc3339::text(time, self.precision);
        let object = serde_json::json!({
            "file": name,
            "formats": self.formats,
            "bytes": self.bytes,
            "lines": self.lines,
            "events": self.events,
            "first": self.range.map(|(first, _)| time(first)),
            "last": self.range.map(|(_, last)| time(last)),
            "levels": levels,
            "seconds": self.took.as_secs_f64(),
            "bytes_per_second": self.bytes_per_second(),
        });
        writeln!(out, "{object}")?;
        Ok(())
    }
}

/// The number of lines in all records, counted by line ends. A record truncated at the size limit counts as one line.
fn lines(batch: &Batch) -> u64 {
    let text = |record: &crate::event::Record| {
        let at = record.at as usize;
        &batch.bytes[at..at + record.len as usize]
    };
    batch
        .records
        .iter()
        .map(|record| 1 + memchr::memchr_iter(b'\n', text(record)).count() as u64)
        .sum()
}
