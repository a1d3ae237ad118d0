//! Writes the output of a command to standard output: buffered, flushed at the end, errors reported.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Runs `write` with a buffered stdout. A closed pipe is an error here; `exit::report` turns it into success.
pub fn to_stdout(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    write(&mut out)?;
    out.flush()?;
    Ok(())
}
