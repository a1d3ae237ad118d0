//! The commit for `logwarden --version`: from `LOGWARDEN_COMMIT`, the git repository, or the record that `cargo package`
//! adds. Release builds only, so that a commit does not rebuild everything while one develops.

use std::fs;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LOGWARDEN_COMMIT");
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    let version = std::env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let commit = std::env::var("LOGWARDEN_COMMIT").ok().or_else(of_repository).or_else(of_package);
    if let Some(commit) = commit.filter(|commit| !commit.is_empty()) {
        println!("cargo:rustc-env=LOGWARDEN_VERSION={version} ({commit})");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Only of our own repository: a package may be built inside somebody else's.
fn of_repository() -> Option<String> {
    if !fs::exists(".git").unwrap_or(false) {
        return None;
    }
    for path in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", path])?;
        println!("cargo:rerun-if-changed={path}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if is_changed.is_empty() { commit } else { format!("{commit}, changed") })
}

fn of_package() -> Option<String> {
    let record = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, behind) = record.split_once("\"sha1\":")?;
    let commit: String = behind.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    (commit.len() == 12).then_some(commit)
}
