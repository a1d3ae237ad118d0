//! `logwarden keys list` and `keys check`: print the state of every key; `check` fails if a key is unusable.

use std::io::Write;

use serde::Serialize;

use crate::base::{rfc3339, sanitize, with_causes};
use crate::cli::exit::{Exit, say};
use crate::cli::output::to_stdout;
use crate::privacy::Keyring;
use crate::privacy::keys::{KeyState, ListedKey};

/// One key: an object of `--format json`, or a row of the table.
#[derive(Serialize)]
struct KeyRow {
    key: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// The day on which the key was destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    destroyed: Option<String>,
    used: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl KeyRow {
    fn of(listed: ListedKey) -> KeyRow {
        let ListedKey { slot, state, used } = listed;
        let mut row = KeyRow {
            key: slot.to_string(),
            state: "ready",
            id: None,
            created: None,
            destroyed: None,
            used,
            problem: None,
        };
        match state {
            KeyState::Ready { id, created } => {
                row.id = Some(id.to_string());
                row.created = Some(rfc3339::text(created, 0));
            }
            KeyState::Destroyed { id, day } => {
                row.state = "destroyed";
                row.id = id.map(|id| id.to_string());
                row.destroyed = Some(day);
            }
            KeyState::Unusable(error) => {
                row.state = "unusable";
                row.problem = Some(with_causes(&error));
            }
        }
        row
    }

    /// The state in words.
    fn remark(&self) -> String {
        match (&self.destroyed, &self.problem) {
            (Some(day), _) => format!("destroyed on {day}"),
            (_, Some(problem)) => format!("UNUSABLE: {problem}"),
            _ if self.used => "used".to_owned(),
            _ => "not used yet".to_owned(),
        }
    }
}

fn rows(keyring: &Keyring) -> anyhow::Result<Vec<KeyRow>> {
    Ok(keyring.list()?.into_iter().map(KeyRow::of).collect())
}

pub(super) fn list(keyring: &Keyring, json: bool) -> anyhow::Result<Exit> {
    let keys = rows(keyring)?;
    to_stdout(|out| match json {
        true => {
            keys.iter().try_for_each(|key| Ok(writeln!(out, "{}", serde_json::to_string(key)?)?))
        }
        false => table(out, &keys),
    })?;
    if keys.is_empty() && !json {
        say(format_args!("no keys in {}", keyring.directory().display()));
    }
    Ok(Exit::Done)
}

fn table(out: &mut impl Write, keys: &[KeyRow]) -> anyhow::Result<()> {
    let width = keys.iter().map(|key| key.key.len()).max().unwrap_or(0);
    if !keys.is_empty() {
        writeln!(out, "{:width$}  {:16}  {:20}  STATE", "KEY", "ID", "CREATED")?;
    }
    for key in keys {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (id, created, remark) = (or_none(&key.id), or_none(&key.created), key.remark());
        writeln!(out, "{:width$}  {id:16}  {created:20}  {}", key.key, sanitize::line(&remark))?;
    }
    Ok(())
}

pub(super) fn check(keyring: &Keyring) -> anyhow::Result<Exit> {
    let keys = rows(keyring)?;
    to_stdout(|out| {
        writeln!(
            out,
            "ok    {}: keys directory",
            sanitize::line(&keyring.directory().display().to_string())
        )?;
        for key in &keys {
            let (word, remark) = match &key.problem {
                Some(problem) => ("ERROR", problem.clone()),
                None => ("ok   ", key.remark()),
            };
            writeln!(out, "{word} {}: {}", key.key, sanitize::line(&remark))?;
        }
        Ok(())
    })?;
    Ok(if keys.iter().any(|key| key.problem.is_some()) { Exit::Failed } else { Exit::Done })
}
