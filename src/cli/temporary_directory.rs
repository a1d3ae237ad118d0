//! A temporary directory that is removed when the command ends, also after a panic.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

#[derive(Debug)]
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Mode 0700, under the system's directory for temporary files.
    pub fn new(purpose: &str) -> anyhow::Result<TemporaryDirectory> {
        // The name is random, so that no other user can create it in advance.
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::from)?;
        let name = format!("logwarden-{purpose}-{:016x}", u64::from_ne_bytes(random));
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot create the directory {}", path.display()))?;
        Ok(TemporaryDirectory(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
