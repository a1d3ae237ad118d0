//! No import circles: files and directories of one parent import from each other in one direction.
//!
//! The rule. Siblings are the modules of one parent, at every level of `src`; a directory stands for all files in it. A
//! sibling that names a path (by `use` or in its code) whose item is defined in another sibling imports from that one,
//! also where the path goes through a `pub use` of the parent. Following imports must never lead back. A module and
//! its own children are one unit: a child may use what its parent defines. Code for tests alone does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;

use super::code::{Code, Named};
use super::{root, sources};

/// `app::engine` as its words; empty for the crate.
type Module = Vec<String>;

/// Levels that still have circles. No level is added; one without circles is removed from the list.
const NOT_YET: &[&str] = &[];

/// Where one sibling imports from another.
#[derive(Clone, Debug)]
struct Import {
    file: String,
    line: usize,
    path: String,
}

/// Siblings of one parent, and the first import from one to another.
type Level = BTreeMap<String, BTreeMap<String, Import>>;

struct Circle {
    level: String,
    members: Vec<String>,
    imports: Vec<Import>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.members[0];
        write!(f, "{}: {} → {first}", self.level, self.members.join(" → "))?;
        self.imports
            .iter()
            .try_for_each(|Import { file, line, path }| write!(f, "\n    {file}:{line} {path}"))
    }
}

/// All files, by module.
struct Tree {
    files: BTreeMap<Module, (String, Code)>,
    /// Files and directories without a file of their own.
    modules: BTreeSet<Module>,
}

impl Tree {
    /// Builds the tree from texts by their paths below `src`.
    fn new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tree {
        let files: BTreeMap<Module, (String, Code)> = texts
            .into_iter()
            .map(|(path, text)| (module_of(path), (path.to_owned(), Code::read(text))))
            .collect();
        let for_tests: BTreeSet<Module> = files
            .iter()
            .flat_map(|(module, (_, code))| {
                code.test_modules.iter().map(|name| child(module, name))
            })
            .collect();
        let is_for_tests =
            |module: &Module| (0..=module.len()).any(|n| for_tests.contains(&module[..n]));
        let files: BTreeMap<_, _> =
            files.into_iter().filter(|(module, _)| !is_for_tests(module)).collect();
        let modules = files
            .keys()
            .flat_map(|module| (0..=module.len()).map(|n| module[..n].to_vec()))
            .collect();
        Tree { files, modules }
    }

    /// Resolves the start of a path in a module's file: the module, and the rest of the path. `None`: another crate.
    fn begin<'a>(&self, from: &Module, path: &'a [String]) -> Option<(Module, &'a [String])> {
        let ups = path.iter().take_while(|word| *word == "super").count();
        match path.first()?.as_str() {
            "crate" => Some((Module::new(), &path[1..])),
            "self" => Some((from.clone(), &path[1..])),
            "super" => Some((from[..from.len().saturating_sub(ups)].to_vec(), &path[ups..])),
            first => self.modules.contains(&child(from, first)).then(|| (from.clone(), path)),
        }
    }

    /// The module whose file defines the item of a path.
    fn definition(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut at, words) = self.begin(from, path)?;
        for (index, word) in words.iter().enumerate() {
            let below = child(&at, word);
            if self.modules.contains(&below) {
                at = below;
                continue;
            }
            let behind = &words[index + 1..];
            return Some(self.exported(&at, word, behind, depth).unwrap_or(at));
        }
        Some(at)
    }

    /// Follows a `use` in the file of `module` that binds the name, or all names of a module that has it.
    fn exported(
        &self,
        module: &Module,
        name: &str,
        behind: &[String],
        depth: usize,
    ) -> Option<Module> {
        let named = &self.files.get(module)?.1.named;
        let binds = |wanted: &'static str| {
            named.iter().filter(move |named| named.binds.as_deref() == Some(wanted))
        };
        if depth == 0 || name == "*" {
            return None;
        }
        let by_name = named.iter().filter(|named| named.binds.as_deref() == Some(name));
        for Named { path, .. } in by_name {
            let whole: Vec<String> = path.iter().chain(behind).cloned().collect();
            if let Some(found) = self.definition(module, &whole, depth - 1) {
                return Some(found);
            }
        }
        binds("*").find_map(|all| {
            let found = self.definition(module, &all.path, depth - 1)?;
            let items = &self.files.get(&found)?.1.items;
            items.iter().any(|item| item == name).then_some(found)
        })
    }

    fn levels(&self) -> BTreeMap<Module, Level> {
        let mut levels: BTreeMap<Module, Level> = BTreeMap::new();
        for (module, (file, code)) in &self.files {
            for Named { line, path, .. } in &code.named {
                let Some(target) = self.definition(module, path, 8) else { continue };
                let shared = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
                let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) else {
                    continue;
                };
                let import = Import { file: file.clone(), line: *line, path: path.join("::") };
                let level = levels.entry(module[..shared].to_vec()).or_default();
                level.entry(from.clone()).or_default().entry(to.clone()).or_insert(import);
            }
        }
        levels
    }

    fn circles(&self) -> Vec<Circle> {
        let mut found = Vec::new();
        for (module, level) in self.levels() {
            let mut seen = BTreeSet::new();
            for sibling in level.keys() {
                let Some(members) = way_back(&level, sibling) else { continue };
                if !seen.insert(members.iter().cloned().collect::<BTreeSet<_>>()) {
                    continue;
                }
                let next = members.iter().cycle().skip(1);
                let imports = members.iter().zip(next).map(|(from, to)| level[from][to].clone());
                found.push(Circle { level: name_of(&module), imports: imports.collect(), members });
            }
        }
        found
    }
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

fn name_of(module: &Module) -> String {
    if module.is_empty() { "crate".to_owned() } else { module.join("::") }
}

fn module_of(path: &str) -> Module {
    let mut words: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if words.last().is_some_and(|word| word == "mod") || words == ["lib"] {
        words.pop();
    }
    words
}

/// The shortest circle through this sibling, beginning with it.
fn way_back(level: &Level, sibling: &str) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![sibling.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in level.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            if next == sibling {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push_back(child(&way, next));
            }
        }
    }
    None
}

#[test]
fn siblings_import_from_each_other_in_one_direction() {
    let src = root().join("src");
    let texts: Vec<(String, String)> = sources(&src)
        .into_iter()
        .filter(|path| *path != src.join("main.rs"))
        .map(|path| (below(&src, &path), std::fs::read_to_string(&path).unwrap()))
        .collect();
    let tree = Tree::new(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    assert!(tree.levels().values().map(BTreeMap::len).sum::<usize>() > 100, "nothing was read");
    let (known, new): (Vec<Circle>, Vec<Circle>) =
        tree.circles().into_iter().partition(|circle| NOT_YET.contains(&circle.level.as_str()));
    let text: Vec<String> = new.iter().map(Circle::to_string).collect();
    assert!(
        text.is_empty(),
        "import circles; move what both need into a file of its own:\n{}",
        text.join("\n")
    );
    let clean = NOT_YET.iter().find(|level| !known.iter().any(|circle| circle.level == **level));
    assert_eq!(clean, None, "it no longer has a circle: remove it from NOT_YET");
}

fn below(src: &Path, path: &Path) -> String {
    path.strip_prefix(src).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn circles_are_found_without_false_positives() {
    let check = |texts: &[(&str, &str)], wanted: &[&str]| {
        let circles = Tree::new(texts.iter().copied()).circles();
        let seen: Vec<String> = circles.iter().map(Circle::to_string).collect();
        assert_eq!(seen, wanted, "{texts:?}");
    };
    check(
        &[("a/x.rs", "use super::y::Y;"), ("a/y.rs", "\nuse crate::a::x::{X};")],
        &["a: x → y → x\n    a/x.rs:1 super::y::Y\n    a/y.rs:2 crate::a::x::X"],
    );
    // A directory stands for its files, and three are a circle too.
    check(
        &[
            ("a/deep/one.rs", "fn f() { crate::b::f() }"),
            ("b.rs", "use crate::c;"),
            ("c.rs", "use crate::{a::{deep::one::f}};"),
        ],
        &[
            "crate: a → b → c → a\n    a/deep/one.rs:1 crate::b::f\n    b.rs:1 crate::c\n    c.rs:1 \
           crate::a::deep::one::f",
        ],
    );
    // By a name that the parent gives it.
    check(
        &[
            ("a/mod.rs", "mod x;\nmod y;\npub use x::*;\npub use y::Y as Z;"),
            ("a/x.rs", "use super::Z; pub struct X;"),
            ("a/y.rs", "use super::X; pub struct Y;"),
        ],
        &["a: x → y → x\n    a/x.rs:1 super::Z\n    a/y.rs:1 super::X"],
    );
    // Allowed: one direction only; items of the parent; imports of tests.
    check(
        &[
            ("a.rs", "mod x;\nmod y;\n#[cfg(test)] mod t;\nuse x::X;\npub struct A;"),
            ("a/x.rs", "use super::{A, y::Y}; pub struct X;"),
            ("a/y.rs", "#[cfg(test)]\nmod tests { use super::super::x::X; }"),
            ("a/t.rs", "use super::x::X;"),
            ("a/u.rs", "use super::t::T;\nuse std::super_fast;"),
        ],
        &[],
    );
}
