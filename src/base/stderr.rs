//! Writes messages to standard error without ever panicking or failing, even if its reader has gone (a closed terminal,
//! or `2>&1 | head -1`): a line that cannot be written is dropped. Nothing else writes to standard error, because
//! `eprintln!` panics in that case.
//!
//! Standard error may also block for hours (Ctrl-S, a pipe without a reader). A process that must not wait for it
//! registers a [`Taker`], which receives every text instead and writes it from its own thread.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Accepts a text without waiting.
pub type Taker = Box<dyn Fn(String) + Send + Sync>;

static TAKER: OnceLock<Taker> = OnceLock::new();

/// From now until the process ends, `taker` receives every text. Later calls have no effect.
pub fn hand_to(taker: Taker) {
    let _ = TAKER.set(taker);
}

/// Writes `text` and a line end in one call.
pub fn line(text: impl Display) {
    text_as_is(format!("{text}\n"));
}

/// Writes `text` without a line end, for example a question whose answer is typed after it.
pub fn text_as_is(text: impl Display) {
    match TAKER.get() {
        Some(taker) => taker(text.to_string()),
        None => write_now(&text.to_string()),
    }
}

/// Writes `text` itself, not through the [`Taker`], and waits until it is written: for the thread of the `Taker`.
pub fn write_now(text: &str) {
    write_to(&mut io::stderr(), text);
}

fn write_to(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A writer that never fails, for code that would report its write errors on standard error.
#[derive(Clone, Copy, Debug)]
pub struct Lossy;

impl Write for Lossy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        text_as_is(String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct ClosedReader;

    impl Write for ClosedReader {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_standard_error_is_not_a_failure() {
        write_to(&mut ClosedReader, "a line\n");
    }
}
