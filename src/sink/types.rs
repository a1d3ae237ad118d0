//! What goes into a delivery, and what comes out of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Cursor;

/// What one call of [`super::Sink::deliver`] may carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub events: usize,
    /// Encoded bytes.
    pub bytes: usize,
    /// Deliveries that may be under way at once.
    pub requests: usize,
    /// Items answered `Accepted` become `Done` by a commit; the worker commits at least this often.
    pub commit_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            events: 5_000,
            bytes: 5 * 1024 * 1024,
            requests: 2,
            commit_every: Duration::from_secs(1),
        }
    }
}

/// Encoded events of one delivery: one buffer and the bounds of each item in it.
#[derive(Debug, Default)]
pub struct Items {
    pub body: Vec<u8>,
    /// End of each item in `body`; it begins where the one before ends.
    pub ends: Vec<usize>,
    /// 0: nobody has said.
    carried: usize,
}

impl Items {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn push(&mut self, item: &[u8]) {
        self.body.extend_from_slice(item);
        self.ends.push(self.body.len());
    }

    /// Its buffers are kept.
    pub fn clear(&mut self) {
        self.body.clear();
        self.ends.clear();
        self.set_carried(0);
    }

    /// The request has so many bytes: fewer than `body` where the sink packs it.
    pub fn set_carried(&mut self, bytes: usize) {
        self.carried = bytes;
    }

    /// Bytes of the request that carried them last, as far as the sink tells.
    pub fn carried(&self) -> usize {
        match self.carried {
            0 => self.body.len(),
            carried => carried,
        }
    }

    pub fn item(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.body[start..self.ends[index]]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.item(index))
    }

    /// For as long as another thread, or a client, reads them.
    pub fn lend(self) -> Lent {
        Lent(Arc::new(self))
    }
}

/// Items that several read at once; nothing is copied for that.
#[derive(Clone, Debug)]
pub struct Lent(Arc<Items>);

impl Lent {
    /// The items themselves where all others are done with them; else a copy: they go on reading what they have.
    pub fn take_back(self) -> Items {
        let copy = |lent: Arc<Items>| Items {
            body: lent.body.clone(),
            ends: lent.ends.clone(),
            carried: lent.carried,
        };
        Arc::try_unwrap(self.0).unwrap_or_else(copy)
    }
}

impl Deref for Lent {
    type Target = Items;

    fn deref(&self) -> &Items {
        &self.0
    }
}

/// Their body, for [`bytes::Bytes::from_owner`].
impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done,
    /// Done with the next commit.
    Accepted,
    Duplicate,
    /// The target has seen it, and its own rules dropped it.
    Dropped,
    Retry(Option<Duration>),
    /// Refused for good: the event's own fault.
    Reject(Refusal),
    /// The target breaks at this event, perhaps always: it is tried again, and refused for good after some tries alone.
    /// `own`: that proves enough; else others have to go through meanwhile.
    Fails {
        refusal: Refusal,
        own: bool,
    },
    /// Its target takes nothing now, and others do; the reason says what to do.
    Blocked(String),
}

/// Why a target refuses an event for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As in HTTP; `None` where the target knows no such numbers.
    pub status: Option<u16>,
    /// The target's own name for it: `document_parsing_exception`.
    pub kind: Option<String>,
    pub reason: String,
}

impl Refusal {
    /// What stands for [`Delivery::TooLarge`] of a single event.
    pub fn too_large() -> Self {
        let reason = "too large for the target".to_owned();
        Refusal { status: Some(413), kind: None, reason }
    }
}

/// `400 document_parsing_exception: failed to parse field [x]`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, &self.kind) {
            (Some(status), Some(kind)) => write!(f, "{status} {kind}: ")?,
            (Some(status), None) => write!(f, "{status}: ")?,
            (None, Some(kind)) => write!(f, "{kind}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.reason)
    }
}

/// What became of a delivery.
#[derive(Debug)]
pub enum Delivery {
    /// One for each item, in order.
    Each(Vec<Outcome>),
    All(Outcome),
    /// Refused as one for its size, perhaps by something in front of the target; the reason says what to do.
    TooLarge(String),
    Busy(Option<Duration>),
    /// The target refuses for now; the reason says what to do.
    Blocked(String),
    Down(SinkError),
}

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Passing: try again.
    #[error("{0}")]
    Unavailable(String),
    /// Needs a person.
    #[error("{0}")]
    Misconfigured(String),
}

/// Positions, one a generation.
pub type Cursors = Vec<Cursor>;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn lent_items_come_back_uncopied_when_nobody_else_reads_them() {
        let mut items = Items::default();
        items.push(b"one");
        items.push(b"two");
        items.set_carried(4);
        let buffer = items.body.as_ptr();

        let lent = items.lend();
        let body = Bytes::from_owner(lent.clone());
        assert_eq!(body.as_ptr(), buffer, "read where it lies");
        drop(body);
        let items = lent.take_back();
        assert_eq!(items.body.as_ptr(), buffer);

        let lent = items.lend();
        let late = Bytes::from_owner(lent.clone());
        let copy = lent.take_back();
        assert_ne!(copy.body.as_ptr(), buffer);
        let all: Vec<&[u8]> = copy.iter().collect();
        assert_eq!((all, copy.carried()), (vec![&b"one"[..], b"two"], 4));
        assert_eq!(late, &b"onetwo"[..], "who reads late still finds it");
    }
}
