//! Rules for the source code: layers of modules, crates, licences, sizes of files and functions.

mod circles;
mod code;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module imports only from rows above its own. Modules of one row do not import from each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["event"],
    &["format", "query"],
    &["state", "privacy", "config"],
    &["follow"],
    &["archive", "client"],
    &["ui", "sink", "alert", "search", "generate"],
    &["app"],
    &["cli"],
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn row_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Top-level modules that a file names after `crate::` (also inside `crate::{a, b}`).
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut modules = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0;
            let mut start = 0;
            for (index, letter) in group.char_indices() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        modules.insert(word(&group[start..index]));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        modules.insert(word(&group[start..index]));
                        start = index + 1;
                    }
                    _ => {}
                }
            }
        } else {
            modules.insert(word(after));
        }
    }
    modules
}

#[test]
fn a_module_imports_only_from_the_layers_below_it() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).unwrap();
        let mut parts = relative.components();
        let module = parts.next().unwrap().as_os_str().to_str().unwrap().to_owned();
        if parts.next().is_none() {
            continue; // main.rs and lib.rs
        }
        let row = row_of(&module).unwrap_or_else(|| panic!("{module} is in no layer"));
        for import in imports(&std::fs::read_to_string(&path).unwrap()) {
            if import == module {
                continue;
            }
            if let Some(other) = row_of(&import)
                && other >= row
            {
                wrong.push(format!("{} imports {import}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n  {}", wrong.join("\n  "));
}

#[test]
fn imports_in_groups_are_found() {
    let seen =
        imports("use crate::{base::Clock, event::{Batch, Event}, follow};\nuse crate::ui::x;");
    let wanted: BTreeSet<String> =
        ["base", "event", "follow", "ui"].into_iter().map(String::from).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn unsafe_and_leftovers_are_absent() {
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let may = ["src/allocator.rs", "src/standard_output.rs"]
                .iter()
                .any(|may| path.ends_with(may));
            let allowed = |left| left == "unsafe {" && may;
            for left in ["todo!(", "unimplemented!(", "dbg!(", "unsafe {"] {
                assert!(
                    !code.contains(left) || allowed(left),
                    "{}:{}: {left}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

/// These panic if standard output or standard error is closed; use `base::stderr` instead.
const BANNED: [&str; 4] = ["eprintln!(", "eprint!(", "println!(", "print!("];

#[test]
fn nothing_writes_with_macros_that_panic_on_a_closed_terminal() {
    let mut wrong = Vec::new();
    let is_tests = |path: &PathBuf| path.iter().any(|part| part == "tests" || part == "tests.rs");
    for path in sources(&root().join("src")).into_iter().filter(|path| !is_tests(path)) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let banned = BANNED.iter().any(|banned| code.contains(banned));
            let own = path.ends_with("src/base/stderr.rs");
            let writes = code.contains("io::stderr()") && !code.contains("is_terminal()");
            if banned || writes && !own {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "write with base::stderr:\n  {}", wrong.join("\n  "));
}

/// A longer file has two subjects.
const LONGEST_FILE: usize = 400;
/// The same for a `tests.rs`, which is a list of cases.
const LONGEST_TESTS: usize = 600;

/// Prints the sizes of files and functions; fails above the limits.
#[test]
fn files_and_functions_stay_small() {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        functions.extend(function_lengths(&text, &name));
        files.push((text.lines().count(), name));
    }
    files.sort();
    functions.sort();
    println!(
        "{} files: median {} lines, longest {:?}",
        files.len(),
        files[files.len() / 2].0,
        files.last()
    );
    println!(
        "{} functions: p90 {} lines, longest {:?}",
        functions.len(),
        functions[functions.len() * 9 / 10].0,
        functions.last()
    );
    let longest = |name: &str| match name.ends_with("/tests.rs") {
        true => LONGEST_TESTS,
        false => LONGEST_FILE,
    };
    let long: Vec<_> = files.iter().filter(|(lines, name)| *lines > longest(name)).collect();
    assert!(long.is_empty(), "files that are too long: {long:?}");
    let long: Vec<_> =
        functions.iter().filter(|(lines, name)| *lines > 80 && !name.contains("test")).collect();
    assert!(long.is_empty(), "functions over 80 lines: {long:?}");
}

fn function_lengths(text: &str, file: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words: Vec<&str> = code.split_whitespace().take(5).collect();
        let Some(at) = words.iter().position(|word| *word == "fn") else { continue };
        if words[..at]
            .iter()
            .any(|word| !(word.starts_with("pub") || matches!(*word, "async" | "const")))
        {
            continue;
        }
        let indent = line.len() - code.len();
        let closing = format!("{}}}", " ".repeat(indent));
        let end = lines[start..].iter().position(|line| *line == closing);
        if code.ends_with(';') || line.contains('}') {
            continue;
        }
        if let Some(end) = end {
            found.push((end + 1, format!("{file}:{} {}", start + 1, words[at + 1])));
        }
    }
    found
}

/// Checks the crates that cargo links against `deny.toml`.
#[test]
fn no_banned_or_doubled_crate_and_no_unknown_licence() {
    let rules: toml::Table =
        std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let linked: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut problems = Vec::new();
    let allowed: Vec<&str> = rules["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    for package in metadata["packages"].as_array().unwrap() {
        if !linked.contains(package["id"].as_str().unwrap()) {
            continue;
        }
        let name = package["name"].as_str().unwrap();
        versions.entry(name).or_default().insert(package["version"].as_str().unwrap());
        let licence = package["license"].as_str().unwrap_or("none");
        if !licence_allowed(licence, &allowed) {
            problems.push(format!("{name}: licence {licence}"));
        }
    }
    for ban in rules["bans"]["deny"].as_array().unwrap() {
        let name = ban["crate"].as_str().unwrap();
        if versions.contains_key(name) {
            problems.push(format!("{name} is banned: {}", ban["reason"]));
        }
    }
    for name in rules["bans"]["deny-multiple-versions"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        if versions.get(name).is_some_and(|versions| versions.len() > 1) {
            problems.push(format!("{name} is linked twice: {:?}", versions[name]));
        }
    }
    assert!(versions.len() > 50, "the metadata lists too few crates");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// SPDX expressions as they occur: OR of ANDs, with or without parentheses, `/` for OR.
fn licence_allowed(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ");
    let all = |text: &str| {
        text.split(" AND ").all(|one| allowed.contains(&one.trim().trim_matches(['(', ')'])))
    };
    if let Some((first, rest)) = expression.split_once(") AND ") {
        return licence_allowed(first.trim_start_matches('('), allowed)
            && licence_allowed(rest, allowed);
    }
    expression.split(" OR ").any(all)
}

#[test]
fn licences_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Unicode-3.0"];
    assert!(licence_allowed("MIT OR GPL-3.0", &allowed));
    assert!(licence_allowed("GPL-3.0/MIT", &allowed));
    assert!(licence_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
    assert!(!licence_allowed("(MIT OR Apache-2.0) AND GPL-3.0", &allowed));
    assert!(!licence_allowed("GPL-3.0", &allowed));
}
