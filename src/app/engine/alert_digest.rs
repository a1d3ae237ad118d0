//! Many alerts at once: the first of a rule are told one by one, the others as a number a second later, so that no
//! list of the newest messages is flooded by them. Pure: the time is passed in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Change, Transition};
use crate::base::{bytes, sanitize};
use crate::event::Level;

/// Of one rule, within [`GATHERED`].
const ONE_BY_ONE: u64 = 5;
/// So long after the first of them the rest is told as a number.
pub const GATHERED: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Bursts(BTreeMap<(Arc<str>, bool), Burst>);

#[derive(Debug)]
struct Burst {
    /// Uptime.
    ends: Duration,
    count: u64,
}

impl Bursts {
    /// Whether it is one of the first.
    pub fn is_told(&mut self, transition: &Transition, now: Duration) -> bool {
        let key = (transition.rule.clone(), transition.change == Change::Fired);
        let new = || Burst { ends: now + GATHERED, count: 0 };
        let burst = self.0.entry(key).or_insert_with(new);
        burst.count += 1;
        burst.count <= ONE_BY_ONE
    }

    /// When something is to be told by the passing of time.
    pub fn next(&self) -> Option<Duration> {
        self.0.values().map(|burst| burst.ends).min()
    }

    /// What was not told one by one, of bursts that are over.
    pub fn over(&mut self, now: Duration) -> Vec<(Level, String)> {
        let mut told = Vec::new();
        self.0.retain(|(rule, fired), burst| {
            let over = burst.ends <= now;
            let rest = burst.count.saturating_sub(ONE_BY_ONE);
            if over && rest > 0 {
                told.push(summary(rule, *fired, rest));
            }
            !over
        });
        told
    }
}

fn summary(rule: &str, fired: bool, rest: u64) -> (Level, String) {
    let (rule, count) = (sanitize::line(rule), bytes::count(rest));
    let alerts = if rest == 1 { "alert" } else { "alerts" };
    match fired {
        true => (Level::Error, format!("{rule} fires: {count} more {alerts} at the same time")),
        false => (Level::Info, format!("{rule}: {count} more {alerts} resolved at the same time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Place;
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
            place: Place { generation: GenerationId(1), offset: 0 },
        }
    }

    #[test]
    fn of_a_thousand_at_once_the_first_are_told_and_the_rest_is_counted() {
        let (mut bursts, now) = (Bursts::default(), Duration::from_secs(100));
        let fired = (0..1_000).filter(|n| bursts.is_told(&change(Change::Fired, *n), now));
        assert_eq!(fired.count(), 5);
        assert_eq!(bursts.over(now), []);
        assert_eq!(bursts.next(), Some(now + GATHERED));
        let text = "errors fires: 995 more alerts at the same time".to_owned();
        assert_eq!(bursts.over(now + GATHERED), [(Level::Error, text)]);
        assert_eq!(bursts.next(), None);
        assert!(bursts.is_told(&change(Change::Fired, 7), now + GATHERED), "a new burst");
    }

    #[test]
    fn a_few_are_told_one_by_one_and_ends_are_counted_apart() {
        let (mut bursts, now) = (Bursts::default(), Duration::ZERO);
        for n in 0..5 {
            assert!(bursts.is_told(&change(Change::Fired, n), now));
            assert!(bursts.is_told(&change(Change::Resolved, n), now));
        }
        assert!(!bursts.is_told(&change(Change::Resolved, 6), now));
        let text = "errors: 1 more alert resolved at the same time".to_owned();
        assert_eq!(bursts.over(now + GATHERED), [(Level::Info, text)]);
    }
}
