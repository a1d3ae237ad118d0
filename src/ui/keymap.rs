//! Maps keys to commands: `assets/keymap.toml`, compiled in, with optional overrides.

use std::collections::HashMap;

use super::commands::{VERBS, Verb};
use super::key::Key;

const DEFAULT: &str = include_str!("../../assets/keymap.toml");

/// The command of each key, and the keys of each command.
///
/// Invariant: each key runs one command.
#[derive(Clone, Debug)]
pub struct Keymap {
    by_key: HashMap<Key, Verb>,
    /// In the order of the file; the first key is shown in the key bar.
    by_verb: HashMap<Verb, Vec<Key>>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    #[error("the keymap is not valid TOML: {0}")]
    Syntax(String),
    #[error("unknown command `{0}` in the keymap; the help of the screen (?) lists all commands")]
    UnknownCommand(String),
    #[error("invalid key for `{command}` in the keymap: {problem}")]
    Key { command: String, problem: String },
    #[error(
        "the keymap assigns `{key}` to both `{first}` and `{second}`; a key can run only one command"
    )]
    Twice { key: String, first: &'static str, second: &'static str },
}

impl Default for Keymap {
    fn default() -> Self {
        Keymap::with(None).expect("assets/keymap.toml is valid; a test checks it")
    }
}

impl Keymap {
    /// The defaults, overridden by the entries of `own`.
    pub fn with(own: Option<&str>) -> Result<Self, KeymapError> {
        let mut by_verb = HashMap::new();
        for text in [Some(DEFAULT), own].into_iter().flatten() {
            read(text, &mut by_verb)?;
        }
        let mut by_key = HashMap::new();
        for info in VERBS {
            for key in by_verb.get(&info.verb).into_iter().flatten() {
                if let Some(first) = by_key.insert(*key, info.verb) {
                    return Err(KeymapError::Twice {
                        key: key.to_string(),
                        first: first.info().name,
                        second: info.name,
                    });
                }
            }
        }
        Ok(Keymap { by_key, by_verb })
    }

    pub fn verb(&self, key: Key) -> Option<Verb> {
        self.by_key.get(&key).copied()
    }

    pub fn keys(&self, verb: Verb) -> &[Key] {
        self.by_verb.get(&verb).map_or(&[], Vec::as_slice)
    }
}

fn read(text: &str, by_verb: &mut HashMap<Verb, Vec<Key>>) -> Result<(), KeymapError> {
    let table: HashMap<String, Vec<String>> =
        toml::from_str(text).map_err(|error| KeymapError::Syntax(error.to_string()))?;
    for (command, names) in table {
        let Some(info) = VERBS.iter().find(|info| info.name == command) else {
            return Err(KeymapError::UnknownCommand(command));
        };
        let keys: Result<Vec<Key>, String> = names.iter().map(|name| name.parse()).collect();
        let keys = keys.map_err(|problem| KeymapError::Key { command, problem })?;
        by_verb.insert(info.verb, keys);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_except_typed_ones_has_a_key_and_key_names_round_trip() {
        let keymap = Keymap::default();
        for info in VERBS {
            let typed = matches!(info.verb, Verb::Reload | Verb::Messages);
            assert_eq!(keymap.keys(info.verb).is_empty(), typed, "{}", info.name);
            for key in keymap.keys(info.verb) {
                assert_eq!(key.to_string().parse(), Ok(*key));
                assert_eq!(keymap.verb(*key), Some(info.verb));
            }
        }
    }

    #[test]
    fn an_override_changes_only_the_commands_it_names() {
        let keymap = Keymap::with(Some("down = ['J']")).unwrap();
        assert_eq!(keymap.verb(Key::char('J')), Some(Verb::Down));
        assert_eq!(keymap.verb(Key::char('j')), None);
        assert_eq!(keymap.verb(Key::char('k')), Some(Verb::Up));
    }

    #[test]
    fn an_invalid_keymap_is_reported() {
        let problem = |text| Keymap::with(Some(text)).unwrap_err().to_string();
        assert!(problem("down = ['k']").contains("`k`"));
        assert!(problem("dwn = ['k']").contains("`dwn`"));
        assert!(problem("down = ['jj']").contains("`jj` is not a key"));
        assert!(problem("down = ").contains("not valid TOML"));
    }
}
