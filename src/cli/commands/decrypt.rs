//! `logwarden decrypt [TOKEN|FILE|-]`: tokens back to clear values. Holds one token at a time, whatever comes in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use zeroize::Zeroizing;

use super::keys;
use crate::base::{bytes, sanitize};
use crate::cli::arguments::{Decrypt, Global};
use crate::cli::exit::{Exit, say};
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::privacy::reveal::Revealer;
use crate::privacy::{OpenError, Opener, token};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

pub fn run(global: &Global, arguments: &Decrypt) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let opener = Opener::new(Arc::new(keys::open(&settings.keys)?));
    match arguments.input.to_str().filter(|text| text.starts_with(token::PREFIX)) {
        Some(token) => one(&opener, token),
        None => stream(&opener, &arguments.input),
    }
}

/// The value alone, on a line; a long one may be several tokens.
fn one(opener: &Opener, text: &str) -> anyhow::Result<Exit> {
    let mut rest = text;
    let mut value = Zeroizing::new(String::new());
    while !rest.is_empty() {
        let (length, opened) = opener.open_first(rest).context("cannot open the token")?;
        value.push_str(&opened.value);
        rest = &rest[length..];
    }
    to_stdout(|out| {
        let shown =
            if io::stdout().is_terminal() { sanitize::line(&value) } else { (&**value).into() };
        Ok(writeln!(out, "{shown}")?)
    })?;
    Ok(Exit::Done)
}

fn stream(opener: &Opener, path: &Path) -> anyhow::Result<Exit> {
    let (name, mut input): (_, Box<dyn Read>) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), Box::new(io::stdin().lock())),
        false => {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
            (name, Box::new(file))
        }
    };
    let mut failures = Failures::default();
    let mut revealer = Revealer::new(opener);
    let terminal = io::stdout().is_terminal();
    to_stdout(|out| {
        let mut piece = vec![0; PIECE];
        let mut clear = Vec::with_capacity(PIECE);
        loop {
            let length = input.read(&mut piece).with_context(|| format!("cannot read {name}"))?;
            let failed = &mut |error| failures.add(&error);
            match length {
                0 => revealer.finish(&mut clear, failed),
                _ => revealer.push(&piece[..length], &mut clear, failed),
            }
            match terminal {
                true => out.write_all(shown(&clear).as_bytes())?,
                false => out.write_all(&clear)?,
            }
            clear.clear();
            // A slow stream is shown as it comes.
            out.flush()?;
            if length == 0 {
                return Ok(());
            }
        }
    })?;
    Ok(failures.tell(revealer.opened))
}

/// On a terminal it steers nothing.
fn shown(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').map(sanitize::line_of_bytes);
    lines.collect::<Vec<_>>().join("\n")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why tokens stayed as they are, and how many.
#[derive(Default)]
struct Failures {
    count: u64,
    reasons: BTreeMap<String, u64>,
    others: u64,
}

impl Failures {
    const MOST_REASONS: usize = 20;

    fn add(&mut self, error: &OpenError) {
        self.count += 1;
        let reason = match error {
            OpenError::Key(error) => with_causes(&**error),
            error => error.to_string(),
        };
        if self.reasons.len() < Self::MOST_REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    fn tell(&self, opened: u64) -> Exit {
        if self.count == 0 {
            return Exit::Done;
        }
        let (failed, all) = (bytes::count(self.count), bytes::count(self.count + opened));
        say(format_args!("{failed} of {all} tokens cannot be opened and stay as they are"));
        for (reason, count) in &self.reasons {
            say(format_args!("  {} × {reason}", bytes::count(*count)));
        }
        if self.others > 0 {
            say(format_args!("  {} × other reasons", bytes::count(self.others)));
        }
        Exit::Failed
    }
}
