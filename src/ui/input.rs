//! Decodes terminal bytes into keys and pastes. Pure: [`super::keyboard`] reads the terminal and feeds it.
//!
//! It replaces the reader of crossterm 0.29, which loops forever once the terminal is gone and can leave unread
//! bytes that no poll reports again. It knows the sequences of xterm, the Linux console, tmux and GNU screen.

use super::key::{Code, Key};

/// A key press or a paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Key(Key),
    /// Text of a bracketed paste, at most [`MAX_PASTE_BYTES`] bytes.
    Paste(String),
}

const MAX_PASTE_BYTES: usize = 64 * 1024;
const PASTE_START: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// Decodes bytes as they arrive from the terminal.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes that are not decoded yet.
    pending: Vec<u8>,
    /// The text of a paste that has not ended.
    paste: Option<Vec<u8>>,
}

impl Decoder {
    /// Adds bytes from the terminal; appends the inputs that are now complete to `inputs`.
    pub fn feed(&mut self, bytes: &[u8], inputs: &mut Vec<Input>) {
        self.pending.extend_from_slice(bytes);
        while !self.pending.is_empty() {
            let used = match self.paste {
                Some(_) => self.paste_more(inputs),
                None => self.key(inputs),
            };
            if used == 0 {
                break;
            }
            self.pending.drain(..used);
        }
    }

    /// An escape sequence is incomplete: call [`Decoder::finish_escape`] if no more bytes arrive in time.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty() && self.paste.is_none()
    }

    /// No bytes followed the escape: it was the Esc key itself.
    pub fn finish_escape(&mut self, inputs: &mut Vec<Input>) {
        if self.pending.first() == Some(&0x1b) {
            inputs.push(Input::Key(Key::plain(Code::Esc)));
        }
        self.pending.clear();
    }

    fn paste_more(&mut self, inputs: &mut Vec<Input>) -> usize {
        let end = memchr::memmem::find(&self.pending, PASTE_END);
        // The last bytes may be the start of the end marker.
        let take = end.unwrap_or(self.pending.len().saturating_sub(PASTE_END.len() - 1));
        if let Some(paste) = &mut self.paste {
            let room = MAX_PASTE_BYTES.saturating_sub(paste.len()).min(take);
            paste.extend_from_slice(&self.pending[..room]);
        }
        match end {
            Some(end) => {
                let paste = self.paste.take().unwrap_or_default();
                inputs.push(Input::Paste(String::from_utf8_lossy(&paste).into_owned()));
                end + PASTE_END.len()
            }
            None => take,
        }
    }

    /// Decodes the key at the front; returns its length in bytes, 0 if it is incomplete.
    fn key(&mut self, inputs: &mut Vec<Input>) -> usize {
        let bytes = &self.pending;
        if bytes.starts_with(PASTE_START) {
            self.paste = Some(Vec::new());
            return PASTE_START.len();
        }
        let Some((key, used)) = decode(bytes) else { return 0 };
        if let Some(key) = key {
            inputs.push(Input::Key(key));
        }
        used
    }
}

/// The key at the front, `None` if it is unknown, and its length in bytes. The outer `None`: it is incomplete.
fn decode(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match bytes[0] {
        0x1b => escape(bytes),
        b'\r' | b'\n' => Some((Some(Key::plain(Code::Enter)), 1)),
        b'\t' => Some((Some(Key::plain(Code::Tab)), 1)),
        0x7f | 0x08 => Some((Some(Key::plain(Code::Backspace)), 1)),
        0 => Some((Some(Key::ctrl(' ')), 1)),
        control @ 1..=26 => Some((Some(Key::ctrl((control - 1 + b'a') as char)), 1)),
        control @ 28..=31 => Some((Some(Key::ctrl((control - 28 + b'4') as char)), 1)),
        _ => character(bytes),
    }
}

fn character(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let length = match bytes[0] {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((None, 1)),
    };
    let text = bytes.get(..length)?;
    match std::str::from_utf8(text).ok().and_then(|text| text.chars().next()) {
        Some(character) => Some((Some(Key::char(character)), length)),
        None => Some((None, 1)),
    }
}

fn escape(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match *bytes.get(1)? {
        b'[' => control_sequence(bytes),
        b'O' => {
            let key = match *bytes.get(2)? {
                last @ b'P'..=b'S' => Some(Code::Function(last - b'P' + 1)),
                last => letter(last),
            };
            Some((key.map(Key::plain), 3))
        }
        0x1b => Some((Some(Key::plain(Code::Esc)), 1)),
        _ => {
            let (key, used) = decode(&bytes[1..])?;
            Some((key.map(|key| Key { alt: true, ..key }), used + 1))
        }
    }
}

/// `ESC [ parameters final`.
fn control_sequence(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    if bytes.get(2) == Some(&b'[') {
        // The Linux console's F1 to F5.
        let code = match *bytes.get(3)? {
            last @ b'A'..=b'E' => Some(Code::Function(last - b'A' + 1)),
            _ => None,
        };
        return Some((code.map(Key::plain), 4));
    }
    let length = bytes[2..].iter().position(|byte| (0x40..=0x7e).contains(byte))?;
    let parameters = std::str::from_utf8(&bytes[2..2 + length]).unwrap_or("");
    let mut numbers = parameters.split(';').map(|number| number.parse::<u8>().unwrap_or(0));
    let first = numbers.next().unwrap_or(0);
    let modifiers = numbers.next().unwrap_or(1).saturating_sub(1);
    let code = match bytes[2 + length] {
        b'~' => numbered(first),
        b'Z' => Some(Code::BackTab),
        last => letter(last),
    };
    let key = code.map(|code| Key { code, ctrl: modifiers & 4 != 0, alt: modifiers & 2 != 0 });
    Some((key, length + 3))
}

/// The key of an escape sequence that ends with this letter.
fn letter(last: u8) -> Option<Code> {
    Some(match last {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        _ => return None,
    })
}

/// The key of the escape sequence `ESC [ number ~`.
fn numbered(number: u8) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        2 => Code::Insert,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        11..=15 => Code::Function(number - 10),
        17..=21 => Code::Function(number - 11),
        23 | 24 => Code::Function(number - 12),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
