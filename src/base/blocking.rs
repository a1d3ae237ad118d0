//! Short calls that may block, in the middle of a task.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what may wait for a disk. Where other tasks share the thread, they go on with another one meanwhile.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
