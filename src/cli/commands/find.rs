//! `logwarden find --client ID`: counts the events of one client per location and prints the newest, or shows them on
//! the screen. Changes nothing; decryptions are recorded in the audit file.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::client_events::{ClientSearch, FoundEvents, Tagged, events};
use super::decrypt_output::{AuditRecorder, DecryptingWriter};
use super::keys;
use super::result_screen;
use super::run;
use crate::app;
use crate::base::json;
use crate::cli::arguments::{Find, Global};
use crate::cli::exit::{Exit, usage_error};
use crate::cli::output::to_stdout;
use crate::privacy::Decryptor;
use crate::query::Expr;
use crate::search::output::{Form, Output};

pub fn run(global: &Global, arguments: &Find) -> anyhow::Result<Exit> {
    if arguments.view {
        run::require_screen()?;
        if arguments.limit == 0 {
            return Err(usage_error(
                "--limit 0 cannot be combined with --view: no event would be shown",
            ));
        }
    }
    let search = ClientSearch::of(global, &arguments.client)?;
    let found = search.search_all(arguments.limit)?;
    if arguments.view {
        let shown = result_screen::documents(global, &search.settings, |out| {
            let documents = || found.locations.iter().flat_map(|(_, found)| &found.newest);
            documents().try_for_each(|document| writeln!(out, "{document}"))?;
            Ok(documents().count() as u64)
        });
        return shown.map(|exit| if found.is_complete { exit } else { Exit::Failed });
    }
    let (mut exit, json) = (Exit::Done, arguments.output.is_json());
    to_stdout(|out| {
        if !arguments.open {
            let colour = search.settings.color.enabled(std::io::stdout().is_terminal());
            return print(out, &found, json, colour);
        }
        let opener = Decryptor::new(Arc::new(keys::open(&search.settings)?));
        let recorder =
            AuditRecorder::new(app::keys::audit(&search.settings, "find"), "what was found");
        let mut writer = DecryptingWriter::new(&opener, recorder, out).on_one_line(!json);
        print(&mut writer, &found, json, false)?;
        exit = writer.end()?;
        Ok(())
    })?;
    Ok(if found.is_complete && !found.is_empty() { exit } else { Exit::Failed })
}

fn print(
    out: &mut impl Write,
    found: &FoundEvents,
    json: bool,
    colour: bool,
) -> anyhow::Result<()> {
    found.locations.iter().try_for_each(|(location, found)| match json {
        true => object(out, location, found),
        false => text(out, location, found, colour),
    })
}

fn text(out: &mut impl Write, location: &str, found: &Tagged, colour: bool) -> anyhow::Result<()> {
    writeln!(out, "{location}: {}", events(found.events))?;
    let mut output = Output::new(out, Form::Text { colour }, &Expr::All)?;
    for document in &found.newest {
        output.write(document)?;
    }
    Ok(output.finish()?)
}

#[derive(Serialize)]
struct LocationObject<'a> {
    #[serde(rename = "place")]
    location: &'a str,
    events: u64,
    newest: Vec<&'a RawValue>,
}

fn object(out: &mut impl Write, location: &str, found: &Tagged) -> anyhow::Result<()> {
    let newest: Result<Vec<_>, _> =
        found.newest.iter().map(|document| serde_json::from_str(document)).collect();
    let mut line =
        serde_json::to_vec(&LocationObject { location, events: found.events, newest: newest? })?;
    if std::io::stdout().is_terminal() {
        line = json::harmless(&line).into_owned();
    }
    line.push(b'\n');
    Ok(out.write_all(&line)?)
}
