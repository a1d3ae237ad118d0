//! The messages that an engine without a screen writes to stderr. Pure: two status snapshots in, lines out.

use crate::base::{bytes, sanitize};
use crate::event::Status;
use crate::event::status::{self, EngineState, FileState, Notice, SinkState, SinkStatus};
use crate::sink::stdout::READER_GONE;

/// Notices that are new since the last snapshot, one line each.
pub fn new_notices(before: &[Notice], now: &[Notice]) -> Vec<String> {
    let new = status::new_notices(before, now);
    new.map(|notice| format!("{}: {}", notice.level, clean(&notice.text))).collect()
}

/// Changes between two snapshots, one line each.
pub fn changes(before: &Status, now: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    if now.engine != before.engine
        && let EngineState::ViewOnly { reason } = &now.engine
    {
        lines.push(format!("view only: {}", clean(reason)));
    }
    if let (0, events @ 1..) = (in_flight_at_stop(before), in_flight_at_stop(now)) {
        lines.push(format!(
            "stopping: waiting a few seconds for {} in flight; a second signal stops immediately",
            bytes::counted(events, "event")
        ));
    }
    for sink in &now.sinks {
        let earlier = before.sinks.iter().find(|other| other.name == sink.name);
        lines.extend(sink_change(earlier, sink));
        lines.extend(target_change(earlier, sink));
        lines.extend(file_change(earlier, sink));
    }
    for (file, earlier) in now.files.changed_since(&before.files) {
        if let FileState::Unreadable { reason } = &file.state
            && earlier.is_none_or(|earlier| earlier.state != file.state)
        {
            lines.push(format!("cannot read {}: {}", path(&file.path), clean(reason)));
        }
        if file.lost > earlier.map_or(0, |earlier| earlier.lost) {
            lines.push(format!(
                "{} was truncated or deleted: {} bytes were lost before they were read",
                path(&file.path),
                bytes::count(file.lost)
            ));
        }
    }
    lines
}

/// Events in flight while the engine is stopping.
fn in_flight_at_stop(status: &Status) -> u64 {
    let draining = status.engine == EngineState::Draining;
    let in_flight = status.sinks.iter().map(|sink| sink.in_flight_events);
    if draining { in_flight.sum() } else { 0 }
}

fn sink_change(before: Option<&SinkStatus>, now: &SinkStatus) -> Option<String> {
    let kind = |sink: &SinkStatus| std::mem::discriminant(&sink.state);
    if before.is_some_and(|before| kind(before) == kind(now)) {
        return None;
    }
    let error = now.last_error.as_deref().map(clean).unwrap_or_else(|| "not delivered".to_owned());
    let pending = format!("{} pending in the log files", bytes::size(now.behind_bytes));
    match &now.state {
        // The program stops and reports that itself.
        SinkState::BackingOff { .. } if has_no_reader(now) => None,
        SinkState::BackingOff { attempts, .. } => {
            Some(format!("sink {}: {error}; attempt {attempts}, retries automatically", now.name))
        }
        SinkState::Blocked { reason } => {
            Some(format!("sink {} is blocked: {}; {pending}", now.name, clean(reason)))
        }
        SinkState::Paused { by, .. } => Some(format!("sink {} was paused by {by}", now.name)),
        SinkState::Idle | SinkState::Shipping => match before.map(|before| &before.state) {
            Some(
                SinkState::BackingOff { .. } | SinkState::Blocked { .. } | SinkState::Paused { .. },
            ) => Some(format!("sink {} is delivering again", now.name)),
            _ => None,
        },
        SinkState::Armed | SinkState::Resting { .. } | SinkState::Stopped => None,
    }
}

/// Standard output was closed by its reader.
fn has_no_reader(sink: &SinkStatus) -> bool {
    sink.last_error.as_ref().is_some_and(|error| error.starts_with(READER_GONE))
}

/// A file has become unreadable for a sink, or all files are readable again.
fn file_change(before: Option<&SinkStatus>, now: &SinkStatus) -> Option<String> {
    match (before.and_then(|before| before.stuck.as_deref()), now.stuck.as_deref()) {
        (before, Some(reason)) if before != Some(reason) => {
            Some(format!("sink {}: {}; other files continue", now.name, clean(reason)))
        }
        (Some(_), None) => Some(format!("sink {}: all files can be read again", now.name)),
        _ => None,
    }
}

/// One target of a sink has become blocked, or none is blocked any more.
fn target_change(before: Option<&SinkStatus>, now: &SinkStatus) -> Option<String> {
    match (before.and_then(|before| before.blocked.as_deref()), now.blocked.as_deref()) {
        (before, Some(reason)) if before != Some(reason) => Some(format!(
            "sink {}: {}; its events stay pending in the log files, other targets continue",
            now.name,
            clean(reason)
        )),
        (Some(_), None) if matches!(now.state, SinkState::Idle | SinkState::Shipping) => {
            Some(format!("sink {}: all targets accept events again", now.name))
        }
        _ => None,
    }
}

/// The overall state in one line.
pub fn summary(status: &Status) -> String {
    let files = status.files.totals();
    let mut line =
        format!("{}, {} seen", bytes::counted(files.files, "file"), bytes::size(files.size));
    if files.unsettled > 0 {
        let size = bytes::size(files.unsettled);
        line.push_str(&format!(", {size} waiting for a complete first line"));
    }
    for sink in &status.sinks {
        line.push_str(&format!(
            " · {}: {}, {} behind",
            sink.name,
            bytes::counted(sink.confirmed_events, "event"),
            bytes::size(sink.behind_bytes)
        ));
        if sink.dropped_events > 0 {
            let dropped = bytes::count(sink.dropped_events);
            line.push_str(&format!(", {dropped} of them dropped by a server pipeline"));
        }
        if sink.dead_letters > 0 {
            let letters = bytes::counted(sink.dead_letters, "dead letter");
            line.push_str(&format!(", {letters}"));
        }
        if sink.unprotected_values > 0 {
            let values = bytes::counted(sink.unprotected_values, "value");
            line.push_str(&format!(", {values} too short to be sealed in other texts"));
        }
    }
    line
}

/// For a progress bar: the bytes delivered by the sink that is furthest behind, and all bytes seen.
pub fn progress(status: &Status) -> (u64, u64) {
    let seen = status.files.totals().size;
    let behind = status.sinks.iter().map(|sink| sink.behind_bytes).max().unwrap_or(0);
    (seen.saturating_sub(behind), seen)
}

/// A message if there are files and none of them could be read.
pub fn nothing_readable(status: &Status) -> Option<String> {
    let files = status.files.totals();
    let none = files.files + status.unopened > 0 && files.unreadable == files.files;
    none.then(|| "no file could be read".to_owned())
}

/// A message if `--once` could not deliver all events, or if that is unknown; the exit code is then 1. If the reader of
/// standard output has closed it, that sink counts as complete.
pub fn undelivered(status: &Status) -> Option<String> {
    let broke = |sink: &SinkStatus| status.broken.contains(&sink.name);
    let left = status.sinks.iter().filter(|sink| !has_no_reader(sink));
    let blocked = |sink: &SinkStatus| matches!(sink.state, SinkState::Blocked { .. });
    let left = left.filter(|sink| sink.behind_bytes > 0 || broke(sink) || blocked(sink));
    let left: Vec<String> = left
        .map(|sink| {
            let why = sink.blocked.as_deref().or(sink.last_error.as_deref());
            let why = why.map(|why| format!(": {}", clean(why))).unwrap_or_default();
            if broke(sink) {
                return format!("sink {} failed{why}", sink.name);
            }
            if sink.behind_bytes == 0 {
                return format!("sink {} is blocked{why}", sink.name);
            }
            format!("{} not delivered to {}{why}", bytes::size(sink.behind_bytes), sink.name)
        })
        .collect();
    let again = "still in the log files; retried at the next start";
    (!left.is_empty()).then(|| format!("{}; {again}", left.join("; ")))
}

/// A message with the counts of everything that was lost, rejected or unreadable; the exit code is then 3.
pub fn losses(status: &Status) -> Option<String> {
    let dead: u64 = status.sinks.iter().map(|sink| sink.dead_letters).sum();
    let counts = [
        (status.lost, "byte", "lost"),
        (dead, "event", "dead-lettered"),
        (status.unopened, "file", "unreadable"),
        (status.unread_input, "byte", "of standard input could not be read"),
        (status.torn, "compressed file", "damaged or truncated"),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let mut text: Vec<String> = counts
        .map(|(count, noun, outcome)| format!("{} {outcome}", bytes::counted(count, noun)))
        .collect();
    if status.cut_inputs > 0 {
        text.push("standard input was truncated".to_owned());
    }
    (!text.is_empty()).then(|| text.join(", "))
}

fn path(path: &std::path::Path) -> String {
    clean(&path.to_string_lossy())
}

fn clean(text: &str) -> String {
    sanitize::line(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undelivered_events_are_reported_with_the_reason_if_it_is_known() {
        let mut sink = SinkStatus::new("es", "elasticsearch");
        sink.behind_bytes = 640 * 1024;
        let check = |sink: &SinkStatus, broken: bool, expected: &str| {
            let broken = if broken { vec![sink.name.clone()] } else { Vec::new() };
            let status = Status { sinks: vec![sink.clone()], broken, ..Status::default() };
            let expected = format!("{expected}; still in the log files; retried at the next start");
            assert_eq!(undelivered(&status), Some(expected));
        };
        check(&sink, false, "640 KiB not delivered to es");
        check(&sink, true, "sink es failed");
        sink.last_error = Some("no connection".to_owned());
        check(&sink, false, "640 KiB not delivered to es: no connection");
        check(&sink, true, "sink es failed: no connection");
    }
}
