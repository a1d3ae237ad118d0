//! The prompt in the bottom line, in which a search, a filter or a command is typed.

use super::key::{Code, Key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    Search,
    Filter,
    Command,
}

impl PromptKind {
    pub fn symbol(self) -> char {
        match self {
            PromptKind::Search => '/',
            PromptKind::Filter => '&',
            PromptKind::Command => ':',
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub kind: PromptKind,
    pub text: String,
    /// In bytes, on a character boundary.
    pub cursor: usize,
    /// Error message for invalid text.
    pub problem: Option<String>,
}

/// Effect of a key on the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptResult {
    Edited,
    Entered,
    Cancelled,
}

/// Maximum length of the text, in bytes.
const MAX_BYTES: usize = 4096;

impl Prompt {
    pub fn new(kind: PromptKind) -> Self {
        Prompt { kind, text: String::new(), cursor: 0, problem: None }
    }

    /// Applies a key to the text.
    pub fn key(&mut self, key: Key) -> PromptResult {
        self.problem = None;
        match (key.code, key.ctrl) {
            (Code::Enter, _) => return PromptResult::Entered,
            (Code::Esc, _) | (Code::Char('c' | 'g'), true) => return PromptResult::Cancelled,
            (Code::Backspace, _) if self.text.is_empty() => return PromptResult::Cancelled,
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
        PromptResult::Edited
    }

    /// Inserts typed or pasted text without its control characters, up to the maximum length.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars().filter(|character| !character.is_control()) {
            if self.text.len() + character.len_utf8() > MAX_BYTES {
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
        let mut prompt = Prompt::new(PromptKind::Search);
        for name in keys.split(' ') {
            prompt.key(name.parse().unwrap());
        }
        prompt
    }

    #[test]
    fn text_is_edited_at_the_cursor() {
        assert_eq!(typed("a ä c left left backspace").text, "äc");
        assert_eq!(typed("a b space c d ctrl-w x").text, "ab x");
        assert_eq!(typed("a b home c right delete end d").text, "cad");
        assert_eq!(typed("a b left ctrl-u").text, "b");
    }

    #[test]
    fn backspace_in_an_empty_prompt_cancels() {
        assert_eq!(
            Prompt::new(PromptKind::Filter).key(Key::plain(Code::Backspace)),
            PromptResult::Cancelled
        );
    }

    #[test]
    fn a_paste_becomes_one_line_of_bounded_length() {
        let mut prompt = Prompt::new(PromptKind::Search);
        prompt.insert("a\r\nb\x1b[31m");
        assert_eq!(prompt.text, "ab[31m");
        prompt.insert(&"x".repeat(10_000));
        assert_eq!(prompt.text.len(), MAX_BYTES);
    }
}
