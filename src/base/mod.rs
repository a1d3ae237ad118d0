//! The basis of all other modules: clock, back-off, sanitised text, sizes, JSON, standard error, supervised threads
//! and tasks, and file system calls with a deadline.
//!
//! Contains nothing about logs. Its only I/O is reading the clock, writing to standard error, and the calls that
//! `timed_fs` makes for its callers.

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
