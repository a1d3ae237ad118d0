//! Where the events of one client id lie: what `find` and `erase` have in common. They are looked for by the tags
//! that the id has in each sealed field under each key.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::dead_letters::tell;
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
use crate::sink::dead_letters::{Choice, DeadLetterDirectory, Lines, Oddities};
use crate::sink::kinds::ByTag;

pub use crate::sink::Tagged;

pub struct Traces {
    pub settings: Settings,
    /// The id in each sealed field and under each key.
    pub tags: Vec<String>,
    /// Keys that cannot be used: what they sealed was not looked for.
    pub unknown: usize,
    pub runtime: Runtime,
}

/// How many events where, and the newest of them.
pub struct Found {
    pub places: Vec<(String, Tagged)>,
    /// Every place could be asked, all of it.
    pub whole: bool,
}

impl Found {
    pub fn is_nothing(&self) -> bool {
        self.places.iter().all(|(_, found)| found.events == 0)
    }
}

/// What a sink delivers to, where that can be asked.
pub struct Target<'s> {
    pub place: String,
    by_tag: &'s dyn ByTag,
}

impl Traces {
    pub fn of(global: &Global, client: &Client) -> anyhow::Result<Traces> {
        let settings = resolve::settings(global)?;
        let policy = settings.privacy.policy();
        let names = policy.sealed_names();
        // As it is sealed.
        let id = client.id.trim();
        if id.is_empty() {
            return Err(usage_error("an empty id stands nowhere"));
        }
        if names.is_empty() {
            return Err(usage_error(
                "nothing is sealed ([privacy] seal is empty), so nothing has a tag; look for the value \
                 itself: logwarden search",
            ));
        }
        let all = keys::open(&settings)?.all()?;
        for problem in &all.problems {
            say(format_args!("what this key sealed was not looked for: {problem}"));
        }
        let tags = all.ready.iter().flat_map(|key| names.iter().map(|name| tag::of(key, name, id)));
        let tags = tags.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start")?;
        Ok(Traces { settings, tags, unknown: all.problems.len(), runtime })
    }

    /// What cannot be asked is said.
    pub fn everywhere(&self, newest: u16) -> anyhow::Result<Found> {
        let mut found = Found { places: Vec::new(), whole: self.unknown == 0 };
        if let Some(archived) = self.in_archive(newest.into())? {
            found.places.push(("archive".to_owned(), archived));
        }
        if let Some((letters, odd)) = self.in_dead_letters(newest.into())? {
            found.whole &= tell(&odd) == Exit::Done;
            found.places.push(("dead letters".to_owned(), letters));
        }
        for target in self.targets() {
            match target.find(self, newest.into()) {
                Ok(tagged) => {
                    if let Some(problem) = target.passed_over(self) {
                        say(format_args!("{}: {problem}", target.place));
                        found.whole = false;
                    }
                    found.places.push((target.place, tagged));
                }
                Err(problem) => {
                    say(format_args!("{}: {problem}", target.place));
                    found.whole = false;
                }
            }
        }
        Ok(found)
    }

    /// `None`: there is no archive.
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

    /// Events that are marked as deleted and still in the files.
    pub fn deleted_in_archive(&self) -> anyhow::Result<u64> {
        match Reader::open(&self.settings.directories.archive) {
            Err(ArchiveError::Missing { .. }) => Ok(0),
            reader => Ok(reader?.snapshot()?.deleted()),
        }
    }

    fn query(&self, reader: &Reader) -> anyhow::Result<Expr> {
        let field = |(name, tag)| Expr::Field { name, test: Test::Equals(tag) };
        Ok(Expr::Or(self.leaves(reader)?.into_iter().map(field).collect()))
    }

    /// Every tag under every name that may be the name of a tag, at any depth.
    pub fn leaves(&self, reader: &Reader) -> anyhow::Result<Vec<(FieldName, String)>> {
        let mut leaves = Vec::new();
        for name in reader.snapshot()?.names()? {
            if name.ends_with("tag") {
                let leaf = |tag: &String| (FieldName(name.clone()), tag.clone());
                leaves.extend(self.tags.iter().map(leaf));
            }
        }
        Ok(leaves)
    }

    pub fn letters(&self) -> (DeadLetterDirectory, Choice) {
        let directory = dead_letters::directory(&self.settings, Arc::new(SystemClock::new()));
        (directory, Choice::of_tags(self.tags.clone()))
    }

    /// `None`: there are none at all.
    pub fn in_dead_letters(&self, newest: usize) -> anyhow::Result<Option<(Tagged, Oddities)>> {
        let (directory, choice) = self.letters();
        let mut tagged = Tagged::default();
        let (mut odd, mut last) = (Oddities::default(), VecDeque::new());
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

    pub fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        self.settings.sinks.iter().filter_map(|sink| {
            let by_tag = sink.kind.by_tag()?;
            Some(Target { place: format!("sink {} ({})", sink.name, by_tag.place()), by_tag })
        })
    }
}

impl Target<'_> {
    pub fn find(&self, traces: &Traces, newest: usize) -> Result<Tagged, String> {
        traces.runtime.block_on(self.by_tag.find(&traces.tags, newest))
    }

    fn passed_over(&self, traces: &Traces) -> Option<String> {
        traces.runtime.block_on(self.by_tag.passed_over())
    }

    pub fn erase(&self, traces: &Traces) -> Result<u64, String> {
        traces.runtime.block_on(self.by_tag.erase(&traces.tags))
    }
}

/// Says how many in words.
pub fn events(number: u64) -> String {
    crate::base::bytes::counted(number, "event")
}
