//! Turns the merged tree of all configuration layers into settings. The keys requested from a section here are the list
//! of known keys.

mod privacy;
mod rule;
mod sink;
mod source;

pub use source::read_format;

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::{ConfigErrors, Layers};
use crate::alert::RuleConfig;
use crate::app::settings::{
    Color, NotifierSettings, PrivacySettings, Ship, ShipStart, SinkSettings,
};
use crate::base::Timestamp;
use crate::base::bytes::parse_size;
use crate::config::{Entry, Findings, Problem, Section, Table, Value, closest, tilde};
use crate::follow::{SourceConfig, intake};
use crate::query::ParseContext;
use crate::sink::dead_letters::MOST;

/// The settings of all layers together.
#[derive(Debug)]
pub struct Configured {
    pub sources: Vec<SourceConfig>,
    pub ship: Ship,
    pub sinks: Vec<SinkSettings>,
    pub dead_letters_max_bytes: u64,
    /// Byte limit for the unread content of deleted files that is kept.
    pub intake_max_bytes: u64,
    pub privacy: PrivacySettings,
    /// Whether the screen starts with its mask on.
    pub masked: bool,
    pub rules: Vec<RuleConfig>,
    pub notifiers: Vec<NotifierSettings>,
    pub keys: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub color: Color,
    pub log_level: String,
    pub host_id: Option<String>,
    pub host_name: Option<String>,
    pub metrics: Option<SocketAddr>,
    /// Time zone for timestamps without one.
    pub zone: TimeZone,
    /// Known settings without effect.
    pub notes: Vec<Problem>,
}

/// Reads all settings; reports every error at once.
pub fn read(layers: Layers, now: Timestamp) -> Result<Configured, ConfigErrors> {
    let zone = zone_of(&layers.table);
    let queries = ParseContext { now, zone: zone.clone() };
    let findings = Findings::default();
    findings.errors.borrow_mut().extend(layers.problems);
    let mut configured =
        Section::read_all(&layers.table, &findings, &queries, |top| read_all(top, zone));
    let mut errors = findings.errors.into_inner();
    if !errors.is_empty() {
        errors.sort_by(|left, right| left.location.cmp(&right.location));
        return Err(ConfigErrors(errors));
    }
    configured.notes = findings.notes.into_inner();
    Ok(configured)
}

fn read_all(top: &mut Section<'_>, zone: TimeZone) -> Configured {
    top.parsed("timezone", read_zone);
    let masked = top.section("screen", |screen| {
        without_effect(screen, &["theme", "keymap", "ambiguous_width", "mouse"]);
        screen.flag("mask")
    });
    top.named("schedule", |_, schedule| {
        without_effect(schedule, &["cron", "run", "timezone"]);
        None::<()>
    });
    let (keys, privacy) = top.section("privacy", privacy::read);
    let colors = [("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];
    Configured {
        sources: top.named("source", |name, section| source::read(name, section, &zone)),
        ship: top.section("ship", ship).unwrap_or_default(),
        sinks: top.named("sink", sink::read),
        dead_letters_max_bytes: top
            .section("dead_letters", |section| section.parsed("most", parse_size))
            .unwrap_or(MOST),
        intake_max_bytes: top
            .section("intake", |section| section.parsed("most", parse_size))
            .unwrap_or(intake::MOST),
        privacy,
        masked: masked.unwrap_or(false),
        rules: top.named("rule", rule::read),
        notifiers: top.named("notifier", rule::notifier),
        keys,
        state_dir: top.filled_text("state_dir").map(|path| tilde::expand(&path)),
        color: top.choice("color", &colors).unwrap_or_default(),
        log_level: top.parsed("log_level", log_level).unwrap_or_else(|| "info".to_owned()),
        host_id: top.filled_text("host_id"),
        host_name: top.filled_text("host_name"),
        metrics: top.section("metrics", |metrics| metrics.parsed("listen", address)),
        zone,
        notes: Vec::new(),
    }
}

/// `[ship]`, or `[sink.NAME.ship]`, which replaces all of `[ship]`. `None`: the table is empty or absent.
fn ship(section: &mut Section<'_>) -> Option<Ship> {
    let start =
        section.choice("start", &[("auto", ShipStart::Auto), ("manual", ShipStart::Manual)]);
    let (every, after) = (section.duration("every"), section.number("after", 1, u64::MAX));
    let any = start.is_some() || every.is_some() || after.is_some();
    any.then(|| Ship { start: start.unwrap_or_default(), every, after })
}

fn address(written: &str) -> Result<SocketAddr, String> {
    let hint = "write the address of an interface and a port, for example 127.0.0.1:9464";
    written.parse().map_err(|_| format!("`{written}` is not a valid listen address; {hint}"))
}

/// The zone is needed before anything else is read; for an invalid one this is UTC, and the error is reported later.
fn zone_of(table: &Table) -> TimeZone {
    match table.get("timezone") {
        Some(Entry { value: Value::Text(name) | Value::Typed(name), .. }) => {
            read_zone(name).unwrap_or(TimeZone::UTC)
        }
        _ => TimeZone::system(),
    }
}

/// `local`, `UTC`, or a name of the time zone database.
pub fn read_zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    TimeZone::get(name).map_err(|_| {
        format!("`{name}` is not a valid time zone; write `local`, `UTC` or a name, for example Europe/Berlin")
    })
}

const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks a level, or comma-separated directives (`module=level`). Any other single word is rejected: it would be read
/// as the name of a module that does not exist, and nothing would be logged.
fn log_level(text: &str) -> Result<String, String> {
    let is_level = |word: &str| LOG_LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let mut words = text.split(',').map(str::trim);
    if let Some(word) = words.find(|word| !is_level(word) && !word.contains('=')) {
        return Err(invalid_log_level(word));
    }
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(invalid_log_level(text)),
    }
}

fn invalid_log_level(text: &str) -> String {
    let hint = match closest(text, LOG_LEVELS) {
        Some(level) => format!("; did you mean `{level}`?"),
        None => String::new(),
    };
    format!(
        "`{text}` is not a valid log level; write error, warn, info, debug, trace or off, or a filter, for example \
         info,logwarden::follow=debug{hint}"
    )
}

/// Reserved keys that have no effect yet: accepted, with a notice.
fn without_effect(section: &mut Section<'_>, keys: &[&'static str]) {
    for key in keys {
        if let Some(entry) = section.take(key) {
            let text = format!("{} has no effect in this version", section.name_of(key));
            section.findings.note(&entry.name_location, text);
        }
    }
}
