//! What every other module may use: time, waiting, safe text, sizes.
//!
//! Knows nothing of logs. Does no I/O but reading the clock.

pub mod backoff;
pub mod bytes;
pub mod causes;
pub mod clock;
pub mod json;
pub mod rfc3339;
pub mod sanitize;

pub use causes::with_causes;
pub use clock::{Clock, SystemClock, Timestamp};
