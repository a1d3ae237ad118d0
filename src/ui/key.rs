//! [`Key`]: a key press with its modifiers, and its name in the key map and help: `j`, `space`, `ctrl-d`, `pgup`,
//! `shift-tab`.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Function(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub code: Code,
    pub ctrl: bool,
    pub alt: bool,
}

impl Key {
    pub fn plain(code: Code) -> Self {
        Key { code, ctrl: false, alt: false }
    }

    pub fn char(character: char) -> Self {
        Key::plain(Code::Char(character))
    }

    pub fn ctrl(character: char) -> Self {
        Key { code: Code::Char(character), ctrl: true, alt: false }
    }
}

const NAMES: [(&str, Code); 16] = [
    ("space", Code::Char(' ')),
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("shift-tab", Code::BackTab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("insert", Code::Insert),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pgup", Code::PageUp),
    ("pgdn", Code::PageDown),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = String::new();
        if self.ctrl {
            name.push_str("ctrl-");
        }
        if self.alt {
            name.push_str("alt-");
        }
        match (self.code, NAMES.iter().find(|(_, code)| *code == self.code)) {
            (_, Some((known, _))) => name.push_str(known),
            (Code::Char(character), None) => name.push(character),
            (Code::Function(number), None) => name.push_str(&format!("f{number}")),
            (code, None) => name.push_str(&format!("{code:?}")),
        }
        f.pad(&name)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Key::plain(*code));
        }
        let unknown = || {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!(
                "`{text}` is not a key; expected one character, ctrl- or alt- with a key, f1 to f12, or one of {}",
                names.join(", ")
            )
        };
        let mut characters = text.chars();
        if let (Some(character), None) = (characters.next(), characters.next()) {
            return Ok(Key::char(character));
        }
        if let Some(rest) = text.strip_prefix("ctrl-") {
            let key: Key = rest.parse().map_err(|_| unknown())?;
            return Ok(Key { ctrl: true, ..key });
        }
        if let Some(rest) = text.strip_prefix("alt-") {
            let key: Key = rest.parse().map_err(|_| unknown())?;
            return Ok(Key { alt: true, ..key });
        }
        match text.strip_prefix('f').and_then(|number| number.parse().ok()) {
            Some(number @ 1..=12) => Ok(Key::plain(Code::Function(number))),
            _ => Err(unknown()),
        }
    }
}
