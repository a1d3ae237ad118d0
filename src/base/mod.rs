//! What every other module may use: time, waiting, safe text, sizes, standard error, watched threads and tasks, calls
//! to file systems with a deadline.
//!
//! Knows nothing of logs. Does no I/O but reading the clock, writing to standard error, and what `guarded` is asked
//! for.

pub mod backoff;
pub mod blocking;
pub mod bytes;
pub mod clock;
pub mod error_chain;
pub mod json;
pub mod restart_backoff;
pub mod rfc3339;
pub mod sanitize;
pub mod stderr;
pub mod supervisor;
pub mod timed_fs;

pub use blocking::blocking;
pub use clock::{Clock, SystemClock, Timestamp};
pub use error_chain::with_causes;
pub use supervisor::{OnPanic, Supervisor};
