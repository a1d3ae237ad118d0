//! The input and the result of one delivery.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Cursor;

/// The limits of one call of [`super::Sink::deliver`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub events: usize,
    /// Encoded bytes.
    pub bytes: usize,
    /// Deliveries that may run at once.
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
    /// End of each item in `body`; it starts where the one before ends.
    pub ends: Vec<usize>,
    /// 0: not reported.
    request_bytes: usize,
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

    /// Empties it and keeps the buffers.
    pub fn clear(&mut self) {
        self.body.clear();
        self.ends.clear();
        self.set_request_bytes(0);
    }

    /// The size of the request: fewer bytes than `body` if the sink compresses it.
    pub fn set_request_bytes(&mut self, bytes: usize) {
        self.request_bytes = bytes;
    }

    /// Size of the last request that carried them, if the sink reported one.
    pub fn request_bytes(&self) -> usize {
        match self.request_bytes {
            0 => self.body.len(),
            request_bytes => request_bytes,
        }
    }

    pub fn item(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.body[start..self.ends[index]]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.item(index))
    }

    /// Shares the items while another thread or a client reads them.
    pub fn lend(self) -> Lent {
        Lent(Arc::new(self))
    }
}

/// Items with several readers; sharing copies nothing.
#[derive(Clone, Debug)]
pub struct Lent(Arc<Items>);

impl Lent {
    /// The items themselves if no other reader is left; otherwise a copy, and the readers keep theirs.
    pub fn take_back(self) -> Items {
        let copy = |lent: Arc<Items>| Items {
            body: lent.body.clone(),
            ends: lent.ends.clone(),
            request_bytes: lent.request_bytes,
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

/// The body, for [`bytes::Bytes::from_owner`].
impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The outcome of one item.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done,
    /// Done with the next commit.
    Accepted,
    Duplicate,
    /// The target received it, and its own rules dropped it.
    Dropped,
    Retry(Option<Duration>),
    /// Rejected permanently because of the event itself.
    Reject(Refusal),
    /// The target fails at this event, perhaps always: it is sent again, and rejected permanently after some tries on
    /// its own. `own`: that is proof enough; otherwise other events have to be delivered in the meantime.
    Fails {
        refusal: Refusal,
        own: bool,
    },
    /// Its target accepts nothing now, while others do; the reason says what to do.
    Blocked(String),
}

/// Why a target rejects an event permanently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status; `None` if the target has no such codes.
    pub status: Option<u16>,
    /// The target's own name for it: `document_parsing_exception`.
    pub kind: Option<String>,
    pub reason: String,
}

impl Refusal {
    /// The refusal of a single event with [`Delivery::TooLarge`].
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

/// The outcome of a delivery.
#[derive(Debug)]
pub enum Delivery {
    /// One outcome per item, in order.
    Each(Vec<Outcome>),
    All(Outcome),
    /// The whole body is refused for its size, perhaps by a proxy in front of the target; the reason says what to do.
    TooLarge(String),
    Busy(Option<Duration>),
    /// The target refuses for now; the reason says what to do.
    Blocked(String),
    Down(SinkError),
}

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Temporary: try again.
    #[error("{0}")]
    Unavailable(String),
    /// A person is needed.
    #[error("{0}")]
    Misconfigured(String),
}

/// Events that hold a searched tag.
#[derive(Debug, Default)]
pub struct Tagged {
    pub events: u64,
    /// Event documents, newest first.
    pub newest: Vec<String>,
}

/// Positions, one per generation.
pub type Cursors = Vec<Cursor>;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn lent_items_are_returned_without_a_copy_if_no_reader_is_left() {
        let mut items = Items::default();
        items.push(b"one");
        items.push(b"two");
        items.set_request_bytes(4);
        let buffer = items.body.as_ptr();

        let lent = items.lend();
        let body = Bytes::from_owner(lent.clone());
        assert_eq!(body.as_ptr(), buffer, "the client reads the same buffer");
        drop(body);
        let items = lent.take_back();
        assert_eq!(items.body.as_ptr(), buffer);

        let lent = items.lend();
        let late = Bytes::from_owner(lent.clone());
        let copy = lent.take_back();
        assert_ne!(copy.body.as_ptr(), buffer);
        let all: Vec<&[u8]> = copy.iter().collect();
        assert_eq!((all, copy.request_bytes()), (vec![&b"one"[..], b"two"], 4));
        assert_eq!(late, &b"onetwo"[..], "a late reader still has the bytes");
    }
}
