//! Whether the times that a source writes agree with the clock: a naive time in another zone, a wrong clock, or lines
//! that are flushed late. Told once a source and direction. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::announcer::Told;
use crate::base::Timestamp;
use crate::event::{Event, Flags, SourceName};

/// A live line whose own time is further from the clock than this counts.
const BEHIND: Duration = Duration::from_secs(10 * 60);
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// One line alone may have been late for a reason of its own.
const IN_A_ROW: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct Skews {
    streaks: HashMap<SourceName, Streak>,
    told: HashSet<(SourceName, bool)>,
}

/// Lines of one source that came one after the other, all behind the clock or all ahead of it.
#[derive(Clone, Copy, Debug)]
struct Streak {
    ahead: bool,
    lines: u32,
    least: Duration,
}

impl Skews {
    /// A live event, read at `now`.
    pub fn on_event(&mut self, event: &Event<'_>, now: Timestamp, tell: &mut dyn FnMut(Told)) {
        let flags = event.record.flags;
        let others =
            [Flags::TIME_PREVIOUS, Flags::TIME_SEEN, Flags::QUIET].map(|flag| flags.contains(flag));
        if others.contains(&true) {
            return;
        }
        let source = &event.batch.generation.source;
        let Some((ahead, by)) = skew(event.time(), now) else {
            if !self.streaks.is_empty() {
                self.streaks.remove(source);
            }
            return;
        };
        if self.told.contains(&(source.clone(), ahead)) {
            return;
        }
        let streak = self.streaks.entry(source.clone());
        let streak = streak.or_insert(Streak { ahead, lines: 0, least: by });
        if streak.ahead != ahead {
            *streak = Streak { ahead, lines: 0, least: by };
        }
        (streak.lines, streak.least) = (streak.lines + 1, streak.least.min(by));
        if streak.lines >= IN_A_ROW {
            let by = streak.least;
            self.streaks.remove(source);
            self.told.insert((source.clone(), ahead));
            let path = Arc::from(event.batch.path.to_string_lossy());
            tell(Told::Skewed { source: source.clone(), path, ahead, by });
        }
    }
}

/// Whether it is ahead, and by how much; `None` where it agrees.
fn skew(time: Timestamp, now: Timestamp) -> Option<(bool, Duration)> {
    let (behind, ahead) = (now.since(time), time.since(now));
    if behind >= BEHIND {
        Some((false, behind))
    } else if ahead >= AHEAD {
        Some((true, ahead))
    } else {
        None
    }
}
