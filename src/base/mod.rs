//! What every other module may use: time, waiting, safe text, sizes, standard error, watched threads and tasks, calls
//! to file systems with a deadline.
//!
//! Knows nothing of logs. Does no I/O but reading the clock, writing to standard error, and what `guarded` is asked
//! for.

pub mod backoff;
pub mod blocking;
pub mod bytes;
pub mod causes;
pub mod clock;
pub mod guarded;
pub mod json;
pub mod rfc3339;
pub mod sanitize;
pub mod stderr;
pub mod streak;
pub mod supervisor;

pub use blocking::blocking;
pub use causes::with_causes;
pub use clock::{Clock, SystemClock, Timestamp};
pub use supervisor::{OnPanic, Supervisor};
