//! Rust source prepared for the rules: without comments, literals and test-only code, and with a list of the paths that
//! it names. Lines keep their numbers.

use std::sync::LazyLock;

use regex::Regex;

/// A path that a file names, by `use` or in its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// From 1.
    pub line: usize,
    /// With `crate`, `super` and `self` as written; a final `*` stands for all items of a module.
    pub path: Vec<String>,
    /// The name that a `use` gives it in this file; `None` for a path in code.
    pub binds: Option<String>,
}

/// One file.
#[derive(Debug)]
pub struct Code {
    pub named: Vec<Named>,
    /// Names of items that it defines.
    pub items: Vec<String>,
    /// Modules that it declares for tests alone.
    pub test_modules: Vec<String>,
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is right")
}

static USE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^[ \t]*(?:pub(?:\([^)]*\))?[ \t]+)?use\s+([^;]+);"));
static PATH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^\w:$])((?:crate|super|self)(?:\s*::\s*\w+)+)"));
static VISIBILITY: LazyLock<Regex> = LazyLock::new(|| pattern(r"pub\s*\(\s*in[^)]*\)"));
static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:^|[^\w'])(?:struct|enum|trait|fn|const|static|type|union)\s+(\w+)")
});
static FOR_TESTS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"#\[cfg\((?:test|(?:all|any)\(test[^\]]*)\)\]"));
static DECLARED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bmod\s+(\w+)\s*;"));
static ITEM_BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?(?:use|mod|fn|impl|struct|enum|trait|const|static|type|async)\b",
    )
});
static RAW: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^[bc]?r(#*)""#));
static LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^'(?:\\[^\n]'|\\[^'\n]+|[^\\'\n])'"));

impl Code {
    pub fn read(text: &str) -> Code {
        let (code, test_modules) = without_tests(without_prose(text));
        let line_of = |at: usize| 1 + code[..at].matches('\n').count();
        let mut named = Vec::new();
        for found in USE.captures_iter(&code) {
            let tree = found.get(1).expect("it always takes part");
            for (path, name) in leaves(tree.as_str(), &[]) {
                named.push(Named { line: line_of(tree.start()), path, binds: Some(name) });
            }
        }
        let rest = blanked(&blanked(&code, &USE), &VISIBILITY);
        for found in PATH.captures_iter(&rest) {
            let path = found.get(1).expect("it always takes part");
            let words = path.as_str().split("::").map(|word| word.trim().to_owned()).collect();
            named.push(Named { line: line_of(path.start()), path: words, binds: None });
        }
        let items = ITEM.captures_iter(&code).map(|found| found[1].to_owned()).collect();
        Code { named, items, test_modules }
    }
}

/// The paths of a `use`, each with the name that it binds.
fn leaves(tree: &str, before: &[String]) -> Vec<(Vec<String>, String)> {
    let words = |text: &str| -> Vec<String> {
        let words = text.split("::").map(str::trim).filter(|word| !word.is_empty());
        before.iter().cloned().chain(words.map(str::to_owned)).collect()
    };
    if let Some((prefix, group)) = tree.split_once('{') {
        let prefix = words(prefix);
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        return parts(group).into_iter().flat_map(|part| leaves(part, &prefix)).collect();
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim().to_owned())),
        None => (tree, None),
    };
    let mut path = words(path);
    if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
        path.pop();
    }
    let Some(last) = path.last().cloned() else { return Vec::new() };
    vec![(path, alias.unwrap_or(last))]
}

/// Split at the commas outside braces.
fn parts(group: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

fn blanked(code: &str, what: &Regex) -> String {
    what.replace_all(code, |found: &regex::Captures<'_>| blank(&found[0])).into_owned()
}

/// Without comments and literals.
fn without_prose(text: &str) -> String {
    let (mut code, mut at, mut in_word) = (String::new(), 0, false);
    while let Some(letter) = text[at..].chars().next() {
        let length = prose(&text[at..], in_word);
        match length {
            Some(length) => code.push_str(&blank(&text[at..at + length])),
            None => code.push(letter),
        }
        in_word = length.is_none() && (letter.is_alphanumeric() || letter == '_');
        at += length.unwrap_or(letter.len_utf8());
    }
    code
}

/// The length of the comment or literal that begins here.
fn prose(text: &str, in_word: bool) -> Option<usize> {
    let to = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at);
    if text.starts_with("//") {
        return Some(to("\n", 0));
    }
    if text.starts_with("/*") {
        return Some((to("*/", 2) + 2).min(text.len()));
    }
    if !in_word && let Some(begin) = RAW.captures(text) {
        let end = format!("\"{}", &begin[1]);
        return Some((to(&end, begin[0].len()) + end.len()).min(text.len()));
    }
    if text.starts_with('"') {
        let mut escaped = true;
        let end = text.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        return Some(end.map_or(text.len(), |end| end + 1));
    }
    LETTER.find(text).map(|letter| letter.len())
}

/// Without items behind `#[cfg(test)]`, and the modules among these.
fn without_tests(mut code: String) -> (String, Vec<String>) {
    let mut modules = Vec::new();
    while let Some(found) = FOR_TESTS.find(&code) {
        let end = found.end() + item(&code[found.end()..]);
        if let Some(declared) = DECLARED.captures(&code[found.end()..end]) {
            modules.push(declared[1].to_owned());
        }
        let range = found.start()..end;
        code.replace_range(range.clone(), &blank(&code[range]));
    }
    (code, modules)
}

/// The length of the item, field, variant or statement that begins here.
fn item(code: &str) -> usize {
    let is_item = ITEM_BEGINS.is_match(code);
    let is_use = USE.find(code).is_some_and(|found| code[..found.start()].trim().is_empty());
    let (mut depth, mut braces) = (0, 0);
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 && depth == 0 && !is_use {
                    return at + 1;
                }
            }
            b';' if depth == 0 && braces == 0 => return at + 1,
            b',' if depth == 0 && braces == 0 && !is_item => return at + 1,
            _ => {}
        }
        if depth < 0 || braces < 0 {
            return at;
        }
    }
    code.len()
}

#[test]
fn paths_are_found_in_every_notation() {
    let text = r##"
        //! use crate::comment::A;
        use crate::{base::{Clock, bytes as sizes}, follow::*};
        pub(super) use self::inner::{self, Deep};
        pub(in crate::event) fn quoted() -> &'static str {
            let _ = ('"', r#"crate::text::A"#);
            super::near::call("crate::text::B")
        }
        #[cfg(test)]
        mod tests;
        #[cfg(test)]
        use crate::only::Tests;
        #[cfg(test)]
        fn for_tests<A, B>() {
            crate::only::tests();
        }
        struct Last(crate::last::One);
    "##;
    let code = Code::read(text);
    let seen: Vec<String> = code
        .named
        .iter()
        .map(|named| format!("{}: {} {:?}", named.line, named.path.join("::"), named.binds))
        .collect();
    let wanted = [
        r#"3: crate::base::Clock Some("Clock")"#,
        r#"3: crate::base::bytes Some("sizes")"#,
        r#"3: crate::follow::* Some("*")"#,
        r#"4: self::inner Some("inner")"#,
        r#"4: self::inner::Deep Some("Deep")"#,
        "7: super::near::call None",
        "17: crate::last::One None",
    ];
    assert_eq!(seen, wanted);
    assert_eq!(code.items, ["quoted", "Last"]);
    assert_eq!(code.test_modules, ["tests"]);
}
