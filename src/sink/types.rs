//! The types of the trait [`Sink`](super::Sink): the input and the result of a delivery, and the limits of deliveries.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Cursor;

/// The limits of the deliveries ([`super::Sink::deliver`]) to one sink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Events per delivery.
    pub events: usize,
    /// Encoded bytes per delivery.
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
    /// Size of the request that carried them; 0: not reported.
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

    /// Reports the size of the request that carried the items: less than that of `body` if the sink compresses it.
    pub fn set_request_bytes(&mut self, bytes: usize) {
        self.request_bytes = bytes;
    }

    /// Size of the last request that carried the items, if the sink reported it, otherwise of `body`.
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

    /// Makes it possible to share the items with another thread or a client that reads them.
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
    /// Delivered, durably.
    Done,
    /// Delivered; durable after the sink's next commit.
    Accepted,
    /// The target already had it.
    Duplicate,
    /// The target received it, and its own rules dropped it.
    Dropped,
    /// To be sent again, at the earliest after this time.
    Retry(Option<Duration>),
    /// Rejected permanently because of the event itself.
    Reject(Refusal),
    /// The target itself fails when it handles this event, perhaps always. The event is sent again, alone, and counts
    /// as rejected after some failures. `own`: these failures are sufficient; otherwise other events must also have
    /// been delivered in the meantime, so that the event is known to be the cause.
    Fails { refusal: Refusal, own: bool },
    /// Its target accepts nothing now, while others do; the text has the reason and the remedy.
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

/// For example `400 document_parsing_exception: failed to parse field [x]`.
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
    /// The same outcome for all items.
    All(Outcome),
    /// The whole body is refused for its size, perhaps by a proxy in front of the target; the text has the reason and
    /// the remedy.
    TooLarge(String),
    /// Back-pressure: all items are to be sent again, at the earliest after this time.
    Busy(Option<Duration>),
    /// The target accepts nothing until a person acts; the text has the reason and the remedy.
    Blocked(String),
    Down(SinkError),
}

/// Why a sink cannot do anything at all now.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Temporary: try again.
    #[error("{0}")]
    Unavailable(String),
    /// A person is needed.
    #[error("{0}")]
    Misconfigured(String),
}

/// The events that contain a tag that was searched for.
#[derive(Debug, Default)]
pub struct Tagged {
    pub events: u64,
    /// Event documents, newest first.
    pub newest: Vec<String>,
}

/// One cursor per generation.
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
