//! Turns panics of redb into errors: a bug in it must not keep an engine from starting, nor leave other threads waiting
//! for a commit that never ends.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic in it becomes the outer error, and everything that it had open is dropped.
pub(super) fn without_panic<T, E>(
    work: impl FnOnce() -> Result<T, E>,
) -> Result<Result<T, E>, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("unknown panic");
        Panicked(text.to_owned())
    })
}

pub(super) struct Panicked(String);

impl From<Panicked> for io::Error {
    fn from(Panicked(text): Panicked) -> Self {
        io::Error::other(format!("internal error of the database: {text}"))
    }
}
