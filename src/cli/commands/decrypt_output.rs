//! Tokens in what a command prints, opened on the way out. Each is written down in the audit file before it is shown.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use crate::base::{bytes, sanitize};
use crate::cli::exit::{Exit, say};
use crate::privacy::audit::{self, Place};
use crate::privacy::decrypt_stream::Revealer;
use crate::privacy::decryptor::{Opened, SealedBy};
use crate::privacy::{Audit, AuditError, OpenError, Opener};

/// Holds one token at a time, whatever comes in.
pub struct Opening<'o, W> {
    revealer: Revealer<'o>,
    witness: Witness,
    failures: Failures,
    clear: Vec<u8>,
    out: W,
    on_terminal: bool,
}

impl<'o, W: Write> Opening<'o, W> {
    /// `out` is standard output.
    pub fn new(opener: &'o Opener, witness: Witness, out: W) -> Self {
        Opening {
            revealer: Revealer::new(opener),
            witness,
            failures: Failures::default(),
            clear: Vec::new(),
            out,
            on_terminal: io::stdout().is_terminal(),
        }
    }

    /// For lines that a person reads.
    #[must_use]
    pub fn of_text(mut self, text: bool) -> Self {
        self.revealer = self.revealer.on_one_line(text);
        self
    }

    /// Says what could not be opened.
    pub fn end(mut self) -> io::Result<Exit> {
        self.reveal(None)?;
        self.out.flush()?;
        let opened = self.witness.close();
        Ok(self.failures.tell(opened))
    }

    /// `None`: the end.
    fn reveal(&mut self, bytes: Option<&[u8]>) -> io::Result<()> {
        // Witnessed before it is written.
        let each = &mut |found| match found {
            Ok(opened) => self.witness.opened(opened),
            Err(error) => self.failures.add(&error),
        };
        match bytes {
            None => self.revealer.finish(&mut self.clear, each),
            Some(bytes) => self.revealer.push(bytes, &mut self.clear, each),
        }
        match self.on_terminal {
            true => self.out.write_all(shown(&self.clear).as_bytes())?,
            false => self.out.write_all(&self.clear)?,
        }
        self.clear.clear();
        Ok(())
    }
}

impl<W: Write> Write for Opening<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reveal(Some(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// On a terminal it steers nothing.
fn shown(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').map(sanitize::line_of_bytes);
    lines.collect::<Vec<_>>().join("\n")
}

/// Tells the audit file: of the first value under each key and field before it is shown, and at the end how many
/// there were. Keys may be taken to a machine where nothing can be written: then it is said, and goes on.
pub struct Witness {
    audit: Audit,
    file: String,
    counts: Vec<(SealedBy, u64)>,
    is_mute: bool,
}

impl Witness {
    pub fn new(audit: Audit, file: &str) -> Witness {
        Witness { audit, file: file.to_owned(), counts: Vec::new(), is_mute: false }
    }

    pub fn opened(&mut self, opened: Opened) {
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

/// Also where nobody reads on.
impl Drop for Witness {
    fn drop(&mut self) {
        self.close();
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
