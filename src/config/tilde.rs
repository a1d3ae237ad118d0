//! Expands `~` at the start of a configured path, because no shell does it.

use std::path::{Path, PathBuf};

/// Replaces a leading `~` with this user's home directory; `~USER` is not expanded.
pub fn expand(text: &str) -> PathBuf {
    expand_in(text, std::env::home_dir().as_deref())
}

fn expand_in(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_own_home_is_expanded_and_only_at_the_start() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                expand_in(text, Some(Path::new("/home/ann"))),
                Path::new(expected),
                "{text}"
            );
        };
        check("~", "/home/ann");
        check("~/logs/*.log", "/home/ann/logs/*.log");
        check("~bob/x.log", "~bob/x.log");
        check("/a/~/x", "/a/~/x");
        check("x~", "x~");
        assert_eq!(expand_in("~/x", None), Path::new("~/x"));
    }
}
