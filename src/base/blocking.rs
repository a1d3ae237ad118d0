//! Runs short blocking calls inside an async task.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work`, which may wait for a disk. On a multi-threaded runtime, other tasks move to another thread meanwhile.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
