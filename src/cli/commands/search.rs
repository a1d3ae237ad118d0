//! `logwarden search QUERY`: in the archive, or in files as they are.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::keys;
use super::opening::{Opening, Witness};
use super::view;
use crate::app;
use crate::app::settings::Settings;
use crate::archive::Reader;
use crate::base::{Clock, SystemClock, Timestamp};
use crate::cli::arguments::{Global, Place, Search, SearchFormat};
use crate::cli::exit::{Exit, say, usage_error};
use crate::cli::output::to_stdout;
use crate::cli::reading::Origin;
use crate::cli::resolve;
use crate::privacy::keys::MonthKey;
use crate::privacy::{Opener, Policy};
use crate::query::time::parse_time;
use crate::query::{Expr, ParseContext, parse};
use crate::search::output::{Form, Output};
use crate::search::{self, Input, Options, Order, sealed};

pub fn run(global: &Global, arguments: &Search) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let context = ParseContext { now: SystemClock::new().now(), zone: settings.zone.clone() };
    let query =
        parse(&arguments.query, &context).map_err(|error| usage_error(error.to_string()))?;
    let options = Options {
        since: time("--since", arguments.since.as_deref(), &context)?,
        until: time("--until", arguments.until.as_deref(), &context)?,
        limit: arguments.limit,
        order: if arguments.newest { Order::Newest } else { Order::Oldest },
    };
    match place(arguments)? {
        Place::Archive => {
            let query = of_what_left(&query, &settings)?;
            let reader = Reader::open(&settings.directories.archive)?;
            let search = Question { query, options, target: Target::Archive(reader) };
            answer(global, arguments, &settings, &search)
        }
        Place::Files => {
            let (inputs, all) = inputs(arguments, &settings, context.now)?;
            let policy = match arguments.protect {
                true => app::keys::protecting(&settings)?,
                false => Policy::new(&[], false),
            };
            let search =
                Question { query, options, target: Target::Files(inputs, Box::new(policy)) };
            let exit = answer(global, arguments, &settings, &search)?;
            Ok(if all { exit } else { Exit::Failed })
        }
    }
}

fn place(arguments: &Search) -> anyhow::Result<Place> {
    match (arguments.place, arguments.paths.is_empty()) {
        (Some(Place::Archive), false) => {
            Err(usage_error("paths are searched as files; leave out --in archive, or the paths"))
        }
        (Some(place), _) => Ok(place),
        (None, true) => Ok(Place::Archive),
        (None, false) => Ok(Place::Files),
    }
}

fn time(
    argument: &str,
    text: Option<&str>,
    context: &ParseContext,
) -> anyhow::Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let (start, _) = parse_time(text, context)
        .map_err(|problem| usage_error(format!("{argument} `{text}`: {problem}")))?;
    Ok(Some(start))
}

/// One search, wherever it looks.
struct Question {
    query: Expr,
    options: Options,
    target: Target,
}

enum Target {
    Archive(Reader),
    /// And how they are printed.
    Files(Vec<Input>, Box<Policy>),
}

fn answer(
    global: &Global,
    arguments: &Search,
    settings: &Settings,
    search: &Question,
) -> anyhow::Result<Exit> {
    if arguments.view {
        if let Target::Files(..) = search.target {
            return Err(usage_error(
                "files are looked at as they are: logwarden PATH…; there / searches",
            ));
        }
        return view::documents(global, settings, |out| search.print(Form::Json, out));
    }
    let (mut found, mut exit) = (0, Exit::Done);
    let form = form(arguments, settings)?;
    to_stdout(|out| {
        if arguments.count {
            found = search.count()?;
            writeln!(out, "{found}")?;
        } else if arguments.open {
            let opener = Opener::new(Arc::new(keys::open(&settings.keys)?));
            let witness = Witness::new(app::keys::audit(settings, "search"), search.target.name());
            let text = arguments.format == SearchFormat::Text;
            let mut opening = Opening::new(&opener, witness, out).of_text(text);
            found = search.print(form, &mut opening)?;
            exit = opening.end()?;
        } else {
            found = search.print(form, out)?;
        }
        Ok(())
    })?;
    Ok(if found > 0 { exit } else { Exit::Failed })
}

fn form(arguments: &Search, settings: &Settings) -> anyhow::Result<Form> {
    Ok(match arguments.format {
        // A mark inside a token would break it.
        SearchFormat::Text if arguments.open => Form::Text { colour: false },
        SearchFormat::Text => {
            Form::Text { colour: settings.color.enabled(std::io::stdout().is_terminal()) }
        }
        SearchFormat::Json => Form::Json,
        SearchFormat::Csv if arguments.open => {
            return Err(usage_error(
                "a value that is opened may be a formula: open in text or JSON, not in CSV",
            ));
        }
        SearchFormat::Csv => Form::Csv,
    })
}

impl Target {
    /// For the audit file.
    fn name(&self) -> &'static str {
        match self {
            Target::Archive(_) => "the archive",
            Target::Files(..) => "files",
        }
    }
}

impl Question {
    fn count(&self) -> anyhow::Result<u64> {
        Ok(match &self.target {
            Target::Archive(reader) => search::count_archive(reader, &self.query, &self.options)?,
            Target::Files(inputs, _) => search::count_files(inputs, &self.query, &self.options)?,
        })
    }

    fn print(&self, form: Form, out: &mut impl Write) -> anyhow::Result<u64> {
        let on_terminal = std::io::stdout().is_terminal();
        let mut output = Output::new(out, form, &self.query)?.on_terminal(on_terminal);
        let mut each = |document: &str| output.write(document);
        let found = match &self.target {
            Target::Archive(reader) => {
                search::archive(reader, &self.query, &self.options, &mut each)?
            }
            Target::Files(inputs, policy) => {
                search::files(inputs, &self.query, &self.options, policy, &mut each)?
            }
        };
        output.finish()?;
        Ok(found)
    }
}

/// The same question asked of what left: sealed values by their tags, addresses by what stands for them.
fn of_what_left(query: &Expr, settings: &Settings) -> anyhow::Result<Expr> {
    let policy = settings.privacy.policy();
    let translate = |keys: &[MonthKey]| {
        sealed::translate(query, &policy, keys).map_err(|refusal| usage_error(refusal.to_string()))
    };
    // What is refused is refused before a key is looked for.
    let translated = translate(&[])?;
    if !sealed::needs_keys(query, &policy) {
        return Ok(translated);
    }
    let keyring = keys::open(&settings.keys);
    let all = keyring.context("what is sealed is looked for with its keys")?.all()?;
    for problem in &all.problems {
        say(format_args!("what this key sealed is not searched: {problem}"));
    }
    translate(&all.ready)
}

/// The named files, else those of the configured sources; `false`: not all of them could be opened.
fn inputs(
    arguments: &Search,
    settings: &Settings,
    now: Timestamp,
) -> anyhow::Result<(Vec<Input>, bool)> {
    let (mut inputs, mut all) = (Vec::new(), true);
    let mut add =
        |path: &Path, format: Option<&String>, zone: &jiff::tz::TimeZone| match Origin::open_file(
            path, settings, now,
        ) {
            Ok((Origin { path, generation, seen, day, .. }, file)) => {
                let (format, zone) = (format.cloned(), zone.clone());
                inputs.push(Input { path, file, generation, format, zone, seen, day });
            }
            Err(error) => {
                say(format_args!("{error:#}"));
                all = false;
            }
        };
    for path in &arguments.paths {
        for path in named_files(path)? {
            add(&path, None, &settings.zone);
        }
    }
    if arguments.paths.is_empty() {
        for source in &settings.sources {
            for path in source.paths.iter().flat_map(|path| expand(path)) {
                add(&path, source.format.as_ref(), &source.zone);
            }
        }
    }
    if inputs.is_empty() && all {
        return Err(usage_error(
            "no file to search: name some after the query, or configure sources that have files",
        ));
    }
    Ok((inputs, all))
}

fn named_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = expand(path);
    if files.is_empty() && !path.exists() {
        return Err(usage_error(format!(
            "no such file: {}; a query of several words is one argument: write it in quotes",
            path.display()
        )));
    }
    Ok(files)
}

/// A file is itself, a folder the files in it, a pattern what it matches now.
fn expand(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = match path.symlink_metadata() {
        Ok(_) if path.is_dir() => std::fs::read_dir(path)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default(),
        Ok(_) => return vec![path.to_owned()],
        Err(_) => glob::glob(&path.to_string_lossy())
            .map(|paths| paths.filter_map(Result::ok).collect())
            .unwrap_or_default(),
    };
    found.retain(|path| path.is_file());
    found.sort();
    found
}
