//! Decrypts the tokens in a command's output while it is written. Each is recorded in the audit log before it is shown.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use crate::base::{bytes, sanitize};
use crate::cli::exit::{Exit, say};
use crate::privacy::audit::{self, TokenLocation};
use crate::privacy::decrypt_stream::StreamDecryptor;
use crate::privacy::decryptor::{DecryptedValue, KeyAndField};
use crate::privacy::{Audit, AuditError, DecryptError, Decryptor};

/// A writer that decrypts tokens on the way to `out`. Memory is bounded: one token at a time.
pub struct DecryptingWriter<'o, W> {
    stream: StreamDecryptor<'o>,
    recorder: AuditRecorder,
    failures: Failures,
    plain: Vec<u8>,
    out: W,
    on_terminal: bool,
}

impl<'o, W: Write> DecryptingWriter<'o, W> {
    /// `out` writes to standard output: if that is a terminal, control characters are made visible.
    pub fn new(decryptor: &'o Decryptor, recorder: AuditRecorder, out: W) -> Self {
        DecryptingWriter {
            stream: StreamDecryptor::new(decryptor),
            recorder,
            failures: Failures::default(),
            plain: Vec::new(),
            out,
            on_terminal: io::stdout().is_terminal(),
        }
    }

    /// `true`: the output is text for people, so values are sanitised and stay on one line.
    #[must_use]
    pub fn on_one_line(mut self, text: bool) -> Self {
        self.stream = self.stream.on_one_line(text);
        self
    }

    /// Writes the rest of the output, and reports the tokens that could not be decrypted.
    pub fn end(mut self) -> io::Result<Exit> {
        self.decrypt(None)?;
        self.out.flush()?;
        let opened = self.recorder.close();
        Ok(self.failures.report(opened))
    }

    /// Writes `bytes` with the tokens decrypted. `None`: end of input.
    fn decrypt(&mut self, bytes: Option<&[u8]>) -> io::Result<()> {
        // Each value is recorded before it is written to `out`.
        let each = &mut |found| match found {
            Ok(opened) => self.recorder.opened(opened),
            Err(error) => self.failures.add(&error),
        };
        match bytes {
            None => self.stream.finish(&mut self.plain, each),
            Some(bytes) => self.stream.push(bytes, &mut self.plain, each),
        }
        match self.on_terminal {
            true => self.out.write_all(harmless_text(&self.plain).as_bytes())?,
            false => self.out.write_all(&self.plain)?,
        }
        self.plain.clear();
        Ok(())
    }
}

impl<W: Write> Write for DecryptingWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.decrypt(Some(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Makes control characters visible, so that decrypted text cannot control the terminal.
fn harmless_text(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').map(sanitize::line_of_bytes);
    lines.collect::<Vec<_>>().join("\n")
}

/// Records decrypted tokens in the audit log: for each key and field, the first token before its value is shown, and
/// the number of tokens at the end. If the log cannot be written, as on another machine, it warns once, and decryption
/// continues.
pub struct AuditRecorder {
    audit: Audit,
    file: String,
    counts: Vec<(KeyAndField, u64)>,
    has_failed: bool,
}

impl AuditRecorder {
    pub fn new(audit: Audit, file: &str) -> AuditRecorder {
        AuditRecorder { audit, file: file.to_owned(), counts: Vec::new(), has_failed: false }
    }

    pub fn opened(&mut self, opened: DecryptedValue) {
        let (sealed, opened) = (opened.sealed_by(), [opened]);
        if let Some(file) = audit::without(&self.file, &opened) {
            self.file = file;
        }
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == sealed) {
            *count += 1;
            return;
        }
        self.counts.push((sealed, 1));
        self.record(|audit, place| audit.opened(&opened, place));
    }

    /// Returns the number of decrypted tokens.
    fn close(&mut self) -> u64 {
        let counts = std::mem::take(&mut self.counts);
        let several: Vec<_> = counts.iter().filter(|(_, count)| *count > 1).cloned().collect();
        if !several.is_empty() {
            self.record(|audit, place| audit.counted(&several, place));
        }
        counts.iter().map(|(_, count)| count).sum()
    }

    fn record(&mut self, write: impl FnOnce(&Audit, TokenLocation<'_>) -> Result<(), AuditError>) {
        if self.has_failed {
            return;
        }
        if let Err(error) = write(&self.audit, TokenLocation { file: &self.file, offset: None }) {
            self.has_failed = true;
            let reason = error.reason();
            say(format_args!("{reason}; decryption continues without an audit record"));
        }
    }
}

/// Records the counts also if the output is closed early.
impl Drop for AuditRecorder {
    fn drop(&mut self) {
        self.close();
    }
}

/// Counts the tokens that could not be decrypted, by reason.
#[derive(Default)]
struct Failures {
    count: u64,
    reasons: BTreeMap<String, u64>,
    others: u64,
}

impl Failures {
    const MAX_REASONS: usize = 20;

    fn add(&mut self, error: &DecryptError) {
        self.count += 1;
        let reason = error.reason();
        if self.reasons.len() < Self::MAX_REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    fn report(&self, opened: u64) -> Exit {
        if self.count == 0 {
            return Exit::Done;
        }
        let (failed, all) = (bytes::count(self.count), bytes::count(self.count + opened));
        say(format_args!("{failed} of {all} tokens cannot be decrypted and are copied unchanged"));
        for (reason, count) in &self.reasons {
            say(format_args!("  {} × {reason}", bytes::count(*count)));
        }
        if self.others > 0 {
            say(format_args!("  {} × other reasons", bytes::count(self.others)));
        }
        Exit::Failed
    }
}
