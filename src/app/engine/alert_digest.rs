//! Keeps the message list short when many alerts fire or resolve at once: the first few of a rule are listed
//! individually, the others as one count a second later. Pure: the time is passed in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Change, Transition};
use crate::base::{bytes, sanitize};
use crate::event::Level;

/// Maximum number of individually listed alerts within [`DIGEST_WINDOW`]: per rule, and firing and resolved ones
/// separately.
const MAX_INDIVIDUAL: u64 = 5;
/// The count of the others is listed this long after the first alert of a burst.
pub const DIGEST_WINDOW: Duration = Duration::from_secs(1);

/// The current bursts: by rule, firing (`true`) and resolved alerts separately.
#[derive(Debug, Default)]
pub struct Bursts(BTreeMap<(Arc<str>, bool), Burst>);

#[derive(Debug)]
struct Burst {
    /// As `Clock::uptime`.
    ends: Duration,
    /// Number of alerts so far, listed or not.
    count: u64,
}

impl Bursts {
    /// Counts this alert and returns whether to list it individually. `now`: the uptime.
    pub fn is_individual(&mut self, transition: &Transition, now: Duration) -> bool {
        let key = (transition.rule.clone(), transition.change == Change::Fired);
        let new = || Burst { ends: now + DIGEST_WINDOW, count: 0 };
        let burst = self.0.entry(key).or_insert_with(new);
        burst.count += 1;
        burst.count <= MAX_INDIVIDUAL
    }

    /// The uptime at which the next burst ends.
    pub fn next_end(&self) -> Option<Duration> {
        self.0.values().map(|burst| burst.ends).min()
    }

    /// Removes ended bursts and returns a message for each that had unlisted alerts.
    pub fn take_ended(&mut self, now: Duration) -> Vec<(Level, String)> {
        let mut messages = Vec::new();
        self.0.retain(|(rule, fired), burst| {
            let has_ended = burst.ends <= now;
            let rest = burst.count.saturating_sub(MAX_INDIVIDUAL);
            if has_ended && rest > 0 {
                messages.push(summary(rule, *fired, rest));
            }
            !has_ended
        });
        messages
    }
}

fn summary(rule: &str, fired: bool, rest: u64) -> (Level, String) {
    let (rule, count) = (sanitize::line(rule), bytes::count(rest));
    let alerts = if rest == 1 { "alert" } else { "alerts" };
    match fired {
        true => (Level::Error, format!("{rule} firing: {count} more {alerts} at the same time")),
        false => (Level::Info, format!("{rule} resolved: {count} more {alerts} at the same time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::EventLocation;
    use crate::base::Timestamp;
    use crate::event::GenerationId;

    fn change(change: Change, key: u32) -> Transition {
        Transition {
            rule: "errors".into(),
            incident: key.into(),
            limit: "5 in 5 min".into(),
            key: key.to_string().into(),
            change,
            count: 5,
            first: Timestamp::default(),
            last: Timestamp::default(),
            place: EventLocation { generation: GenerationId(1), offset: 0 },
        }
    }

    #[test]
    fn of_a_thousand_alerts_at_once_the_first_are_listed_and_the_rest_is_counted() {
        let (mut bursts, now) = (Bursts::default(), Duration::from_secs(100));
        let fired = (0..1_000).filter(|n| bursts.is_individual(&change(Change::Fired, *n), now));
        assert_eq!(fired.count(), 5);
        assert_eq!(bursts.take_ended(now), []);
        assert_eq!(bursts.next_end(), Some(now + DIGEST_WINDOW));
        let text = "errors firing: 995 more alerts at the same time".to_owned();
        assert_eq!(bursts.take_ended(now + DIGEST_WINDOW), [(Level::Error, text)]);
        assert_eq!(bursts.next_end(), None);
        assert!(
            bursts.is_individual(&change(Change::Fired, 7), now + DIGEST_WINDOW),
            "a new burst"
        );
    }

    #[test]
    fn a_few_alerts_are_listed_individually_and_resolved_ones_are_counted_separately() {
        let (mut bursts, now) = (Bursts::default(), Duration::ZERO);
        for n in 0..5 {
            assert!(bursts.is_individual(&change(Change::Fired, n), now));
            assert!(bursts.is_individual(&change(Change::Resolved, n), now));
        }
        assert!(!bursts.is_individual(&change(Change::Resolved, 6), now));
        let text = "errors resolved: 1 more alert at the same time".to_owned();
        assert_eq!(bursts.take_ended(now + DIGEST_WINDOW), [(Level::Info, text)]);
    }
}
