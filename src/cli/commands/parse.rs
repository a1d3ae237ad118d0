//! `logwarden parse [FILE|-]`: prints each parsed event as a JSON document with its detected format.
//!
//! Values are printed in plain text, or with `--protect` as a sink would get them (sealed or replaced).

use std::io::{IsTerminal, Write};

use anyhow::Context;

use crate::app::keys;
use crate::base::json::{harmless, write_string};
use crate::base::{Clock, SystemClock};
use crate::cli::arguments::{Global, Parse};
use crate::cli::config::read_format;
use crate::cli::exit::{Exit, usage_error};
use crate::cli::file_batches::{InputInfo, read_batches};
use crate::cli::output::to_stdout;
use crate::cli::{progress, resolve};
use crate::event::Batch;
use crate::privacy::{Policy, protect};

pub fn run(global: &Global, arguments: &Parse) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    if let Some(name) = &arguments.format {
        read_format(name).map_err(usage_error)?;
    }
    let seen = SystemClock::new().now();
    let (mut info, input, size) = InputInfo::open(&arguments.file, &settings, seen)?;
    info.format.clone_from(&arguments.format);
    let on_terminal = std::io::stdout().is_terminal();
    // On a terminal the events themselves show the progress.
    let shown = if on_terminal { 0 } else { size };
    let bar = progress::bytes(&arguments.file.display().to_string(), shown);
    let policy = match arguments.protect {
        true => keys::sealing_policy(&settings)?,
        false => Policy::new(&[], settings.privacy.keep_original),
    };
    to_stdout(|out| {
        let mut body = Vec::new();
        read_batches(input, &info, &mut |batch| {
            body.clear();
            write_documents(&policy, batch, &mut body)?;
            bar.set_position(batch.end);
            match on_terminal {
                true => out.write_all(&harmless(&body))?,
                false => out.write_all(&body)?,
            }
            // Shows the events of a slow stream immediately.
            Ok(out.flush()?)
        })
    })?;
    bar.finish_and_clear();
    Ok(Exit::Done)
}

fn write_documents(policy: &Policy, batch: &Batch, body: &mut Vec<u8>) -> anyhow::Result<()> {
    for event in batch.events() {
        protect(policy, event).context("cannot seal an event")?.write_json(body);
        debug_assert_eq!(body.last(), Some(&b'}'));
        body.pop();
        body.extend_from_slice(b",\"format\":");
        write_string(batch.decode.name(), body);
        body.extend_from_slice(b"}\n");
    }
    Ok(())
}
