//! Reads the members of a JSON object without building a tree: keys are borrowed, values stay raw.
//!
//! Only the top level is checked; the content of nested values is skipped without validation.

/// A value as it is in the text.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// The text between the quotes, and whether it contains an escape.
    Text(&'a [u8], bool),
    /// A number, `true`, `false` or `null`.
    Scalar(&'a [u8]),
    /// An object or array with its brackets.
    Nested(&'a [u8]),
}

/// Passes the members of the object `text` to `each`: the key without its quotes, whether it contains an escape, and
/// the value. `None` if `text` is not exactly one complete object.
#[inline]
pub fn members<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], bool, Raw<'a>)) -> Option<()> {
    let mut at = space(text, 0);
    if *text.get(at)? != b'{' {
        return None;
    }
    at = space(text, at + 1);
    if *text.get(at)? == b'}' {
        return end(text, at + 1);
    }
    loop {
        if *text.get(at)? != b'"' {
            return None;
        }
        let (close, escaped) = string(text, at + 1)?;
        let key = &text[at + 1..close];
        at = space(text, close + 1);
        if *text.get(at)? != b':' {
            return None;
        }
        at = space(text, at + 1);
        let (value, after) = value(text, at)?;
        each(key, escaped, value);
        at = space(text, after);
        match *text.get(at)? {
            b',' => at = space(text, at + 1),
            b'}' => return end(text, at + 1),
            _ => return None,
        }
    }
}

/// Only white space follows.
fn end(text: &[u8], at: usize) -> Option<()> {
    (space(text, at) == text.len()).then_some(())
}

#[inline]
fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn value(text: &[u8], at: usize) -> Option<(Raw<'_>, usize)> {
    match *text.get(at)? {
        b'"' => {
            let (close, escaped) = string(text, at + 1)?;
            Some((Raw::Text(&text[at + 1..close], escaped), close + 1))
        }
        b'{' | b'[' => {
            let after = nested(text, at)?;
            Some((Raw::Nested(&text[at..after]), after))
        }
        _ => {
            let after = scalar(text, at)?;
            Some((Raw::Scalar(&text[at..after]), after))
        }
    }
}

/// End of the string that began before `at`, and whether it contains an escape.
#[inline]
pub fn string(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        // Eight bytes at a time: is one of them a quote or a backslash?
        while let Some(chunk) = text.get(at..at + 8) {
            let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes were taken"));
            let hits = equal(word, b'"') | equal(word, b'\\');
            if hits != 0 {
                at += (hits.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match *text.get(at)? {
            b'"' => return Some((at, escaped)),
            b'\\' => {
                escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// The high bit of each byte that equals `wanted`. Only the first one is reliable, and only that one is used.
#[inline]
fn equal(word: u64, wanted: u8) -> u64 {
    let difference = word ^ (0x0101_0101_0101_0101 * wanted as u64);
    difference.wrapping_sub(0x0101_0101_0101_0101) & !difference & 0x8080_8080_8080_8080
}

/// End of the object or array that begins at `at`.
fn nested(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match *text.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' => at = string(text, at + 1)?.0,
            _ => {}
        }
        at += 1;
    }
}

/// End of the number or word that begins at `at`. Accepts only valid JSON.
fn scalar(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at..];
    for word in [&b"true"[..], b"false", b"null"] {
        if rest.starts_with(word) {
            return Some(at + word.len());
        }
    }
    number(rest).map(|length| at + length)
}

fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// The depth after a line that began at `depth`; `None` if the line is not part of a JSON text: it ends inside a
/// string, or closes more brackets than are open.
pub fn depth(line: &[u8], mut depth: u32) -> Option<u32> {
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => at = string(line, at + 1)?.0,
            _ => {}
        }
        at += 1;
    }
    Some(depth)
}
