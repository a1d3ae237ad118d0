//! `logwarden decrypt [TOKEN|FILE|-]`: turns tokens back into plain text. Memory is bounded: one token at a time.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{self, Path};
use std::sync::Arc;

use anyhow::Context;
use zeroize::Zeroizing;

use super::decrypt_output::{AuditRecorder, DecryptingWriter};
use super::keys;
use crate::app;
use crate::base::sanitize;
use crate::cli::arguments::{Decrypt, Global};
use crate::cli::exit::Exit;
use crate::cli::file_batches::must_exist;
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::privacy::{Audit, Decryptor, token};

/// Bytes per read.
const READ_BYTES: usize = 64 * 1024;

pub fn run(global: &Global, arguments: &Decrypt) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let opener = Decryptor::new(Arc::new(keys::open(&settings)?));
    let audit = app::keys::audit(&settings, "decrypt");
    match arguments.input.to_str().filter(|text| text.starts_with(token::PREFIX)) {
        Some(token) => one(&opener, token, &mut AuditRecorder::new(audit, "the command line")),
        None => stream(&opener, &arguments.input, audit),
    }
}

/// Prints the value on one line; a long value may consist of several tokens.
fn one(opener: &Decryptor, text: &str, recorder: &mut AuditRecorder) -> anyhow::Result<Exit> {
    let mut rest = text;
    let mut value = Zeroizing::new(String::new());
    while !rest.is_empty() {
        let (length, opened) = opener.open_first(rest)?;
        value.push_str(&opened.value);
        recorder.opened(opened);
        rest = &rest[length..];
    }
    to_stdout(|out| {
        let shown =
            if io::stdout().is_terminal() { sanitize::line(&value) } else { (&**value).into() };
        Ok(writeln!(out, "{shown}")?)
    })?;
    Ok(Exit::Done)
}

/// Copies the input to standard output with all tokens decrypted.
fn stream(opener: &Decryptor, path: &Path, audit: Audit) -> anyhow::Result<Exit> {
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
        let mut writer = DecryptingWriter::new(opener, AuditRecorder::new(audit, &name), out);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let length = input.read(&mut buffer).with_context(|| format!("cannot read {name}"))?;
            if length == 0 {
                break;
            }
            writer.write_all(&buffer[..length])?;
            // Shows the output of a slow stream immediately.
            writer.flush()?;
        }
        exit = writer.end()?;
        Ok(())
    })?;
    Ok(exit)
}
