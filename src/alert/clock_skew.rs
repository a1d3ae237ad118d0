//! Detects sources whose timestamps disagree with the clock, because of another time zone, a wrong clock or late
//! flushes.
//!
//! Each source is announced at most once per direction (behind or ahead). Pure: the time is passed in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::announcer::Announcement;
use crate::base::Timestamp;
use crate::event::{Event, Flags, SourceName};

/// A live line counts as skewed if its timestamp is behind the clock by at least this much …
const BEHIND: Duration = Duration::from_secs(10 * 60);
/// … or ahead of it by at least this much.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Number of consecutive skewed lines after which a source is announced: a single line may be late for its own reasons.
const IN_A_ROW: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct SkewDetector {
    streaks: HashMap<SourceName, Streak>,
    /// Source, and whether its timestamps are ahead of the clock.
    announced: HashSet<(SourceName, bool)>,
}

/// Consecutive lines of one source, all behind the clock or all ahead of it.
#[derive(Clone, Copy, Debug)]
struct Streak {
    ahead: bool,
    lines: u32,
    /// The smallest difference from the clock.
    least: Duration,
}

impl SkewDetector {
    /// Checks a live event that was read at `now`. Blank lines and events without a timestamp of their own are skipped.
    pub fn on_event(
        &mut self,
        event: &Event<'_>,
        now: Timestamp,
        announce: &mut dyn FnMut(Announcement),
    ) {
        let flags = event.record.flags;
        let excluded =
            [Flags::TIME_PREVIOUS, Flags::TIME_SEEN, Flags::QUIET].map(|flag| flags.contains(flag));
        if excluded.contains(&true) {
            return;
        }
        let source = &event.batch.generation.source;
        let Some((ahead, by)) = skew(event.time(), now) else {
            if !self.streaks.is_empty() {
                self.streaks.remove(source);
            }
            return;
        };
        if self.announced.contains(&(source.clone(), ahead)) {
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
            self.announced.insert((source.clone(), ahead));
            let path = Arc::from(event.batch.path.to_string_lossy());
            announce(Announcement::ClockSkew { source: source.clone(), path, ahead, by });
        }
    }
}

/// Whether `time` is ahead of the clock (`true`) or behind it, and by how much; `None` if it agrees with the clock.
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
