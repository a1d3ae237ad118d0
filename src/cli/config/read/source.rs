//! Reads `[source.NAME]`.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::{read_zone, without_effect};
use crate::config::{Section, closest, tilde};
use crate::follow::{SourceConfig, Start};
use crate::format;

/// Errors are added to the findings of the section. `zone`: the time zone of sources that set none.
pub fn read(name: &str, section: &mut Section<'_>, zone: &TimeZone) -> Option<SourceConfig> {
    if let Some(kind) = section.text("kind").filter(|kind| kind != "file") {
        let location = section.place().clone();
        let problem = format!(
            "source `{name}`: kind `{kind}` is not supported; this version reads only files"
        );
        section.findings.error(&location, problem);
    }
    let paths = paths(name, section);
    let starts = [("beginning", Start::Beginning), ("end", Start::End)];
    without_effect(section, &["level", "extract"]);
    Some(SourceConfig {
        name: name.into(),
        paths,
        format: section.parsed("format", read_format),
        zone: section.parsed("timezone", read_zone).unwrap_or_else(|| zone.clone()),
        service: section.text("service").map(Into::into),
        start: section.choice("start", &starts).unwrap_or_default(),
        multiline: section.flag("multiline").unwrap_or(true),
    })
}

fn paths(name: &str, section: &mut Section<'_>) -> Vec<PathBuf> {
    let location = section.place().clone();
    let paths = section.texts("paths");
    if paths.as_ref().is_none_or(Vec::is_empty) {
        let problem =
            format!("[source.{name}] needs `paths`, for example paths = [\"/var/log/app/*.log\"]");
        section.findings.error(&location, problem);
    }
    for (path, location) in paths.iter().flatten() {
        if path.starts_with('~') && path.split('/').next() != Some("~") {
            let problem = format!(
                "source.{name}.paths: `{path}` is in the home of another user; write the full path"
            );
            section.findings.error(location, problem);
        }
        if let Err(error) = glob::Pattern::new(path) {
            let problem =
                format!("source.{name}.paths: `{path}` is not a valid glob: {}", error.msg);
            section.findings.error(location, problem);
        }
    }
    paths.into_iter().flatten().map(|(path, _)| tilde::expand(&path)).collect()
}

/// Returns a known format name, or an error with a suggestion.
pub fn read_format(text: &str) -> Result<String, String> {
    let names = format::detection::names();
    if names.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint = match closest(text, names.iter().copied()) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => format!("; known formats: {}", names.join(", ")),
    };
    Err(format!("unknown format `{text}`{hint}"))
}
