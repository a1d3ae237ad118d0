//! `logwarden search QUERY`: searches the archive, files as they are on disk, or standard input.

mod stdin;

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::decrypt_output::{AuditRecorder, DecryptingWriter};
use super::keys;
use super::result_screen;
use crate::app;
use crate::app::settings::Settings;
use crate::archive::Reader;
use crate::base::{Clock, SystemClock, Timestamp};
use crate::cli::arguments::{Global, Search, SearchFormat, SearchIn};
use crate::cli::exit::{Exit, say, usage_error};
use crate::cli::file_batches::InputInfo;
use crate::cli::output::to_stdout;
use crate::cli::resolve::{self, STDIN};
use crate::config::closest;
use crate::privacy::keys::MonthKey;
use crate::privacy::{Decryptor, Policy};
use crate::query::time::parse_time;
use crate::query::{Expr, ParseContext, parse_or_regex};
use crate::search::output::{Form, Output};
use crate::search::{self, Input, Options, Order, sealed_terms};

pub fn run(global: &Global, arguments: &Search) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let context = ParseContext { now: SystemClock::new().now(), zone: settings.zone.clone() };
    let query = parse_or_regex(&arguments.query, &context)
        .map_err(|error| usage_error(error.to_string()))?;
    let options = Options {
        since: time("--since", arguments.since.as_deref(), &context)?,
        until: time("--until", arguments.until.as_deref(), &context)?,
        limit: arguments.limit,
        order: if arguments.newest { Order::Newest } else { Order::Oldest },
    };
    match search_in(arguments)? {
        SearchIn::Archive => {
            let typed = query.clone();
            let query = translate_for_archive(&query, &settings)?;
            let reader = Reader::open(&settings.directories.archive)?;
            let search = SearchRequest { typed, query, options, target: Target::Archive(reader) };
            answer(global, arguments, &settings, &search)
        }
        SearchIn::Files => {
            let (target, all) = files(arguments, &settings, context.now)?;
            let search = SearchRequest { typed: query.clone(), query, options, target };
            let exit = answer(global, arguments, &settings, &search)?;
            Ok(if all { exit } else { Exit::Failed })
        }
    }
}

fn search_in(arguments: &Search) -> anyhow::Result<SearchIn> {
    match (arguments.search_in, arguments.paths.is_empty()) {
        (Some(SearchIn::Archive), false) => {
            Err(usage_error("paths are searched as files; leave out --in archive, or the paths"))
        }
        (Some(search_in), _) => Ok(search_in),
        (None, true) => Ok(SearchIn::Archive),
        (None, false) => Ok(SearchIn::Files),
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

/// One search and its target.
struct SearchRequest {
    /// The query as typed.
    typed: Expr,
    /// The query translated for the target.
    query: Expr,
    options: Options,
    target: Target,
}

enum Target {
    Archive(Reader),
    /// With the privacy policy that is applied to the printed events.
    Files(Vec<Input>, Box<Policy>),
    Stdin(InputInfo, Box<Policy>),
}

fn answer(
    global: &Global,
    arguments: &Search,
    settings: &Settings,
    search: &SearchRequest,
) -> anyhow::Result<Exit> {
    if arguments.view {
        if let Target::Files(..) | Target::Stdin(..) = search.target {
            return Err(usage_error(
                "--view shows archived events only; to view files: logwarden FILE…",
            ));
        }
        return result_screen::documents(global, settings, |out| search.print(Form::Json, out));
    }
    let (mut found, mut exit) = (0, Exit::Done);
    let form = form(arguments, settings)?;
    to_stdout(|out| {
        if arguments.count {
            found = search.count()?;
            writeln!(out, "{found}")?;
        } else if arguments.open {
            let opener = Decryptor::new(Arc::new(keys::open(settings)?));
            let recorder =
                AuditRecorder::new(app::keys::audit(settings, "search"), search.target.name());
            let text = arguments.format == SearchFormat::Text;
            let mut writer = DecryptingWriter::new(&opener, recorder, out).on_one_line(text);
            found = search.print(form, &mut writer)?;
            exit = writer.end()?;
        } else {
            found = search.print(form, out)?;
        }
        Ok(())
    })?;
    if found == 0 {
        search.report_unknown_fields()?;
    }
    Ok(if found > 0 { exit } else { Exit::Failed })
}

fn form(arguments: &Search, settings: &Settings) -> anyhow::Result<Form> {
    Ok(match arguments.format {
        // A highlight inside a token would break it.
        SearchFormat::Text if arguments.open => Form::Text { colour: false },
        SearchFormat::Text => {
            Form::Text { colour: settings.color.enabled(std::io::stdout().is_terminal()) }
        }
        SearchFormat::Json => Form::Json,
        SearchFormat::Csv if arguments.open => {
            return Err(usage_error(
                "--open cannot write CSV, because a decrypted value may be a formula; use text or JSON",
            ));
        }
        SearchFormat::Csv => Form::Csv,
    })
}

impl Target {
    /// The name recorded in the audit log.
    fn name(&self) -> &'static str {
        match self {
            Target::Archive(_) => "the archive",
            Target::Files(..) => "files",
            Target::Stdin(..) => "standard input",
        }
    }
}

impl SearchRequest {
    fn count(&self) -> anyhow::Result<u64> {
        Ok(match &self.target {
            Target::Archive(reader) => search::count_archive(reader, &self.query, &self.options)?,
            Target::Files(inputs, _) => search::count_files(inputs, &self.query, &self.options)?,
            Target::Stdin(info, policy) => {
                stdin::search(info, policy, &self.query, &self.options, &mut |_| Ok(()))?
            }
        })
    }

    fn print(&self, form: Form, out: &mut impl Write) -> anyhow::Result<u64> {
        let on_terminal = std::io::stdout().is_terminal();
        let mut output = Output::new(out, form, &self.query)?.on_terminal(on_terminal);
        // Shows the results of a slow stream immediately.
        let is_stream = matches!(self.target, Target::Stdin(..));
        let mut each = |document: &str| {
            output.write(document)?;
            if is_stream { output.flush() } else { Ok(()) }
        };
        let found = match &self.target {
            Target::Archive(reader) => {
                search::archive(reader, &self.query, &self.options, &mut each)?
            }
            Target::Files(inputs, policy) => {
                search::files(inputs, &self.query, &self.options, policy, &mut each)?
            }
            Target::Stdin(info, policy) => {
                stdin::search(info, policy, &self.query, &self.options, &mut each)?
            }
        };
        output.finish()?;
        Ok(found)
    }
}

/// Events per file from which the known field names are collected.
const NAME_SAMPLE_EVENTS: usize = 10_000;

impl SearchRequest {
    /// Names unknown fields of a search without results: a misspelt name looks the same as a value without matches.
    fn report_unknown_fields(&self) -> anyhow::Result<()> {
        let named = search::fields(&self.typed);
        let known = match &self.target {
            _ if named.is_empty() => return Ok(()),
            Target::Archive(reader) => search::names_in_archive(reader)?,
            Target::Files(inputs, _) => search::names_in_files(inputs, NAME_SAMPLE_EVENTS),
            // Standard input cannot be read again.
            Target::Stdin(..) => return Ok(()),
        };
        if known.is_empty() {
            return Ok(());
        }
        let mut reported = HashSet::new();
        for name in named {
            if !known.iter().any(|known| name.matches(known)) && reported.insert(name.canonical()) {
                let own = ["level", "message", "time", "host", "service"];
                let known = known.iter().map(String::as_str).chain(own);
                let hint = closest(&name.0, known)
                    .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                say(format_args!("no event has a field `{}`{hint}", name.0));
            }
        }
        Ok(())
    }
}

/// Translates the query for archived events: sealed values to their tags, addresses to their pseudonyms.
fn translate_for_archive(query: &Expr, settings: &Settings) -> anyhow::Result<Expr> {
    let policy = settings.privacy.policy();
    let translate = |keys: &[MonthKey]| {
        sealed_terms::translate(query, &policy, keys)
            .map_err(|refusal| usage_error(refusal.to_string()))
    };
    // Invalid queries are refused before any key is read.
    let translated = translate(&[])?;
    if !sealed_terms::needs_keys(query, &policy) {
        return Ok(translated);
    }
    let keyring = keys::open(settings);
    let all = keyring.context("sealed values cannot be searched without their keys")?.all()?;
    for problem in &all.problems {
        say(format_args!("events sealed with this key are not searched: {problem}"));
    }
    translate(&all.ready)
}

/// `false`: some files could not be opened.
fn files(
    arguments: &Search,
    settings: &Settings,
    now: Timestamp,
) -> anyhow::Result<(Target, bool)> {
    let policy = Box::new(match arguments.protect {
        true => app::keys::sealing_policy(settings)?,
        false => Policy::new(&[], false),
    });
    if arguments.paths.iter().any(|path| path.as_os_str() == STDIN) {
        if arguments.paths.len() > 1 {
            return Err(usage_error(
                "standard input cannot be combined with files: leave out `-`, or the other paths",
            ));
        }
        let (info, ..) = InputInfo::open(Path::new(STDIN), settings, now)?;
        return Ok((Target::Stdin(info, policy), true));
    }
    let (inputs, all) = inputs(arguments, settings, now)?;
    Ok((Target::Files(inputs, policy), all))
}

/// The named files, otherwise those of the configured sources. `false`: some files could not be opened.
fn inputs(
    arguments: &Search,
    settings: &Settings,
    now: Timestamp,
) -> anyhow::Result<(Vec<Input>, bool)> {
    let (mut inputs, mut all) = (Vec::new(), true);
    let mut add = |path: &Path, format: Option<&String>, zone: &jiff::tz::TimeZone| {
        match InputInfo::open_file(path, settings, now) {
            Ok((InputInfo { path, generation, seen, day, .. }, file)) => {
                let (format, zone) = (format.cloned(), zone.clone());
                inputs.push(Input { path, file, generation, format, zone, seen, day });
            }
            Err(error) => {
                say(format_args!("{error:#}"));
                all = false;
            }
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
            "no file to search: name files after the query, or configure sources",
        ));
    }
    Ok((inputs, all))
}

fn named_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = expand(path);
    if files.is_empty() && !path.exists() {
        return Err(usage_error(format!(
            "{}: no such file; if it belongs to the query, put the whole query in quotes",
            path.display()
        )));
    }
    Ok(files)
}

/// Expands a directory to its files and a glob to its current matches; a file is returned as it is.
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
