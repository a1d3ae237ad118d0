//! `logwarden init`: writes a commented configuration to start from. Never overwrites an existing file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::arguments::{Global, Init};
use crate::cli::config::layers::user_file;
use crate::cli::exit::{Exit, say, usage_error};

const TEMPLATE: &str = include_str!("../../../assets/init.toml");
const DEFAULT_PATH: &str = "/var/log/*.log";

pub fn run(global: &Global, arguments: &Init) -> anyhow::Result<Exit> {
    let target = global.config.clone().or_else(user_file).ok_or_else(|| {
        usage_error("this user has no home directory; name the file with --config FILE")
    })?;
    write_new(&target, &text(&arguments.paths)?)?;
    let written = target.display();
    say(format_args!("wrote {written}; next: `logwarden check`, then `logwarden`"));
    Ok(Exit::Done)
}

/// The content of the file, with the given paths.
fn text(paths: &[PathBuf]) -> anyhow::Result<String> {
    let mut written = Vec::new();
    for path in paths {
        // Absolute, because the engine may be started in another directory.
        let path = std::path::absolute(path)?;
        let path = path.to_str().ok_or_else(|| {
            usage_error(format!(
                "the path {} is not valid UTF-8 and cannot be written to a TOML file; rename it",
                path.display()
            ))
        })?;
        written.push(toml::Value::String(path.to_owned()).to_string());
    }
    if written.is_empty() {
        written.push(format!("\"{DEFAULT_PATH}\""));
    }
    Ok(TEMPLATE.replace("@PATHS@", &written.join(", ")))
}

fn write_new(target: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(directory) = target.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    }
    match OpenOptions::new().write(true).create_new(true).open(target) {
        Ok(mut file) => file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", target.display())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(usage_error(format!(
            "{} already exists and was not changed; move it away, or name another file with --config",
            target.display()
        ))),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", target.display())),
    }
}
