//! Defines the metrics: their names, values and help texts, and the page that lists them all. A new metric of a sink,
//! rule or source is one line in its list.

use std::collections::BTreeMap;

use self::Kind::{Counter, Gauge};
use super::process;
use super::text_format::{Kind, Page};
use crate::base::Timestamp;
use crate::event::status::{EngineState, RuleState, RuleStatus, SinkState, SinkStatus};
use crate::event::{FileList, Status};

/// A metric: kind, name without its prefix, value (`None`: no value now), and help text.
struct Family<T>(Kind, &'static str, fn(&T) -> Option<f64>, &'static str);

const SINK: &[Family<SinkStatus>] = &[
    Family(Counter, "confirmed_events_total", |s| count(s.confirmed_events), "Events delivered."),
    Family(
        Counter,
        "duplicate_events_total",
        |s| count(s.duplicates),
        "Events that the target already had.",
    ),
    Family(
        Counter,
        "dropped_events_total",
        |s| count(s.dropped_events),
        "Events dropped by a pipeline of the server.",
    ),
    Family(Counter, "filtered_events_total", |s| count(s.filtered_events), "Events filtered out."),
    Family(
        Counter,
        "dead_letters_total",
        |s| count(s.dead_letters),
        "Events rejected permanently.",
    ),
    Family(
        Counter,
        "unprotected_values_total",
        |s| count(s.unprotected_values),
        "Values shorter than 4 characters, which are sealed only in their own field.",
    ),
    Family(
        Gauge,
        "in_flight_events",
        |s| count(s.in_flight_events),
        "Events sent and not answered yet.",
    ),
    // seen = confirmed + filtered + in flight + waiting + dead letters + lost
    Family(
        Counter,
        "seen_bytes_total",
        |s| count(s.bytes.seen),
        "Bytes seen in all its log files.",
    ),
    Family(Counter, "confirmed_bytes_total", |s| count(s.bytes.confirmed), "Bytes delivered."),
    Family(Counter, "filtered_bytes_total", |s| count(s.bytes.filtered), "Bytes filtered out."),
    Family(
        Gauge,
        "in_flight_bytes",
        |s| count(s.bytes.in_flight),
        "Bytes sent and not confirmed yet.",
    ),
    Family(
        Gauge,
        "waiting_bytes",
        |s| count(s.bytes.waiting),
        "Bytes in log files that are not sent yet.",
    ),
    Family(
        Counter,
        "dead_letter_bytes_total",
        |s| count(s.bytes.dead_letters),
        "Bytes rejected permanently.",
    ),
    Family(
        Counter,
        "lost_bytes_total",
        |s| count(s.bytes.lost),
        "Bytes lost before they were read.",
    ),
    Family(
        Gauge,
        "oldest_waiting_timestamp_seconds",
        |s| time(s.oldest_waiting),
        "When the oldest pending event was first seen.",
    ),
    Family(
        Gauge,
        "last_success_timestamp_seconds",
        |s| time(s.last_success),
        "Time of the last delivery.",
    ),
    Family(Gauge, "target_blocked", |s| truth(s.blocked.is_some()), "1 while a target is blocked."),
];

const RULE: &[Family<RuleStatus>] = &[
    Family(
        Gauge,
        "matches",
        |r| count(r.count),
        "Matches in the window; of several groups, the highest number.",
    ),
    Family(Gauge, "limit", |r| count(r.limit), "Number of matches at which the rule fires."),
    Family(Gauge, "firing", |r| truth(r.state == RuleState::Firing), "1 while firing."),
    Family(Counter, "fired_total", |r| count(r.fired), "Number of times it started firing."),
    Family(
        Gauge,
        "last_fired_timestamp_seconds",
        |r| time(r.last_fired),
        "When it last started firing.",
    ),
];

const SOURCE: &[Family<Source>] = &[
    Family(Gauge, "files", |s| count(s.files), "Followed files."),
    Family(Gauge, "size_bytes", |s| count(s.size), "Bytes seen in these files."),
    Family(Gauge, "lost_bytes", |s| count(s.lost), "Bytes lost before they were read."),
    Family(
        Gauge,
        "last_growth_timestamp_seconds",
        |s| time(s.last_growth),
        "When a file last grew.",
    ),
];

const ENGINE: &[Family<Status>] = &[
    Family(Gauge, "files_unopened", |s| count(s.unopened), "Existing files that cannot be opened."),
    Family(
        Gauge,
        "files_torn",
        |s| count(s.torn),
        "Compressed files that are damaged or truncated.",
    ),
    Family(
        Gauge,
        "files_stuck",
        |s| count(s.files.totals().stuck),
        "Files on a file system that does not answer.",
    ),
    Family(Counter, "lost_bytes_total", |s| count(s.lost), "Bytes lost before they were read."),
    Family(
        Gauge,
        "memory_anonymous_bytes",
        |_| process::anonymous_memory(),
        "Memory not backed by a file.",
    ),
];

/// All metrics in the text format of Prometheus. `failures`: number of panics per part of the engine, where not 0.
pub fn page(status: &Status, failures: &[(&str, u64)]) -> String {
    let mut page = Page::default();
    page.family("logwarden_build_info", Gauge, "The running version.");
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    // A standard name of Prometheus.
    page.family("process_cpu_seconds_total", Counter, "CPU time of this process.");
    process::cpu_seconds().into_iter().for_each(|seconds| page.sample(&[], seconds));
    for Family(kind, name, value, help) in ENGINE {
        page.family(&format!("logwarden_{name}"), *kind, help);
        value(status).into_iter().for_each(|value| page.sample(&[], value));
    }
    page.family("logwarden_part_failures_total", Counter, "Failures of parts of the engine.");
    for (part, failures) in failures {
        count(*failures).into_iter().for_each(|value| page.sample(&[("part", part)], value));
    }
    page.family("logwarden_engine_state", Gauge, "1 for the current state.");
    states(&mut page, None, &ENGINE_STATES, engine_state(&status.engine));
    each(&mut page, "source", SOURCE, &sources(&status.files), |source| &source.name);
    each(&mut page, "sink", SINK, &status.sinks, |sink| &sink.name);
    page.family("logwarden_sink_state", Gauge, "1 for the current state.");
    for sink in &status.sinks {
        states(&mut page, Some(("sink", &sink.name)), &SINK_STATES, sink_state(&sink.state));
    }
    each(&mut page, "rule", RULE, &status.rules, |rule| &rule.name);
    page.text()
}

/// Writes every family of `families` with one sample for each element of `all`; `what` is its label and prefix.
fn each<'a, T>(
    page: &mut Page,
    what: &str,
    families: &[Family<T>],
    all: &'a [T],
    name: impl Fn(&'a T) -> &'a str,
) {
    for Family(kind, figure, value, help) in families {
        page.family(&format!("logwarden_{what}_{figure}"), *kind, help);
        for one in all {
            value(one).into_iter().for_each(|value| page.sample(&[(what, name(one))], value));
        }
    }
}

/// Writes one sample per state: 1 for `now`, 0 for the others.
fn states(page: &mut Page, label: Option<(&str, &str)>, all: &[&str], now: &str) {
    for state in all {
        let labels: Vec<_> = label.into_iter().chain([("state", *state)]).collect();
        page.sample(&labels, f64::from(u8::from(*state == now)));
    }
}

/// Exact up to 2⁵³ (9 PB as bytes).
fn count(number: u64) -> Option<f64> {
    Some(number as f64)
}

fn time(at: Option<Timestamp>) -> Option<f64> {
    at.map(|at| at.0 as f64 / 1e9)
}

fn truth(is: bool) -> Option<f64> {
    Some(f64::from(u8::from(is)))
}

/// Totals over the files of one source.
#[derive(Debug, Default)]
struct Source {
    name: String,
    files: u64,
    size: u64,
    lost: u64,
    last_growth: Option<Timestamp>,
}

fn sources(files: &FileList) -> Vec<Source> {
    let mut all: BTreeMap<&str, Source> = BTreeMap::new();
    for file in files.iter() {
        let source = all.entry(&file.source).or_default();
        source.name.clone_from(&file.source);
        source.files += 1;
        source.size += file.size;
        source.lost += file.lost;
        source.last_growth = source.last_growth.max(Some(file.last_growth));
    }
    all.into_values().collect()
}

const ENGINE_STATES: [&str; 5] = ["starting", "running", "view_only", "draining", "stopped"];

pub fn engine_state(state: &EngineState) -> &'static str {
    match state {
        EngineState::Starting => "starting",
        EngineState::Running => "running",
        EngineState::ViewOnly { .. } => "view_only",
        EngineState::Draining => "draining",
        EngineState::Stopped => "stopped",
    }
}

const SINK_STATES: [&str; 8] =
    ["armed", "idle", "shipping", "resting", "paused", "backing_off", "blocked", "stopped"];

fn sink_state(state: &SinkState) -> &'static str {
    match state {
        SinkState::Armed => "armed",
        SinkState::Idle => "idle",
        SinkState::Shipping => "shipping",
        SinkState::Resting { .. } => "resting",
        SinkState::Paused { .. } => "paused",
        SinkState::BackingOff { .. } => "backing_off",
        SinkState::Blocked { .. } => "blocked",
        SinkState::Stopped => "stopped",
    }
}
