//! The part of `logwarden check` about sealing: the monthly keys, log files whose name has no recognisable month, and
//! values too short to be sealed outside their own field. Creates nothing.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Finding;
use super::sources::within_deadline;
use crate::app::control::{self, Reply, Request};
use crate::app::settings::Settings;
use crate::base::{bytes, with_causes};
use crate::privacy::keys::{KeyError, KeyState, ListedKey, UsedKey};
use crate::privacy::{Keyring, Month};
use crate::state;

/// Findings about the key directory, the months with sealed values, and each key that is unusable.
pub(super) fn keys(settings: &Settings) -> Vec<Finding> {
    let directory = &settings.keys;
    let finding = |result| Finding { subject: format!("keys {}", directory.display()), result };
    let remembered = UsedKey::parse_all(&state::used_keys(&settings.directories.state));
    let keyring = Keyring::lazy(directory, false);
    keyring.remember(&remembered);
    let listed = match keyring.list() {
        Ok(listed) => listed,
        Err(KeyError::NoDirectory { .. }) => {
            return vec![finding(Ok("not found; created with the first key".to_owned()))];
        }
        Err(error) => return vec![finding(Err(with_causes(&error)))],
    };
    let count =
        |wanted: fn(&KeyState) -> bool| listed.iter().filter(|key| wanted(&key.state)).count();
    let ready = count(|state| matches!(state, KeyState::Ready { .. }));
    let destroyed = count(|state| matches!(state, KeyState::Destroyed { .. }));
    let text = format!("only its owner can write to it; {ready} usable, {destroyed} destroyed");
    let mut findings = vec![finding(Ok(text + &new_months(directory)))];
    findings.extend(used_months(&listed));
    for ListedKey { slot, state, .. } in listed {
        if let KeyState::Unusable(error) = state {
            findings
                .push(Finding { subject: format!("key {slot}"), result: Err(with_causes(&error)) });
        }
    }
    findings
}

/// A note if this user cannot create keys: the directory of another user may be read-only.
fn new_months(directory: &Path) -> String {
    match access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => String::new(),
        Err(error) => format!("; no key for a new month can be created ({error})"),
    }
}

/// Reports log files whose name contains a year but no recognisable month: the time of each event selects its key.
pub(super) fn months(settings: &Settings) -> Option<Finding> {
    if !settings.privacy.policy().hides_anything() {
        return None;
    }
    let paths = settings.sources.iter().flat_map(|source| source.paths.clone());
    let paths: Vec<PathBuf> = paths.collect();
    let odd = move || -> Vec<String> {
        let found = paths.iter().filter_map(|path| glob::glob(&path.to_string_lossy()).ok());
        let name = |path: PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        let names = found.flatten().flatten().filter_map(name);
        names.filter(|name| Month::is_missing_in(name)).collect()
    };
    // A mount that does not answer is reported for its source.
    let mut odd = within_deadline(odd)?;
    odd.sort();
    odd.dedup();
    let more = odd.len().saturating_sub(3);
    odd.truncate(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!odd.is_empty()).then(|| Finding {
        subject: "months of keys".to_owned(),
        result: Ok(format!(
            "{}{more}: the name contains a year but no recognisable month; each event is sealed with the key \
             for the month of its own timestamp",
            odd.join(", ")
        )),
    })
}

/// The months with sealed values, and whether their keys exist; no finding if nothing has been sealed yet.
fn used_months(listed: &[ListedKey]) -> Option<Finding> {
    let months = |wanted: fn(&KeyState) -> bool| -> Vec<Month> {
        let used = listed.iter().filter(|key| key.used && wanted(&key.state));
        let mut months: Vec<Month> = used.map(|key| key.slot.month).collect();
        months.dedup();
        months
    };
    let present = spans(&months(|state| matches!(state, KeyState::Ready { .. })));
    let missing =
        spans(&months(|state| matches!(state, KeyState::Unusable(KeyError::Missing { .. }))));
    let subject = "months with sealed values".to_owned();
    match (present.is_empty(), missing.is_empty()) {
        (true, true) => None,
        (false, true) => Some(Finding { subject, result: Ok(format!("{present}: key present")) }),
        (true, false) => Some(Finding { subject, result: Err(format!("{missing}: key missing")) }),
        (false, false) => {
            let text = format!("{missing}: key missing; {present}: key present");
            Some(Finding { subject, result: Err(text) })
        }
    }
}

/// Shows consecutive months as one span: `2021_March to 2022_May, 2023_June`.
fn spans(months: &[Month]) -> String {
    let follows = |a: &Month, b: &Month| a.index() + 1 == b.index();
    let runs = months.chunk_by(follows).map(|run| match run {
        [first, .., last] => format!("{first} to {last}"),
        run => run.iter().map(Month::to_string).collect(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Reports how many values were too short to be sealed outside their own field; the running engine counts them.
pub(super) fn unprotected(settings: &Settings) -> Option<Finding> {
    if !settings.privacy.policy().hides_anything() {
        return None;
    }
    let subject = "short values (≤ 3 chars), sealed only in their own field".to_owned();
    let asked = control::ask(&settings.directories.state, &Request::Status, &mut |_, _| {});
    let text = match asked {
        Ok(Reply::Status { status, .. }) => {
            let counts = status.sinks.iter().filter(|sink| sink.unprotected_values > 0);
            let counts = counts
                .map(|sink| format!("{} to {}", bytes::count(sink.unprotected_values), sink.name));
            match counts.collect::<Vec<_>>() {
                none if none.is_empty() => "none since the engine started".to_owned(),
                some => format!(
                    "{} since the engine started; occurrences in other fields or in messages stay in plain text",
                    some.join(", ")
                ),
            }
        }
        _ => "not known, because no engine is running".to_owned(),
    };
    Some(Finding { subject, result: Ok(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_months_are_shown_as_one_span() {
        let months = |texts: &[&str]| -> Vec<Month> {
            texts.iter().map(|text| Month::typed(text).unwrap()).collect()
        };
        let check = |texts: &[&str], expected: &str| assert_eq!(spans(&months(texts)), expected);
        check(&[], "");
        check(&["2021_April"], "2021_April");
        check(&["2021_December", "2022_January"], "2021_December to 2022_January");
        check(
            &["2021-01", "2021-02", "2021-03", "2021-05", "always"],
            "2021_January to 2021_March, 2021_May, always",
        );
    }
}
