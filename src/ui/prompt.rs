//! The line at the bottom in which a search, a filter or a command is typed.

use super::key::{Code, Key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Search,
    Filter,
    Command,
}

impl Asked {
    pub fn sign(self) -> char {
        match self {
            Asked::Search => '/',
            Asked::Filter => '&',
            Asked::Command => ':',
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub asked: Asked,
    pub text: String,
    /// In bytes, at a character's boundary.
    pub cursor: usize,
    /// What is wrong with the text, in its own words.
    pub problem: Option<String>,
}

/// What a key did to the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    Edited,
    Entered,
    Left,
}

/// Longer texts are no searches.
const LONGEST: usize = 4096;

impl Prompt {
    pub fn new(asked: Asked) -> Self {
        Prompt { asked, text: String::new(), cursor: 0, problem: None }
    }

    pub fn key(&mut self, key: Key) -> Typed {
        self.problem = None;
        match (key.code, key.ctrl) {
            (Code::Enter, _) => return Typed::Entered,
            (Code::Esc, _) | (Code::Char('c' | 'g'), true) => return Typed::Left,
            (Code::Backspace, _) if self.text.is_empty() => return Typed::Left,
            (Code::Backspace, _) => {
                self.cursor = self.before_cursor();
                self.text.remove(self.cursor);
            }
            (Code::Delete, _) if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            (Code::Left, _) => self.cursor = self.before_cursor(),
            (Code::Right, _) => self.cursor = self.after_cursor(),
            (Code::Home, _) | (Code::Char('a'), true) => self.cursor = 0,
            (Code::End, _) | (Code::Char('e'), true) => self.cursor = self.text.len(),
            (Code::Char('u'), true) => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            (Code::Char('w'), true) => self.drop_word(),
            (Code::Char(character), false) if !key.alt => self.insert(&character.to_string()),
            _ => {}
        }
        Typed::Edited
    }

    /// Typed or pasted; line ends and other controls are left out.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars().filter(|character| !character.is_control()) {
            if self.text.len() + character.len_utf8() > LONGEST {
                break;
            }
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    fn drop_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let start = before.rfind(' ').map_or(0, |at| at + 1);
        self.text.drain(start..self.cursor);
        self.cursor = start;
    }

    fn before_cursor(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn after_cursor(&self) -> usize {
        let next = self.text[self.cursor..].chars().next().map_or(0, char::len_utf8);
        self.cursor + next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> Prompt {
        let mut prompt = Prompt::new(Asked::Search);
        for name in keys.split(' ') {
            prompt.key(name.parse().unwrap());
        }
        prompt
    }

    #[test]
    fn text_is_edited_where_the_cursor_stands() {
        assert_eq!(typed("a ä c left left backspace").text, "äc");
        assert_eq!(typed("a b space c d ctrl-w x").text, "ab x");
        assert_eq!(typed("a b home c right delete end d").text, "cad");
        assert_eq!(typed("a b left ctrl-u").text, "b");
    }

    #[test]
    fn a_backspace_in_nothing_leaves() {
        assert_eq!(Prompt::new(Asked::Filter).key(Key::plain(Code::Backspace)), Typed::Left);
    }

    #[test]
    fn a_paste_is_one_short_line() {
        let mut prompt = Prompt::new(Asked::Search);
        prompt.insert("a\r\nb\x1b[31m");
        assert_eq!(prompt.text, "ab[31m");
        prompt.insert(&"x".repeat(10_000));
        assert_eq!(prompt.text.len(), LONGEST);
    }
}
