//! Settings of a rule, and the default rules.

use std::time::Duration;

use crate::base::bytes;
use crate::event::Level;
use crate::query::Expr;

/// A threshold: `count` matches of `condition` within `window`, in each group of `by`.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleConfig {
    /// The name, which identifies the rule in messages, status and metrics.
    pub name: String,
    pub condition: Expr,
    /// The condition as it was written.
    pub condition_text: String,
    pub count: u64,
    pub window: Duration,
    /// `source`, or names of fields. Empty: one group.
    pub by: Vec<String>,
    /// The alert keeps firing at least this long after the count fell below the limit.
    pub keep_firing_for: Duration,
}

impl RuleConfig {
    /// The limit as text, for example `5 in 5 min`.
    pub fn limit(&self) -> String {
        format!("{} in {}", bytes::count(self.count), bytes::duration(self.window))
    }

    /// The whole rule as text, for example `level:error ≥ 5 in 5 min, by source`.
    pub fn describe(&self) -> String {
        let window = bytes::duration(self.window);
        let mut text = format!("{} ≥ {} in {window}", self.condition_text, self.count);
        if !self.by.is_empty() {
            text.push_str(", by ");
            text.push_str(&self.by.join(", "));
        }
        text
    }
}

/// The default rules: one fatal event within a minute, and five errors within five minutes in the same source.
pub fn defaults() -> Vec<RuleConfig> {
    vec![
        RuleConfig { by: Vec::new(), ..of_level("fatal", Level::Fatal, 1, 60) },
        of_level("errors", Level::Error, 5, 300),
    ]
}

/// The default rules with windows of 12 seconds, so that they fire and resolve during the demo.
pub fn demo_rules() -> Vec<RuleConfig> {
    let short = |rule: RuleConfig| RuleConfig { window: Duration::from_secs(12), ..rule };
    defaults().into_iter().map(short).collect()
}

fn of_level(name: &str, level: Level, count: u64, window_seconds: u64) -> RuleConfig {
    RuleConfig {
        name: name.into(),
        condition: Expr::Level { low: level, high: level },
        condition_text: format!("level:{level}"),
        count,
        window: Duration::from_secs(window_seconds),
        by: vec!["source".into()],
        keep_firing_for: Duration::ZERO,
    }
}
