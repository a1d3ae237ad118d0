//! Standard error, which may be gone: a closed terminal, or `2>&1 | head -1`. A line that cannot be written is
//! dropped; nothing here panics or fails. `eprintln!` panics there, so nothing else writes to standard error.
//!
//! It may also take nothing for hours (Ctrl-S, a pipe that nobody reads). Where that must hold up nobody, a [`Taker`]
//! gets every text instead, and writes it from a thread of its own.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Takes a text without waiting.
pub type Taker = Box<dyn Fn(String) + Send + Sync>;

static TAKER: OnceLock<Taker> = OnceLock::new();

/// From now on, until the process ends, this one gets every text. A second one is not asked.
pub fn hand_to(taker: Taker) {
    let _ = TAKER.set(taker);
}

/// Writes this and a line end, in one piece.
pub fn line(text: impl Display) {
    text_as_is(format!("{text}\n"));
}

/// Writes this as it is: a question whose answer is typed behind it.
pub fn text_as_is(text: impl Display) {
    match TAKER.get() {
        Some(taker) => taker(text.to_string()),
        None => write_now(&text.to_string()),
    }
}

/// For the thread that writes for all others: waits until it is taken.
pub fn write_now(text: &str) {
    write_to(&mut io::stderr(), text);
}

fn write_to(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A writer that never fails, for those who would say on standard error that they cannot write to it.
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

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        write_to(&mut Gone, "a line\n");
    }
}
