//! `logwarden find --client ID`: how many events where, and the newest of them. Changes nothing.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::client_events::{Found, Tagged, Traces, events};
use super::decrypt_output::{Opening, Witness};
use super::keys;
use super::result_screen;
use super::run;
use crate::app;
use crate::base::json;
use crate::cli::arguments::{Find, Global};
use crate::cli::exit::{Exit, usage_error};
use crate::cli::output::to_stdout;
use crate::privacy::Opener;
use crate::query::Expr;
use crate::search::output::{Form, Output};

pub fn run(global: &Global, arguments: &Find) -> anyhow::Result<Exit> {
    if arguments.view {
        run::needs_a_screen()?;
        if arguments.limit == 0 {
            return Err(usage_error("--limit 0 leaves nothing to look at"));
        }
    }
    let traces = Traces::of(global, &arguments.client)?;
    let found = traces.everywhere(arguments.limit)?;
    if arguments.view {
        let shown = result_screen::documents(global, &traces.settings, |out| {
            let documents = || found.places.iter().flat_map(|(_, found)| &found.newest);
            documents().try_for_each(|document| writeln!(out, "{document}"))?;
            Ok(documents().count() as u64)
        });
        return shown.map(|exit| if found.whole { exit } else { Exit::Failed });
    }
    let (mut exit, json) = (Exit::Done, arguments.listed.is_json());
    to_stdout(|out| {
        if !arguments.open {
            let colour = traces.settings.color.enabled(std::io::stdout().is_terminal());
            return print(out, &found, json, colour);
        }
        let opener = Opener::new(Arc::new(keys::open(&traces.settings)?));
        let witness = Witness::new(app::keys::audit(&traces.settings, "find"), "what was found");
        let mut opening = Opening::new(&opener, witness, out).of_text(!json);
        print(&mut opening, &found, json, false)?;
        exit = opening.end()?;
        Ok(())
    })?;
    Ok(if found.whole && !found.is_nothing() { exit } else { Exit::Failed })
}

fn print(out: &mut impl Write, found: &Found, json: bool, colour: bool) -> anyhow::Result<()> {
    found.places.iter().try_for_each(|(place, found)| match json {
        true => object(out, place, found),
        false => text(out, place, found, colour),
    })
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
