//! Reading the files of passwords and certificates: their file system may take its time, or not answer at all.

use std::time::Duration;

use tokio::time::timeout;

use super::failure::Failure;

/// What takes longer cannot be read now.
const READ: Duration = Duration::from_secs(15);

pub(super) async fn off_the_async_threads<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let cannot = |reason: &str| {
        Failure::Settings(format!("cannot read the files of passwords and certificates ({reason})"))
    };
    match timeout(READ, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(cannot("by a fault in Logwarden")),
        Err(_) => Err(cannot("their file system does not answer")),
    }
}
