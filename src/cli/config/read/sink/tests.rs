//! Every kind of sink has an example, a documented promise, and the properties of its entry.

use std::collections::HashSet;
use std::path::Path;

use crate::app::settings::SinkSettings;
use crate::base::Timestamp;
use crate::cli::config::{self, DEFAULTS, Layers};
use crate::config::Table;
use crate::sink::kinds;

/// The sink examples in `assets/default.toml`, uncommented.
fn examples() -> Vec<SinkSettings> {
    let part = DEFAULTS.split("\n# --- ").find(|part| part.starts_with("Sinks"));
    let is_key = |word: &str| word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    let is_setting = |line: &&str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(word, _)| is_key(word))
    };
    let lines = part.unwrap().lines().filter_map(|line| line.strip_prefix("# "));
    let text: String = lines.filter(is_setting).flat_map(|line| [line, "\n"]).collect();
    let mut layers = Layers::read_defaults();
    let own = Table::from_toml("examples", &text, &mut layers.problems);
    layers.table.merge(own);
    config::read(layers, Timestamp(0)).unwrap().sinks
}

#[test]
fn every_kind_has_an_example_in_the_default_settings_that_matches_its_entry() {
    let examples = examples();
    for entry in kinds::ALL {
        let example = examples.iter().find(|sink| sink.name == entry.example);
        let kind = &example.unwrap_or_else(|| panic!("no [sink.{}]", entry.example)).kind;
        assert_eq!(kind.entry().name, entry.name);
        assert_eq!(kind.set_up().is_some(), entry.has_setup, "{}", entry.name);
        assert_eq!(kind.alone().is_some(), entry.works_alone, "{}", entry.name);
        assert!(kind.takes_single_events() || !entry.works_alone, "{}", entry.name);
        assert_eq!(kind.never_works(), None, "{}", entry.name);
        let same: Vec<&str> = examples
            .iter()
            .filter(|sink| kind.is_same(&*sink.kind))
            .map(|sink| &*sink.name)
            .collect();
        assert_eq!(same, [entry.example]);
    }
}

#[test]
fn every_kind_has_a_row_in_the_delivery_promises() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DELIVERY.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for entry in kinds::ALL {
        let is_row = |line: &str| line.starts_with(&format!("| {}", entry.name));
        assert!(docs.lines().any(is_row), "no promise of {}", entry.name);
    }
    let names: HashSet<&str> = kinds::ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), kinds::ALL.len(), "two kinds with the same name");
}

#[test]
fn messages_list_the_kinds_that_support_an_operation() {
    assert_eq!(kinds::names(|kind| kind.has_setup), "elasticsearch");
    assert_eq!(kinds::names(|kind| kind.works_alone), "elasticsearch");
    assert_eq!(kinds::names(|_| true), "archive or file or stdout or elasticsearch");
}
