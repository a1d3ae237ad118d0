//! `logwarden find --client ID`: how many events where, and the newest of them. Changes nothing.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use super::dead_letters::tell;
use super::traces::{Tagged, Traces, events};
use crate::base::json;
use crate::cli::arguments::{Find, Global};
use crate::cli::exit::{Exit, say};
use crate::cli::output::to_stdout;
use crate::query::Expr;
use crate::search::output::{Form, Output};

pub fn run(global: &Global, arguments: &Find) -> anyhow::Result<Exit> {
    let traces = Traces::of(global, &arguments.client)?;
    let mut exit = if traces.unknown == 0 { Exit::Done } else { Exit::Failed };
    let mut places = Vec::new();
    if let Some(found) = traces.in_archive(arguments.limit.into())? {
        places.push(("archive".to_owned(), found));
    }
    if let Some((found, odd)) = traces.in_dead_letters(arguments.limit.into())? {
        if tell(&odd) != Exit::Done {
            exit = Exit::Failed;
        }
        places.push(("dead letters".to_owned(), found));
    }
    for server in traces.servers() {
        match server.find(&traces, arguments.limit.into()) {
            Ok(found) => places.push((server.place, found)),
            Err(problem) => {
                say(format_args!("{}: {problem}", server.place));
                exit = Exit::Failed;
            }
        }
    }
    let colour = traces.settings.color.enabled(std::io::stdout().is_terminal());
    to_stdout(|out| {
        places.iter().try_for_each(|(place, found)| match arguments.listed.is_json() {
            true => object(out, place, found),
            false => text(out, place, found, colour),
        })
    })?;
    match places.iter().any(|(_, found)| found.events > 0) {
        true => Ok(exit),
        false => Ok(Exit::Failed),
    }
}

fn text(out: &mut impl Write, place: &str, found: &Tagged, colour: bool) -> anyhow::Result<()> {
    writeln!(out, "{place}: {}", events(found.events))?;
    let mut output = Output::new(out, Form::Text { colour }, &Expr::All)?;
    for document in &found.newest {
        output.write(document)?;
    }
    Ok(output.finish()?)
}

#[derive(Serialize)]
struct Place<'a> {
    place: &'a str,
    events: u64,
    newest: Vec<&'a RawValue>,
}

fn object(out: &mut impl Write, place: &str, found: &Tagged) -> anyhow::Result<()> {
    let newest: Result<Vec<_>, _> =
        found.newest.iter().map(|document| serde_json::from_str(document)).collect();
    let mut line = serde_json::to_vec(&Place { place, events: found.events, newest: newest? })?;
    if std::io::stdout().is_terminal() {
        line = json::harmless(&line).into_owned();
    }
    line.push(b'\n');
    Ok(out.write_all(&line)?)
}
