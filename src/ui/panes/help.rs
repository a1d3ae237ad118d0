//! The help overlay, built from the list of commands and the current keymap.

use crate::ui::canvas::{Span, plain, span};
use crate::ui::commands::{Group, VERBS};
use crate::ui::keymap::Keymap;
use crate::ui::theme::Role;

/// Number of lines: one per command, a title per group, and an empty line between groups.
pub const LENGTH: usize = VERBS.len() + 2 * Group::ALL.len() - 1;

pub fn lines(keymap: &Keymap) -> Vec<Vec<Span<'static>>> {
    let mut lines: Vec<Vec<Span<'static>>> = Vec::with_capacity(LENGTH);
    for group in Group::ALL {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(vec![span(group.title(), Role::Header)]);
        for info in VERBS.iter().filter(|info| info.group == group) {
            let keys: Vec<String> =
                keymap.keys(info.verb).iter().map(ToString::to_string).collect();
            let keys = match keys.is_empty() {
                true => format!("  {:<14}", format!(":{}", info.name)),
                false => format!("  {:<14}", keys.join(" ")),
            };
            lines.push(vec![span(keys, Role::Key), plain(info.help)]);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command() {
        assert_eq!(lines(&Keymap::default()).len(), LENGTH);
    }
}
