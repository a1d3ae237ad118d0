//! Finds files that Logwarden writes itself but that the settings of a source match.

use std::path::PathBuf;
use std::sync::Arc;

use super::SourceConfig;
use super::discover::{self, Problem};
use super::own_files::{OwnFiles, OwnPaths};

/// Logwarden's own files that these sources match, each with the name of the source: existing files, and outputs that
/// do not exist yet.
pub fn meant(sources: &[SourceConfig], own: &OwnPaths) -> Vec<(PathBuf, Arc<str>)> {
    let sources: Vec<Arc<SourceConfig>> = sources.iter().cloned().map(Arc::new).collect();
    let existing = discover::scan(&sources, own, &OwnFiles::default())
        .problems
        .into_iter()
        .filter_map(|problem| match problem {
            Problem::OwnPaths(path, source) => Some((path, source)),
            _ => None,
        });
    let mut matched: Vec<(PathBuf, Arc<str>)> = existing.collect();
    for output in &own.outputs {
        let Ok(path) = std::path::absolute(output) else { continue };
        let source = sources.iter().find(|source| discover::means(source, &path));
        if let Some(source) = source.filter(|_| matched.iter().all(|(known, _)| known != output)) {
            matched.push((output.clone(), source.name.clone()));
        }
    }
    matched
}
