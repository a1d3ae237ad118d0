//! Basic functions on the bytes of lines and records, for all formats.

use std::borrow::Cow;

/// Converts to text; borrowed if the bytes are UTF-8, otherwise with U+FFFD for invalid bytes.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// The line without its `\n` or `\r\n`.
pub fn without_line_end(line: &[u8]) -> &[u8] {
    match line {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
        _ => line,
    }
}

/// Whether the line is empty or only white space.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// The first line of a record, without its line end.
pub fn first_line(text: &[u8]) -> &[u8] {
    match memchr::memchr(b'\n', text) {
        Some(end) => without_line_end(&text[..=end]),
        None => text,
    }
}

/// The number of NULs at the beginning of `bytes`.
pub fn nul_run(bytes: &[u8]) -> usize {
    // In blocks: a hole may be large.
    let blocks = bytes.chunks(64).take_while(|block| block.iter().all(|byte| *byte == 0));
    let passed: usize = blocks.map(<[u8]>::len).sum();
    passed + bytes[passed..].iter().take_while(|byte| **byte == 0).count()
}

/// The length of a hole at the beginning of `bytes`. A single NUL is not a hole: it may be half a UTF-16 unit.
pub fn leading_hole(bytes: &[u8]) -> usize {
    match nul_run(bytes) {
        1 => 0,
        run => run,
    }
}
