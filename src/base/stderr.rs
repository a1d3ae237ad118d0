//! Standard error, which may be gone: a closed terminal, or `2>&1 | head -1`. A line that cannot be written is
//! dropped; nothing here panics or fails. `eprintln!` panics there, so nothing else writes to standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes this and a line end, in one piece.
pub fn line(text: impl Display) {
    text_as_is(format!("{text}\n"));
}

/// Writes this as it is: a question whose answer is typed behind it.
pub fn text_as_is(text: impl Display) {
    write_to(&mut io::stderr(), &text.to_string());
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
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
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
