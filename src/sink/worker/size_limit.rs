//! Learns the largest body that a target accepts from the bodies that it refuses and accepts. Nothing announces this
//! limit: it may be that of a proxy in front of the target, and a proxy may refuse everything for a while.
//!
//! - A refused body of several events lowers the limit; it grows again by trial. Each refused trial makes the next
//!   one later, up to a bound, so a limit that is lifted is noticed.
//! - A refused single event is too large only with proof: others were accepted after its first refusal and it was
//!   refused again, or it is large and was refused often. An event of a size that was accepted before, or a small one
//!   while nothing is accepted, waits.
//!
//! Pure: delivery numbers serve as time.

use crate::event::Cursor;

/// Requests of up to this many bytes are small: no server or proxy has a lower limit unless an operator sets one.
const SMALL: usize = 64 * 1024;
/// Number of refusals, each after a back-off, that prove a larger event too large while nothing else is sent.
const REFUSALS: u32 = 5;
/// With this many small events refused and none accepted, size is not the reason.
const SMALL_REFUSED: usize = 8;
/// Number of full bulks that must be accepted before a larger one is tried: initially, and at most.
const BULKS_BEFORE_GROWTH: u32 = 8;
const MAX_BULKS_BEFORE_GROWTH: u32 = 256;
/// Maximum number of refused events that are remembered; more than can be in memory at once.
const MAX_SUSPECTS: usize = 256;

/// The current limit for the bodies of one target, and the observations from which it is learned.
#[derive(Debug)]
pub(super) struct SizeLimit {
    /// The limit never exceeds this.
    configured: usize,
    /// The limit now, in encoded bytes.
    now: usize,
    /// The largest body that was accepted since one of its size was refused.
    largest_passed: usize,
    /// The limit before the current trial, until a larger body is accepted.
    trial: Option<usize>,
    /// Full bulks that must be accepted before the limit grows.
    bulks_before_growth: u32,
    /// Full bulks that were accepted since the limit last changed by trial.
    full_bulks: u32,
    /// The largest request that was ever accepted.
    largest_request: usize,
    /// The last delivery that was accepted.
    last_passed: u64,
    suspects: Vec<Suspect>,
}

/// A single event that was refused.
#[derive(Debug)]
struct Suspect {
    event: Cursor,
    is_small: bool,
    refusals: u32,
    /// The last delivery that was sent before its first refusal.
    since: u64,
}

/// A body that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedBody {
    /// Number of its delivery.
    pub delivery_number: u64,
    /// Encoded bytes.
    pub bytes: usize,
    /// Bytes of the request: fewer than `bytes` if the sink compresses it.
    pub request_bytes: usize,
}

/// The consequence of a refused single event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Proven: it becomes a dead letter.
    TooLarge,
    /// It is sent again, and others continue. `blocked`: a person is needed, more tries prove nothing.
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
            largest_passed: 0,
            trial: None,
            bulks_before_growth: BULKS_BEFORE_GROWTH,
            full_bulks: 0,
            largest_request: 0,
            last_passed: 0,
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
        // Otherwise it was sent before the limit was lowered, and is not a trial of this limit.
        let is_within = bytes <= self.now;
        if bytes <= self.largest_passed {
            self.largest_passed = 0;
        } else if is_within && self.trial.is_some() {
            self.bulks_before_growth = (self.bulks_before_growth * 4).min(MAX_BULKS_BEFORE_GROWTH);
        }
        self.now = self.now.min((bytes / 2).max(self.largest_passed)).max(1);
        if is_within {
            (self.trial, self.full_bulks) = (None, 0);
        }
    }

    /// A body was accepted for its size, whatever the outcome of its events.
    pub(super) fn went_through(&mut self, body: PassedBody) {
        self.last_passed = self.last_passed.max(body.delivery_number);
        self.largest_request = self.largest_request.max(body.request_bytes);
        self.largest_passed = self.largest_passed.max(body.bytes);
        if self.trial.is_some_and(|before| body.bytes > before) {
            (self.trial, self.bulks_before_growth) = (None, (self.bulks_before_growth / 4).max(1));
        }
        self.full_bulks += u32::from(body.bytes >= self.now / 2);
        self.now = self.now.max(body.bytes.min(self.configured));
        if self.full_bulks >= self.bulks_before_growth && self.now < self.configured {
            (self.trial, self.full_bulks) = (Some(self.now), 0);
            self.now = self.now.saturating_mul(2).min(self.configured);
        }
    }

    /// A single event was refused for its size. `last`: the last delivery that was sent.
    pub(super) fn refused_alone(
        &mut self,
        event: Cursor,
        request_bytes: usize,
        last: u64,
    ) -> Verdict {
        let is_small = request_bytes <= SMALL;
        let passed = self.last_passed;
        let suspect = self.suspect(event, is_small, last);
        suspect.refusals += 1;
        let (refusals, others_passed) = (suspect.refusals, passed > suspect.since);
        let has_fitted = request_bytes <= self.largest_request;
        let is_proved = (others_passed && refusals > 1) || (!is_small && refusals >= REFUSALS);
        if is_proved && !has_fitted {
            self.clear_suspect(event);
            return Verdict::TooLarge;
        }
        if is_small && !others_passed {
            // Nothing was learned about sizes: the limit grows again at once.
            self.bulks_before_growth = 1;
            if self.unpassed().filter(|suspect| suspect.is_small).count() >= SMALL_REFUSED {
                return Verdict::NothingPasses;
            }
        }
        Verdict::Waits { blocked: is_small || has_fitted }
    }

    fn suspect(&mut self, event: Cursor, is_small: bool, since: u64) -> &mut Suspect {
        let known = self.suspects.iter().position(|suspect| suspect.event == event);
        let index = known.unwrap_or_else(|| {
            if self.suspects.len() >= MAX_SUSPECTS {
                self.suspects.remove(0);
            }
            self.suspects.push(Suspect { event, is_small, refusals: 0, since });
            self.suspects.len() - 1
        });
        &mut self.suspects[index]
    }

    /// Events since whose first refusal no body was accepted.
    fn unpassed(&self) -> impl Iterator<Item = &Suspect> {
        self.suspects.iter().filter(|suspect| suspect.since >= self.last_passed)
    }

    /// Forgets the refusals of an event that was accepted, or is proven too large.
    pub(super) fn clear_suspect(&mut self, event: Cursor) {
        self.suspects.retain(|suspect| suspect.event != event);
    }

    pub(super) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Events were refused for their size, and no body was accepted since.
    pub(super) fn nothing_passes(&self) -> bool {
        self.has_suspects() && self.unpassed().count() == self.suspects.len()
    }
}

#[cfg(test)]
mod tests;
