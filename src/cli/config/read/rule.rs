//! `[rule.NAME]` and `[notifier.NAME]`.

use std::time::Duration;

use super::super::section::Section;
use super::without_effect;
use crate::alert::RuleConfig;
use crate::app::settings::NotifierSettings;

const OTHER_KINDS: [&str; 6] = ["absence", "spike", "change", "new_value", "distinct", "ratio"];
/// A rule that fires at every match looks no further back.
const SHORTEST_WINDOW: Duration = Duration::from_secs(60);

pub fn read(name: &str, section: &mut Section<'_>) -> Option<RuleConfig> {
    let place = section.place().clone();
    let enabled = section.flag("enabled").unwrap_or(true);
    let kind = section.text("kind").unwrap_or_else(|| "threshold".to_owned());
    without_effect(section, &WITHOUT_EFFECT);
    if kind != "threshold" {
        let problem = match OTHER_KINDS.contains(&kind.as_str()) {
            true => format!("rule `{name}`: this version has threshold rules only, not `{kind}`"),
            false => format!("rule `{name}`: unknown kind `{kind}`; write threshold"),
        };
        section.findings.error(&place, problem);
        section.ignore_rest();
        return None;
    }
    let condition = section.query("where");
    if condition.is_none() && !section.has("where") {
        let problem = format!("[rule.{name}] needs `where`, as in where = \"level:error\"");
        section.findings.error(&place, problem);
    }
    let count = section.number("count", 1, u64::from(u32::MAX)).unwrap_or(1);
    let window = section.duration("window");
    if window.is_none() && !section.has("window") && count > 1 {
        let problem = format!("[rule.{name}] needs `window`, as in window = \"5m\"");
        section.findings.error(&place, problem);
    }
    if window.is_some_and(|window| window.is_zero()) {
        section
            .findings
            .error(&place, format!("rule.{name}.window is empty; write one as in \"5m\""));
    }
    let by = section.plain_texts("by").unwrap_or_default();
    let keep_firing_for = section.duration("keep_firing_for").unwrap_or_default();
    let (condition, condition_text) = condition?;
    let window = window.unwrap_or(SHORTEST_WINDOW);
    let name = name.to_owned();
    enabled.then_some(RuleConfig {
        name,
        condition,
        condition_text,
        count,
        window,
        by,
        keep_firing_for,
    })
}

/// Parts of the contract that come with durable incidents and messages.
const WITHOUT_EFFECT: [&str; 15] = [
    "for",
    "severity",
    "resolve_below",
    "notify",
    "fallback",
    "escalate",
    "realert",
    "realert_max",
    "inhibited_by",
    "samples",
    "summary",
    "runbook",
    "time",
    "late",
    "max_keys",
];

pub fn notifier(name: &str, section: &mut Section<'_>) -> Option<NotifierSettings> {
    let kinds = ["console", "file", "email", "webhook", "command", "redis"];
    let kind = section.choice("kind", &kinds.map(|kind| (kind, kind)));
    for key in ["smtp", "from", "username", "password_file", "password_env", "path", "url_file"] {
        section.text(key);
    }
    for key in ["to", "command", "quiet"] {
        section.texts(key);
    }
    section.choice("starttls", &[("required", ()), ("off", ())]);
    for key in ["channel", "ca_file", "timezone"] {
        section.text(key);
    }
    section.duration("heartbeat");
    let place = section.place().clone();
    let Some(kind) = kind else {
        if !section.has("kind") {
            let problem = format!("[notifier.{name}] needs `kind`: {}", kinds.join(", "));
            section.findings.error(&place, problem);
        }
        return None;
    };
    let note = format!(
        "notifier.{name} has no effect in this version: rules show on the screen and on stderr"
    );
    section.findings.note(&place, note);
    Some(NotifierSettings { name: name.to_owned(), kind: kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::super::{Layers, read};
    use crate::base::Timestamp;

    #[test]
    fn the_default_settings_hold_the_default_rules() {
        let configured = read(Layers::read_defaults(), Timestamp(0)).unwrap();
        let mut expected = crate::alert::defaults();
        let mut found = configured.rules;
        expected.sort_by(|left, right| left.name.cmp(&right.name));
        found.sort_by(|left, right| left.name.cmp(&right.name));
        assert_eq!(found, expected);
    }
}
