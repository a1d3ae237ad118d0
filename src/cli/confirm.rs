//! What cannot be undone is done when a person has typed a word for it.

use std::io::{self, IsTerminal};

use anyhow::Context;

use crate::base::{sanitize, stderr};

/// `Type April to destroy it: `; asked only where a person can answer.
pub fn typed(word: &str, to: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    stderr::text_as_is(sanitize::line(&format!("Type {word} to {to}: ")));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim() == word)
}
