//! Searches the archive, the dead letters and the sinks for the events of one client id; shared by `find` and `erase`.
//! It searches for the tags that the id has in each sealed field under each key.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::dead_letters::report_malformed;
use super::keys;
use crate::app::dead_letters;
use crate::app::settings::Settings;
use crate::archive::{ArchiveError, Reader};
use crate::base::SystemClock;
use crate::cli::arguments::{Client, Global};
use crate::cli::exit::{Exit, say, usage_error};
use crate::cli::resolve;
use crate::privacy::tag;
use crate::query::{Expr, FieldName, Test};
use crate::search::{self, Options, Order};
use crate::sink::dead_letters::{DeadLetterDirectory, LetterFilter, Lines, MalformedLines};
use crate::sink::kinds::ByTag;

pub use crate::sink::Tagged;

/// The tags of one client id, and everything needed to search for them.
pub struct ClientSearch {
    pub settings: Settings,
    /// One tag per sealed field and key.
    pub tags: Vec<String>,
    /// Number of unusable keys: events sealed with them are not searched.
    pub unusable_keys: usize,
    pub runtime: Runtime,
}

/// For each location (archive, dead letters, sinks) the number of events, and the newest ones.
pub struct FoundEvents {
    pub locations: Vec<(String, Tagged)>,
    /// Every location was searched completely.
    pub is_complete: bool,
}

impl FoundEvents {
    pub fn is_empty(&self) -> bool {
        self.locations.iter().all(|(_, found)| found.events == 0)
    }
}

/// A sink whose target can be searched by tag.
pub struct SinkLocation<'s> {
    pub name: String,
    by_tag: &'s dyn ByTag,
}

impl ClientSearch {
    /// Calculates the tags. Keys that cannot be used are reported and counted.
    pub fn of(global: &Global, client: &Client) -> anyhow::Result<ClientSearch> {
        let settings = resolve::settings(global)?;
        let policy = settings.privacy.policy();
        let names = policy.sealed_names();
        // Trimmed, as it is when sealed.
        let id = client.id.trim();
        if id.is_empty() {
            return Err(usage_error("the client id is empty"));
        }
        if names.is_empty() {
            return Err(usage_error(
                "no field is sealed ([privacy] seal is empty), so there are no tags; search for the value \
                 itself: logwarden search",
            ));
        }
        let all = keys::open(&settings)?.all()?;
        for problem in &all.problems {
            say(format_args!("events sealed with this key are not searched: {problem}"));
        }
        let tags = all.ready.iter().flat_map(|key| names.iter().map(|name| tag::of(key, name, id)));
        let tags = tags.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        Ok(ClientSearch { settings, tags, unusable_keys: all.problems.len(), runtime })
    }

    /// Searches every location and returns its `newest` newest events. A sink that cannot be searched is only reported;
    /// an archive or a dead letter file that cannot be read is an error.
    pub fn search_all(&self, newest: u16) -> anyhow::Result<FoundEvents> {
        let mut found = FoundEvents { locations: Vec::new(), is_complete: self.unusable_keys == 0 };
        if let Some(archived) = self.in_archive(newest.into())? {
            found.locations.push(("archive".to_owned(), archived));
        }
        if let Some((letters, odd)) = self.in_dead_letters(newest.into())? {
            found.is_complete &= report_malformed(&odd) == Exit::Done;
            found.locations.push(("dead letters".to_owned(), letters));
        }
        for target in self.targets() {
            match target.find(self, newest.into()) {
                Ok(tagged) => {
                    if let Some(problem) = target.passed_over(self) {
                        say(format_args!("{}: {problem}", target.name));
                        found.is_complete = false;
                    }
                    found.locations.push((target.name, tagged));
                }
                Err(problem) => {
                    say(format_args!("{}: {problem}", target.name));
                    found.is_complete = false;
                }
            }
        }
        Ok(found)
    }

    /// Searches the archive; `None`: there is none.
    pub fn in_archive(&self, newest: u64) -> anyhow::Result<Option<Tagged>> {
        let reader = match Reader::open(&self.settings.directories.archive) {
            Err(ArchiveError::Missing { .. }) => return Ok(None),
            reader => reader?,
        };
        let query = self.query(&reader)?;
        let events = search::count_archive(&reader, &query, &Options::default())?;
        let mut found = Tagged { events, newest: Vec::new() };
        let options = Options { limit: Some(newest), order: Order::Newest, ..Options::default() };
        search::archive(&reader, &query, &options, &mut |document| {
            found.newest.push(document.to_owned());
            Ok(())
        })?;
        Ok(Some(found))
    }

    /// Number of events that are marked as deleted but still in the archive's files.
    pub fn deleted_in_archive(&self) -> anyhow::Result<u64> {
        match Reader::open(&self.settings.directories.archive) {
            Err(ArchiveError::Missing { .. }) => Ok(0),
            reader => Ok(reader?.snapshot()?.deleted()),
        }
    }

    fn query(&self, reader: &Reader) -> anyhow::Result<Expr> {
        let field = |(name, tag)| Expr::Field { name, test: Test::Equals(tag) };
        Ok(Expr::Or(self.tag_fields(reader)?.into_iter().map(field).collect()))
    }

    /// Each field whose name ends in `tag`, at any depth, with each tag.
    pub fn tag_fields(&self, reader: &Reader) -> anyhow::Result<Vec<(FieldName, String)>> {
        let mut fields = Vec::new();
        for name in reader.snapshot()?.names()? {
            if name.ends_with("tag") {
                let field = |tag: &String| (FieldName(name.clone()), tag.clone());
                fields.extend(self.tags.iter().map(field));
            }
        }
        Ok(fields)
    }

    /// The dead letters, and the filter for those with one of the tags.
    pub fn dead_letters(&self) -> (DeadLetterDirectory, LetterFilter) {
        let directory = dead_letters::directory(&self.settings, Arc::new(SystemClock::new()));
        (directory, LetterFilter::of_tags(self.tags.clone()))
    }

    /// Searches the dead letters; `None`: there are none.
    pub fn in_dead_letters(
        &self,
        newest: usize,
    ) -> anyhow::Result<Option<(Tagged, MalformedLines)>> {
        let (directory, choice) = self.dead_letters();
        let mut tagged = Tagged::default();
        let (mut odd, mut last) = (MalformedLines::default(), VecDeque::new());
        let files = directory.files(&choice).context("cannot read the dead letters")?;
        for file in &files {
            let cannot_read = || format!("cannot read {}", file.path.display());
            for line in Lines::open(file).with_context(cannot_read)? {
                match line.with_context(cannot_read)?.letter {
                    Err(problem) => odd.add(&problem),
                    Ok(letter) if choice.takes(&letter) => {
                        tagged.events += 1;
                        last.push_front(letter.document.get().to_owned());
                        last.truncate(newest);
                    }
                    Ok(_) => {}
                }
            }
        }
        tagged.newest = last.into();
        Ok((!files.is_empty()).then_some((tagged, odd)))
    }

    /// The sinks that can be searched by tag.
    pub fn targets(&self) -> impl Iterator<Item = SinkLocation<'_>> {
        self.settings.sinks.iter().filter_map(|sink| {
            let by_tag = sink.kind.by_tag()?;
            Some(SinkLocation { name: format!("sink {} ({})", sink.name, by_tag.place()), by_tag })
        })
    }
}

impl SinkLocation<'_> {
    pub fn find(&self, search: &ClientSearch, newest: usize) -> Result<Tagged, String> {
        search.runtime.block_on(self.by_tag.find(&search.tags, newest))
    }

    /// Why a part of the target was not searched; `None`: all of it was.
    fn passed_over(&self, search: &ClientSearch) -> Option<String> {
        search.runtime.block_on(self.by_tag.passed_over())
    }

    /// Erases the events permanently and returns their number.
    pub fn erase(&self, search: &ClientSearch) -> Result<u64, String> {
        search.runtime.block_on(self.by_tag.erase(&search.tags))
    }
}

/// `1 event`, `1,204 events`.
pub fn events(number: u64) -> String {
    crate::base::bytes::counted(number, "event")
}
