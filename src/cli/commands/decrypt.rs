//! `logwarden decrypt [TOKEN|FILE|-]`: tokens back to clear values. Holds one token at a time, whatever comes in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{self, Path};
use std::sync::Arc;

use anyhow::Context;
use zeroize::Zeroizing;

use super::keys;
use crate::app;
use crate::base::{bytes, sanitize};
use crate::cli::arguments::{Decrypt, Global};
use crate::cli::exit::{Exit, say};
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::privacy::audit::{self, Place};
use crate::privacy::opener::{Opened, SealedBy};
use crate::privacy::reveal::Revealer;
use crate::privacy::{Audit, AuditError, OpenError, Opener, token};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

pub fn run(global: &Global, arguments: &Decrypt) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let opener = Opener::new(Arc::new(keys::open(&settings.keys)?));
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
            let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
            (name, Box::new(file))
        }
    };
    let (mut failures, mut witness) = (Failures::default(), Witness::new(audit, &name));
    let mut revealer = Revealer::new(opener);
    let terminal = io::stdout().is_terminal();
    let written = to_stdout(|out| {
        let mut piece = vec![0; PIECE];
        let mut clear = Vec::with_capacity(PIECE);
        loop {
            let length = input.read(&mut piece).with_context(|| format!("cannot read {name}"))?;
            // Witnessed before it is written.
            let each = &mut |found| match found {
                Ok(opened) => witness.opened(opened),
                Err(error) => failures.add(&error),
            };
            match length {
                0 => revealer.finish(&mut clear, each),
                _ => revealer.push(&piece[..length], &mut clear, each),
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
    });
    // Also where nobody reads on.
    let opened = witness.close();
    written?;
    Ok(failures.tell(opened))
}

/// On a terminal it steers nothing.
fn shown(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').map(sanitize::line_of_bytes);
    lines.collect::<Vec<_>>().join("\n")
}

/// Tells the audit file: of the first value under each key and field before it is shown, and at the end how many
/// there were. Keys may be taken to a machine where nothing can be written: then it is said, and goes on.
struct Witness {
    audit: Audit,
    file: String,
    counts: Vec<(SealedBy, u64)>,
    is_mute: bool,
}

impl Witness {
    fn new(audit: Audit, file: &str) -> Witness {
        Witness { audit, file: file.to_owned(), counts: Vec::new(), is_mute: false }
    }

    fn opened(&mut self, opened: Opened) {
        let (sealed, opened) = (opened.sealed_by(), [opened]);
        if let Some(file) = audit::without(&self.file, &opened) {
            self.file = file;
        }
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == sealed) {
            *count += 1;
            return;
        }
        self.counts.push((sealed, 1));
        self.tell(|audit, place| audit.opened(&opened, place));
    }

    /// How many there were.
    fn close(&mut self) -> u64 {
        let counts = std::mem::take(&mut self.counts);
        let several: Vec<_> = counts.iter().filter(|(_, count)| *count > 1).cloned().collect();
        if !several.is_empty() {
            self.tell(|audit, place| audit.counted(&several, place));
        }
        counts.iter().map(|(_, count)| count).sum()
    }

    fn tell(&mut self, write: impl FnOnce(&Audit, Place<'_>) -> Result<(), AuditError>) {
        if self.is_mute {
            return;
        }
        if let Err(error) = write(&self.audit, Place { file: &self.file, offset: None }) {
            self.is_mute = true;
            let reason = error.reason();
            say(format_args!("{reason}; it goes on without a record of what is opened"));
        }
    }
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
        let reason = error.reason();
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
