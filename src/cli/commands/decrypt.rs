//! `logwarden decrypt [TOKEN|FILE|-]`: tokens back to clear values. Holds one token at a time, whatever comes in.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{self, Path};
use std::sync::Arc;

use anyhow::Context;
use zeroize::Zeroizing;

use super::decrypt_output::{Opening, Witness};
use super::keys;
use crate::app;
use crate::base::sanitize;
use crate::cli::arguments::{Decrypt, Global};
use crate::cli::exit::Exit;
use crate::cli::file_batches::must_exist;
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::privacy::{Audit, Opener, token};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

pub fn run(global: &Global, arguments: &Decrypt) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let opener = Opener::new(Arc::new(keys::open(&settings)?));
    let audit = app::keys::audit(&settings, "decrypt");
    match arguments.input.to_str().filter(|text| text.starts_with(token::PREFIX)) {
        Some(token) => one(&opener, token, &mut Witness::new(audit, "the command line")),
        None => stream(&opener, &arguments.input, audit),
    }
}

/// The value alone, on a line; a long one may be several tokens.
fn one(opener: &Opener, text: &str, witness: &mut Witness) -> anyhow::Result<Exit> {
    let mut rest = text;
    let mut value = Zeroizing::new(String::new());
    while !rest.is_empty() {
        let (length, opened) = opener.open_first(rest).context("cannot open the token")?;
        value.push_str(&opened.value);
        witness.opened(opened);
        rest = &rest[length..];
    }
    to_stdout(|out| {
        let shown =
            if io::stdout().is_terminal() { sanitize::line(&value) } else { (&**value).into() };
        Ok(writeln!(out, "{shown}")?)
    })?;
    Ok(Exit::Done)
}

fn stream(opener: &Opener, path: &Path, audit: Audit) -> anyhow::Result<Exit> {
    let (name, mut input): (_, Box<dyn Read>) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), Box::new(io::stdin().lock())),
        false => {
            let name = path::absolute(path).unwrap_or(path.to_owned()).display().to_string();
            must_exist(path)?;
            let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
            (name, Box::new(file))
        }
    };
    let mut exit = Exit::Done;
    to_stdout(|out| {
        let mut opening = Opening::new(opener, Witness::new(audit, &name), out);
        let mut piece = vec![0; PIECE];
        loop {
            let length = input.read(&mut piece).with_context(|| format!("cannot read {name}"))?;
            if length == 0 {
                break;
            }
            opening.write_all(&piece[..length])?;
            // A slow stream is shown as it comes.
            opening.flush()?;
        }
        exit = opening.end()?;
        Ok(())
    })?;
    Ok(exit)
}
