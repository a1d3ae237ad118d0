//! Reads the files of passwords and certificates on blocking threads, because their file system may hang.

use std::time::Duration;

use tokio::time::timeout;

use super::failure::Failure;

/// The longest that a read may take.
const READ: Duration = Duration::from_secs(15);

pub(super) async fn read_blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let cannot = |reason: &str| {
        Failure::Settings(format!("cannot read the files of passwords and certificates ({reason})"))
    };
    match timeout(READ, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(cannot("internal error")),
        Err(_) => Err(cannot("their file system does not answer")),
    }
}
