//! Asks a person to type a word before something irreversible is done.

use std::io::{self, IsTerminal};

use anyhow::Context;

use crate::base::{sanitize, stderr};

/// Prints `Type April to destroy it: ` and compares the answer. Without a terminal the answer is no.
pub fn ask_to_type(word: &str, to: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    stderr::text_as_is(sanitize::line(&format!("Type {word} to {to}: ")));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim() == word)
}
