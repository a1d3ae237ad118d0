//! Makes text from outside safe to show: on a terminal, in a CSV cell, in a header.
//!
//! For a terminal, characters that could control it or deceive its reader are replaced with a visible form: a control
//! character with its picture (ESC becomes `␛`), a C1 control, bidirectional or zero-width character with its code
//! point (`<U+202E>`). A CSV cell keeps all its characters; a header loses the unsafe ones. Text that needs no change
//! is not copied.

use std::borrow::Cow;
use std::fmt::Write;

/// One line that is safe on a terminal. A tab becomes one space, a line end becomes `␊`.
pub fn line(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_unsafe) else { return Cow::Borrowed(text) };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    for character in text[first..].chars() {
        push_safe(&mut safe, character);
    }
    Cow::Owned(safe)
}

/// Like [`line`], for bytes: invalid UTF-8 becomes U+FFFD.
pub fn line_of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => line(text),
        Cow::Owned(text) => match line(&text) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(safe) => Cow::Owned(safe),
        },
    }
}

/// A cell of a CSV file, quoted if necessary. A cell that a spreadsheet would run as a formula (it begins with `=`,
/// `+`, `-` or `@`) gets an apostrophe before it, unless it is a plain number.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let first = text.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']).chars().next();
    let formula = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'))
        || text.starts_with(['\t', '\r']);
    let formula = formula && text.parse::<f64>().is_err();
    let quoted = text.contains(['"', ',', ';', '\n', '\r', '\t'])
        || text.starts_with(' ')
        || text.ends_with(' ');
    if !formula && !quoted {
        return Cow::Borrowed(text);
    }
    let mut cell = String::with_capacity(text.len() + 8);
    if formula && !quoted {
        cell.push('\'');
        cell.push_str(text);
        return Cow::Owned(cell);
    }
    cell.push('"');
    if formula {
        cell.push('\'');
    }
    cell.push_str(&text.replace('"', "\"\""));
    cell.push('"');
    Cow::Owned(cell)
}

/// The value of a mail or HTTP header: one line without control or invisible characters.
pub fn header(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let spaced = |character| match character {
        '\t' | '\n' | '\r' => Some(' '),
        character if is_unsafe(character) => None,
        character => Some(character),
    };
    Cow::Owned(text.chars().filter_map(spaced).collect())
}

/// Whether a character controls a terminal, is invisible, or changes the order of the text around it.
pub fn is_unsafe(character: char) -> bool {
    match character {
        ' '..='~' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

fn push_safe(safe: &mut String, character: char) {
    match character {
        '\t' => safe.push(' '),
        '\0'..='\u{1f}' => safe.push(picture(0x2400 + character as u32)),
        '\u{7f}' => safe.push('␡'),
        _ if is_unsafe(character) => {
            write!(safe, "<U+{:04X}>", character as u32).expect("a String takes any text");
        }
        _ => safe.push(character),
    }
}

fn picture(code: u32) -> char {
    char::from_u32(code).expect("U+2400 to U+241F are characters")
}

#[cfg(test)]
mod tests;
