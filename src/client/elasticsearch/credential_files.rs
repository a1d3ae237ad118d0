//! Reads password and certificate files on a blocking thread with a time-out, because their file system may hang.

use std::time::Duration;

use tokio::time::timeout;

use super::failure::Failure;

/// Time-out of one read.
const READ: Duration = Duration::from_secs(15);

/// Runs `read`, which reads such files.
pub(super) async fn read_blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let cannot = |reason: &str| {
        Failure::Settings(format!("cannot read the password and certificate files: {reason}"))
    };
    match timeout(READ, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(cannot("internal error")),
        Err(_) => Err(cannot("their file system does not answer; check its mount")),
    }
}
