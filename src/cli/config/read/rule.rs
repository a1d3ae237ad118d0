//! Reads `[rule.NAME]` and `[notifier.NAME]`.

use std::time::Duration;

use super::without_effect;
use crate::alert::RuleConfig;
use crate::app::settings::NotifierSettings;
use crate::base::bytes::parse_duration;
use crate::config::Section;

/// Kinds of rules that this version does not have.
const OTHER_KINDS: [&str; 6] = ["absence", "spike", "change", "new_value", "distinct", "ratio"];
/// Window of a rule with count 1 that sets none.
const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// `None`: the rule is disabled, or wrong; problems are recorded as findings.
pub fn read(name: &str, section: &mut Section<'_>) -> Option<RuleConfig> {
    let location = section.place().clone();
    let enabled = section.flag("enabled").unwrap_or(true);
    let mut is_other_kind = false;
    section.parsed("kind", |kind| {
        is_other_kind = OTHER_KINDS.contains(&kind);
        read_kind(kind)
    });
    without_effect(section, &WITHOUT_EFFECT);
    if is_other_kind {
        // Its other keys may be valid in a version that supports this kind.
        section.ignore_rest();
        return None;
    }
    let condition = section.query("where");
    if condition.is_none() && !section.has("where") {
        let problem = format!("[rule.{name}] needs `where`, for example where = \"level:error\"");
        section.findings.error(&location, problem);
    }
    let count = section.number("count", 1, u64::from(u32::MAX)).unwrap_or(1);
    let window = section.parsed("window", read_window);
    if window.is_none() && !section.has("window") && count > 1 {
        let problem = format!("[rule.{name}] needs `window`, for example window = \"5m\"");
        section.findings.error(&location, problem);
    }
    let by = section.plain_texts("by").unwrap_or_default();
    let keep_firing_for = section.duration("keep_firing_for").unwrap_or_default();
    let (condition, condition_text) = condition?;
    let window = window.unwrap_or(DEFAULT_WINDOW);
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

fn read_kind(kind: &str) -> Result<(), String> {
    match kind {
        "threshold" => Ok(()),
        kind if OTHER_KINDS.contains(&kind) => {
            Err(format!("kind `{kind}` is not supported; this version has only threshold rules"))
        }
        kind => Err(format!("unknown kind `{kind}`; write \"threshold\"")),
    }
}

fn read_window(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        window if window.is_zero() => Err("must be longer than 0, for example \"5m\"".to_owned()),
        window => Ok(window),
    }
}

/// Keys that are reserved for a later version: they are accepted with a note that they have no effect.
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

/// Checks a notifier. In this version none has an effect, which is noted. `None`: `kind` is missing or wrong.
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
    let location = section.place().clone();
    let Some(kind) = kind else {
        if !section.has("kind") {
            let problem = format!("[notifier.{name}] needs `kind`: {}", kinds.join(", "));
            section.findings.error(&location, problem);
        }
        return None;
    };
    let note = format!(
        "notifier.{name} has no effect in this version: alerts are shown on the screen and on stderr"
    );
    section.findings.note(&location, note);
    Some(NotifierSettings { name: name.to_owned(), kind: kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::super::{Layers, read};
    use crate::base::Timestamp;
    use crate::config::Table;

    /// Read as a user's file over the defaults.
    fn problems(text: &str) -> Vec<String> {
        let mut layers = Layers::read_defaults();
        let own = Table::from_toml("own.toml", text, &mut layers.problems);
        layers.table.merge(own);
        match read(layers, Timestamp(0)) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_wrong_kind_is_reported_with_its_line_and_hides_no_other_error() {
        assert_eq!(
            problems("[rule.errors]\nkind = \"threshhold\"\nsevrity = 1\nwindow = \"0s\"\n"),
            [
                "own.toml:2:8: rule.errors.kind: unknown kind `threshhold`; write \"threshold\"",
                "own.toml:3:1: unknown key `sevrity` in [rule.errors]; did you mean `severity`?",
                "own.toml:4:10: rule.errors.window: must be longer than 0, for example \"5m\"",
            ]
        );
        assert_eq!(
            problems("[rule.errors]\nkind = \"spike\"\nfactor = 3\n"),
            [
                "own.toml:2:8: rule.errors.kind: kind `spike` is not supported; this version has only threshold rules"
            ]
        );
    }

    #[test]
    fn missing_keys_are_reported_at_the_users_rule() {
        let found = problems("[rule.own]\ncount = 2\n");
        assert!(found.iter().all(|line| line.starts_with("own.toml:1:7: [rule.own] needs")));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_number_out_of_bounds_is_reported() {
        let expected = "rule.errors.count: expected an integer from 1 to 4294967295, found";
        for (written, found) in [("0", "0"), ("-3", "-3"), ("1.5", "1.5"), ("\"many\"", "a string")]
        {
            assert_eq!(
                problems(&format!("[rule.errors]\ncount = {written}\n")),
                [format!("own.toml:2:9: {expected} {found}")]
            );
        }
    }

    #[test]
    fn a_log_level_is_a_level_or_a_directive() {
        for right in ["off", "WARN", "info,logwarden::follow=debug", "a=trace, error"] {
            assert_eq!(problems(&format!("log_level = \"{right}\"")), Vec::<String>::new());
        }
        for (wrong, part) in [("foo", "foo"), ("debgu", "debgu"), ("info,follow", "follow")] {
            let found = problems(&format!("log_level = \"{wrong}\""));
            assert_eq!(found.len(), 1, "{found:?}");
            let start = format!("own.toml:1:13: log_level: `{part}` is not a valid log level");
            assert!(found[0].starts_with(&start), "{found:?}");
        }
        assert!(!problems("log_level = \"\"").is_empty());
    }

    #[test]
    fn the_default_settings_contain_the_default_rules() {
        let configured = read(Layers::read_defaults(), Timestamp(0)).unwrap();
        let mut expected = crate::alert::defaults();
        let mut found = configured.rules;
        expected.sort_by(|left, right| left.name.cmp(&right.name));
        found.sort_by(|left, right| left.name.cmp(&right.name));
        assert_eq!(found, expected);
    }
}
