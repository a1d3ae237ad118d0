//! Finds and reads the layers of settings: defaults, files, environment, arguments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::{Location, Problem, Table};

/// Every setting with its default and a comment. The lowest layer.
pub const DEFAULTS: &str = include_str!("../../../assets/default.toml");

const PREFIX: &str = "LOGWARDEN_";
/// The environment variable with the path of an additional configuration file.
const CONFIG_VARIABLE: &str = "LOGWARDEN_CONFIG";

/// All layers merged.
#[derive(Debug)]
pub struct Layers {
    pub table: Table,
    pub problems: Vec<Problem>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

impl Layers {
    /// Only the defaults.
    pub fn read_defaults() -> Layers {
        let mut problems = Vec::new();
        let table = Table::from_toml("defaults", DEFAULTS, &mut problems);
        Layers { table, problems, files: Vec::new() }
    }

    /// Reads and merges all layers. `config`: the file named by `--config`, which is read instead of that of the
    /// environment variable. Each of `arguments`: path of the setting, name of the argument, value.
    pub fn read(
        config: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        arguments: &[(&[&str], &str, String)],
    ) -> Layers {
        let mut layers = Layers::read_defaults();
        if let Some(path) = user_file() {
            layers.add_file(&path, false);
        }
        let variables = layers.variables(environment);
        let named = variables.iter().find(|(name, _)| name == CONFIG_VARIABLE);
        if let Some(path) = config.map(Path::to_owned).or(named.map(|(_, path)| path.into())) {
            layers.add_file(&path, true);
        }
        for (name, value) in variables.into_iter().filter(|(name, _)| name != CONFIG_VARIABLE) {
            let path: Vec<&str> = name[PREFIX.len()..].split("__").collect();
            layers.table.set(&path, &name, value);
        }
        for (path, argument, value) in arguments {
            layers.table.set(path, argument, value.clone());
        }
        layers
    }

    fn add_file(&mut self, path: &Path, must_exist: bool) {
        let origin = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let table = Table::from_toml(&origin, &text, &mut self.problems);
                self.table.merge(table);
                self.files.push(path.to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {}
            Err(error) => self.problems.push(Problem {
                location: Location::of(&origin),
                text: format!("cannot read this configuration file: {error}"),
            }),
        }
    }

    /// The `LOGWARDEN_…` variables, sorted, so that errors always have the same order.
    fn variables(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => found.push((name.to_owned(), value)),
                Err(_) => self.problems.push(Problem {
                    location: Location::of(name),
                    text: "the value is not valid UTF-8".to_owned(),
                }),
            }
        }
        found.sort();
        found
    }
}

/// `config.toml` in the user's configuration directory: `$XDG_CONFIG_HOME/logwarden/` on Linux.
pub fn user_file() -> Option<PathBuf> {
    let directories = directories::ProjectDirs::from("", "", "logwarden")?;
    Some(directories.config_dir().join("config.toml"))
}
