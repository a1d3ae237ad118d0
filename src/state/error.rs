//! Errors of the state, worded for the operator who has to fix them.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "another logwarden (process {process}) is using {}; stop it, or use another --state-dir",
        directory.display()
    )]
    Owned { directory: PathBuf, process: String },
    #[error(
        "cannot use the state directory {}; {}choose another with --state-dir DIR",
        directory.display(),
        advice(.source)
    )]
    Directory {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the state in {} was written by a newer logwarden (format version {version}; this \
         one reads versions up to {known}); use that logwarden, or choose another directory with --state-dir DIR",
        path.display()
    )]
    Newer { path: PathBuf, version: u32, known: u32 },
    #[error("cannot read the state in {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot write the state in {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Advice for this particular error, before the general advice.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on that disk, or ",
        io::ErrorKind::PermissionDenied => "give this user write permission there, or ",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_error() {
        let check = |kind: io::ErrorKind, expected: &str| {
            let (directory, source) = (PathBuf::from("/s"), io::Error::from(kind));
            let text = StateError::Directory { directory, source }.to_string();
            let advice = text.strip_prefix("cannot use the state directory /s; ");
            let advice =
                advice.and_then(|text| text.strip_suffix("choose another with --state-dir DIR"));
            assert_eq!(advice, Some(expected), "{text}");
        };
        check(io::ErrorKind::StorageFull, "free space on that disk, or ");
        check(io::ErrorKind::PermissionDenied, "give this user write permission there, or ");
        check(io::ErrorKind::NotADirectory, "");
    }
}
