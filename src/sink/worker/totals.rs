//! What all tracks of a worker come to together, kept in step with each of them: a pass costs what has changed,
//! however many generations lie still.

use std::collections::BTreeSet;

/// In what way a track matters to a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// There may be something to read.
    Open,
    /// Something is unread, and nothing of it was complete at the last look.
    Waiting,
    /// The round is not read to its end.
    Unread,
    /// The prefix stands beyond the cursor.
    Moved,
}

impl Mood {
    const ALL: [Mood; 4] = [Mood::Open, Mood::Waiting, Mood::Unread, Mood::Moved];
}

/// What one track adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub seen: u64,
    pub outstanding: u64,
    /// Left to this worker by an earlier run, and not done.
    pub left: u64,
    moods: u8,
}

impl Share {
    pub(super) fn new(seen: u64, outstanding: u64, left: u64) -> Self {
        Share { seen, outstanding, left, moods: 0 }
    }

    pub(super) fn with(self, mood: Mood, is: bool) -> Self {
        Share { moods: self.moods | (u8::from(is) << mood as u8), ..self }
    }

    fn is(&self, mood: Mood) -> bool {
        self.moods & (1 << mood as u8) != 0
    }
}

/// All shares together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub seen: u64,
    pub outstanding: u64,
    pub left: u64,
    /// Indices of tracks, by [`Mood`].
    sets: [BTreeSet<usize>; 4],
}

impl Sums {
    pub(super) fn of(&self, mood: Mood) -> &BTreeSet<usize> {
        &self.sets[mood as usize]
    }

    pub(super) fn replace(&mut self, track: usize, before: Share, after: Share) {
        self.seen = self.seen - before.seen + after.seen;
        self.outstanding = self.outstanding - before.outstanding + after.outstanding;
        self.left = self.left - before.left + after.left;
        if before.moods == after.moods {
            return;
        }
        for mood in Mood::ALL {
            match (before.is(mood), after.is(mood)) {
                (false, true) => _ = self.sets[mood as usize].insert(track),
                (true, false) => _ = self.sets[mood as usize].remove(&track),
                _ => {}
            }
        }
    }
}
