//! Reads the section `[privacy]`: which values are sealed or replaced by pseudonyms before events are delivered.

use std::path::PathBuf;

use regex::Regex;

use crate::app::settings::PrivacySettings;
use crate::config::{Section, tilde};
use crate::privacy::AddressMode;
use crate::privacy::policy::is_a_name;

/// Returns the keys directory and all other settings of the section.
pub fn read(section: &mut Section<'_>) -> (Option<PathBuf>, PrivacySettings) {
    let keys = section.filled_text("keys").map(|path| tilde::expand(&path));
    let settings = PrivacySettings {
        seal: names(section, "seal"),
        pseudonymise: names(section, "pseudonymise"),
        addresses: section.choice("addresses", &AddressMode::ALL).unwrap_or_default(),
        addresses_last: section.flag("addresses_last").unwrap_or(false),
        patterns: patterns(section),
        keep_original: section.flag("keep_original").unwrap_or(false),
    };
    if settings.addresses == AddressMode::LegacySha1 {
        let warning = "privacy.addresses: legacy-sha1 uses no key, so every IPv4 address can be found from its \
                       hash within an hour; use it only to match addresses in old files";
        section.findings.note(section.place(), warning);
    }
    (keys, settings)
}

/// A name that can match nothing is an error: the field that was meant would be delivered in plain text.
fn names(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    let full = section.name_of(key);
    let texts = section.texts(key).unwrap_or_default().into_iter();
    let name = |(text, location): (String, _)| match field_name(&text) {
        Ok(name) => Some(name),
        Err(problem) => {
            section.findings.error(&location, format!("{full}: {problem}"));
            None
        }
    };
    texts.filter_map(name).collect()
}

fn field_name(text: &str) -> Result<String, String> {
    match is_a_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a field name: it has no letter or digit")),
    }
}

/// `[[privacy.pattern]]`.
fn patterns(section: &mut Section<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    section.tables("pattern", |table| {
        let field = table.required("field", field_name);
        let expression =
            |text: &str| Regex::new(text).map(|_| text.to_owned()).map_err(|e| e.to_string());
        let regex = table.required("match", expression);
        all.extend(field.zip(regex));
    });
    all
}
