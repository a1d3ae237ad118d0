//! How large a body the target takes, learned from what it refuses and takes. Nobody says it: the limit may be that
//! of a proxy in front of the target, and a proxy may refuse everything for a while.
//!
//! - A body of several events that is refused lowers the limit; it grows again by trial. Each refused trial
//!   makes the next one later, up to a bound: a limit that is lifted is noticed.
//! - A single event that is refused is too large by itself only with proof: others went through after its first
//!   refusal and it was refused again, or it is large and was refused often. An event of a size that went
//!   through before, or a small one while nothing goes through, waits.
//!
//! Pure: moments are the numbers of deliveries.

use crate::event::Cursor;

/// No server or proxy has a lower limit unless somebody set it so.
const SMALL: usize = 64 * 1024;
/// Refusals of a larger event, each after a back-off, that prove it too large while nothing else is sent.
const REFUSALS: u32 = 5;
/// So many small events refused, and nothing that went through: it is not their size.
const MANY: usize = 8;
/// Full bulks that go through before a larger one is tried: at first, and at most.
const PATIENCE: u32 = 8;
const MOST_PATIENCE: u32 = 256;
/// Events that are remembered as refused: more than fit in memory.
const SUSPECTS: usize = 256;

#[derive(Debug)]
pub(super) struct SizeLimit {
    /// It never grows above this.
    configured: usize,
    now: usize,
    /// The largest body that went through since one of its size was refused.
    good: usize,
    /// The limit before it grew, until a larger body went through.
    trial: Option<usize>,
    /// Full bulks that go through before the limit grows.
    patience: u32,
    /// … and those that did.
    full: u32,
    /// The largest request that ever went through.
    carried: usize,
    /// The last delivery that went through.
    passed: u64,
    suspects: Vec<Suspect>,
}

/// A single event that was refused.
#[derive(Debug)]
struct Suspect {
    event: Cursor,
    is_small: bool,
    refusals: u32,
    /// The last delivery that had set out when it was refused first.
    since: u64,
}

/// What went through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// Number of its delivery.
    pub ticket: u64,
    /// Encoded.
    pub bytes: usize,
    /// Of the request: fewer than `bytes` where the sink packs it.
    pub carried: usize,
}

/// What follows from the refusal of a single event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Proved: it is a dead letter.
    TooLarge,
    /// It comes again, and others go on. `blocked`: a person is needed, more tries prove nothing.
    Waits { blocked: bool },
    /// The target refuses everything: the whole sink waits for a person.
    NothingPasses,
}

impl SizeLimit {
    pub(super) fn new(configured: usize) -> Self {
        let configured = configured.max(1);
        SizeLimit {
            configured,
            now: configured,
            good: 0,
            trial: None,
            patience: PATIENCE,
            full: 0,
            carried: 0,
            passed: 0,
            suspects: Vec::new(),
        }
    }

    /// Encoded bytes that a bulk may have now.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    pub(super) fn configured(&self) -> usize {
        self.configured
    }

    /// A body of several events was refused for its size.
    pub(super) fn refused(&mut self, bytes: usize) {
        // Else it set out before the limit was lowered, and is no trial of this one.
        let is_within = bytes <= self.now;
        if bytes <= self.good {
            self.good = 0;
        } else if is_within && self.trial.is_some() {
            self.patience = (self.patience * 4).min(MOST_PATIENCE);
        }
        self.now = self.now.min((bytes / 2).max(self.good)).max(1);
        if is_within {
            (self.trial, self.full) = (None, 0);
        }
    }

    /// A body was taken as one, whatever became of its events.
    pub(super) fn went_through(&mut self, body: Body) {
        self.passed = self.passed.max(body.ticket);
        self.carried = self.carried.max(body.carried);
        self.good = self.good.max(body.bytes);
        if self.trial.is_some_and(|before| body.bytes > before) {
            (self.trial, self.patience) = (None, (self.patience / 4).max(1));
        }
        self.full += u32::from(body.bytes >= self.now / 2);
        self.now = self.now.max(body.bytes.min(self.configured));
        if self.full >= self.patience && self.now < self.configured {
            (self.trial, self.full) = (Some(self.now), 0);
            self.now = self.now.saturating_mul(2).min(self.configured);
        }
    }

    /// A single event was refused for its size. `last`: the last delivery that has set out.
    pub(super) fn refused_alone(&mut self, event: Cursor, carried: usize, last: u64) -> Verdict {
        let is_small = carried <= SMALL;
        let passed = self.passed;
        let suspect = self.suspect(event, is_small, last);
        suspect.refusals += 1;
        let (refusals, others_passed) = (suspect.refusals, passed > suspect.since);
        let has_fitted = carried <= self.carried;
        let is_proved = (others_passed && refusals > 1) || (!is_small && refusals >= REFUSALS);
        if is_proved && !has_fitted {
            self.acquit(event);
            return Verdict::TooLarge;
        }
        if is_small && !others_passed {
            // Nothing was learned of sizes: the limit grows again at once.
            self.patience = 1;
            if self.unpassed().filter(|suspect| suspect.is_small).count() >= MANY {
                return Verdict::NothingPasses;
            }
        }
        Verdict::Waits { blocked: is_small || has_fitted }
    }

    fn suspect(&mut self, event: Cursor, is_small: bool, since: u64) -> &mut Suspect {
        let known = self.suspects.iter().position(|suspect| suspect.event == event);
        let index = known.unwrap_or_else(|| {
            if self.suspects.len() >= SUSPECTS {
                self.suspects.remove(0);
            }
            self.suspects.push(Suspect { event, is_small, refusals: 0, since });
            self.suspects.len() - 1
        });
        &mut self.suspects[index]
    }

    /// Those since whose first refusal nothing went through.
    fn unpassed(&self) -> impl Iterator<Item = &Suspect> {
        self.suspects.iter().filter(|suspect| suspect.since >= self.passed)
    }

    /// This event went through.
    pub(super) fn acquit(&mut self, event: Cursor) {
        self.suspects.retain(|suspect| suspect.event != event);
    }

    pub(super) fn suspects_any(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Events were refused for their size, and nothing went through since.
    pub(super) fn nothing_passes(&self) -> bool {
        self.suspects_any() && self.unpassed().count() == self.suspects.len()
    }
}

#[cfg(test)]
mod tests;
