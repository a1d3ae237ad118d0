//! Words that are retired from code, messages and docs, each with the words to use instead.

use std::path::PathBuf;

use regex::Regex;

use super::{root, sources};

const RETIRED: &[(&str, &str)] = &[
    (r"\bfolders?\b", "directory"),
    (r"\bin clear\b", "in plain text"),
    (r"\bour own log\b", "Logwarden's own log"),
    (r"\bwhoever\b", "the reader, the caller, any process that …"),
    (r"\blook(s|ed)? at\b", "check, read, inspect"),
    (r"\bgo(es)? on\b|\bwent on\b", "continue, keep running"),
    (r"\b(held|holds?) up\b", "block, delay"),
    (r"\bgives? back\b", "free, return"),
    (r"\bjudge[sd]?\b", "evaluate, classify"),
    (r"\bpasses on\b", "forwards"),
    (r"\bcomes? again\b", "is sent again, is read again"),
    (r"\btrouble\b", "failure, error"),
    (r"\btold\b", "reported, notified"),
    (r"\bbecomes? of\b|\bbecame of\b", "outcome"),
    (r"\bby themselves\b|\bgoes by itself\b", "automatically"),
    (r"[\d}] ?(bytes|ns|µs|ms|KiB|MiB|GiB) an? (event|line|key|record|second)\b", "per"),
];

/// The written name of a field in the state; a loop over lists of paths.
const ALLOWED: &[&str] = &[r#"rename = "folder""#, "for path in clear {"];

fn texts() -> Vec<PathBuf> {
    let mut texts = sources(&root().join("src"));
    for directory in ["docs", "assets"] {
        let entries = std::fs::read_dir(root().join(directory)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        texts.extend(paths.filter(|path| {
            path.extension().is_some_and(|extension| extension == "md" || extension == "toml")
        }));
    }
    texts.extend(["README.md", "CHANGELOG.md"].map(|name| root().join(name)));
    texts
}

fn retired(line: &str) -> Option<&'static str> {
    static PATTERNS: std::sync::LazyLock<Vec<(Regex, &str)>> = std::sync::LazyLock::new(|| {
        let pattern =
            |text: &str| Regex::new(&format!("(?i){text}")).expect("the pattern is valid");
        RETIRED.iter().map(|(text, instead)| (pattern(text), *instead)).collect()
    });
    let allowed = ALLOWED.iter().any(|allowed| line.contains(allowed));
    PATTERNS
        .iter()
        .find(|(pattern, _)| !allowed && pattern.is_match(line))
        .map(|(_, instead)| *instead)
}

#[test]
fn retired_words_are_used_nowhere() {
    let mut found = Vec::new();
    for path in texts() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(instead) = retired(line) {
                let path = path.strip_prefix(root()).unwrap().display();
                found.push(format!("{path}:{}: {} (use: {instead})", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{} retired words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn retired_words_are_recognised() {
    assert_eq!(retired("/// Looks at the folder."), Some("directory"));
    assert_eq!(retired("100 ns an event"), Some("per"));
    assert_eq!(retired("a directory; it continues"), None);
}
