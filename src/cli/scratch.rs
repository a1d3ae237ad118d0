//! A folder of our own that goes away with us, also when we panic.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// 0700, under the system's folder for temporary files.
    pub fn new(what: &str) -> anyhow::Result<Scratch> {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("logwarden-{what}-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make a scratch folder in {}", folder.display()))?;
        Ok(Scratch(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
