//! Passwords and keys: where they are read from, and a type that never displays them.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::base::timed_fs;

/// Maximum size of a password file in bytes.
const LONGEST: u64 = 64 * 1024;

/// A password or key in memory. Its bytes are overwritten when it is dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// For requests to a server, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Where a secret is read from. It is read again whenever it is needed, so that a change needs no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file with a single line.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl SecretSource {
    /// Blocking, with a deadline for files on a mount that may hang. Errors say what to do and never show the
    /// contents.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            SecretSource::File(path) => {
                let shown = path.display();
                let cannot_read =
                    |error: &dyn fmt::Display| format!("cannot read {shown} ({error})");
                let (bytes, metadata) =
                    timed_fs::read(path, LONGEST).map_err(|error| cannot_read(&error))?;
                let bytes = Zeroizing::new(bytes);
                if metadata.mode() & 0o007 != 0 {
                    return Err(format!(
                        "{shown} is accessible to all users; run: chmod 600 {shown}"
                    ));
                }
                let text = std::str::from_utf8(&bytes).map_err(|error| cannot_read(&error))?;
                one_line(text, &format!("{shown}"))
            }
            SecretSource::Environment(name) => {
                let text = std::env::var(name)
                    .map(Zeroizing::new)
                    .map_err(|_| format!("the environment variable {name} is not set"))?;
                one_line(&text, name)
            }
        }
    }
}

fn one_line(text: &str, place: &str) -> Result<Secret, String> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line {
        "" => Err(format!("{place} is empty")),
        line if line.contains(char::is_control) => {
            Err(format!("{place} contains more than one line, or a control character"))
        }
        line => Ok(Secret::new(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_the_single_line_of_a_private_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("password");
        let place = SecretSource::File(path.clone());
        let set = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            place.read().map(|secret| secret.expose().to_owned())
        };
        assert_eq!(set("se cret\n", 0o600), Ok("se cret".to_owned()));
        assert_eq!(set("crlf\r\n", 0o640), Ok("crlf".to_owned()));
        assert!(set("secret", 0o644).unwrap_err().contains("chmod 600"));
        assert!(set("\n", 0o600).unwrap_err().contains("empty"));
        assert!(set("two\nlines\n", 0o600).unwrap_err().contains("more than one line"));
        std::fs::remove_file(&path).unwrap();
        assert!(place.read().unwrap_err().contains("No such file"));
        assert_eq!(format!("{:?}", Secret::new("x".to_owned())), "[REDACTED]");
    }
}
