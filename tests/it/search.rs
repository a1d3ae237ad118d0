//! A query finds the same events in the archive and in the file that the archive was filled from.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use logwarden::archive::{Archive, GenerationFacts, Generations, Reader};
use logwarden::event::{Cursor, GenerationId};
use logwarden::privacy::{Policy, shown};
use logwarden::query::{Expr, ParseContext, parse};
use logwarden::search::{Input, Options, archive, count_archive, count_files, files};

use super::archive::{NOW, batch};

struct Nothing;

impl Generations for Nothing {
    fn fact(&self, _: GenerationId) -> Option<GenerationFacts> {
        None
    }
}

/// A file of the corpus. `None`, with a message, if the corpus is missing; the test then checks nothing.
fn corpus(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../shared/corpus", "../../shared/corpus"].map(|directory| root.join(directory));
    let path = beside.iter().map(|directory| directory.join(name)).find(|path| path.exists());
    if path.is_none() {
        eprintln!("NOT TESTED: {name} is not in ../shared/corpus beside the checkout");
    }
    path
}

fn query(text: &str) -> Expr {
    parse(text, &ParseContext { now: NOW, zone: TimeZone::UTC }).unwrap()
}

struct Both {
    _directory: tempfile::TempDir,
    reader: Reader,
    input: Input,
}

impl Both {
    fn new(path: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let batch = batch(path, &std::fs::read(path).unwrap(), NOW);
        let mut archive = Archive::open_writer(directory.path(), NOW).unwrap().0;
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        for event in batch.events() {
            logwarden::archive::encode(&shown(&Policy::default(), event), &mut body);
            ends.push(body.len());
        }
        archive.add(body.into(), &ends).unwrap();
        let generation = batch.generation.id;
        archive.commit(&[Cursor { generation, offset: batch.end }], &Nothing, NOW).unwrap();
        let input = Input {
            path: path.into(),
            file: File::open(path).unwrap(),
            generation: batch.generation.clone(),
            format: None,
            zone: TimeZone::UTC,
            seen: NOW,
            day: NOW.day(),
        };
        let reader = Reader::open(directory.path()).unwrap();
        Both { _directory: directory, reader, input }
    }

    fn check(&self, text: &str, expected: u64) {
        let (query, options) = (query(text), Options::default());
        let inputs = std::slice::from_ref(&self.input);
        assert_eq!(count_archive(&self.reader, &query, &options).unwrap(), expected, "{text}");
        assert_eq!(count_files(inputs, &query, &options).unwrap(), expected, "{text}");
        let (mut kept, mut read) = (Vec::new(), Vec::new());
        archive(&self.reader, &query, &options, &mut |json| {
            kept.push(json.to_owned());
            Ok(())
        })
        .unwrap();
        files(inputs, &query, &options, &Policy::default(), &mut |json| {
            read.push(json.to_owned());
            Ok(())
        })
        .unwrap();
        kept.sort_unstable();
        read.sort_unstable();
        assert_eq!(kept, read, "{text}: whole documents");
    }
}

#[test]
fn the_web_application_was_unauthorized_396_times() {
    let Some(path) = corpus("seeds/flask_app.log") else { return };
    let both = Both::new(&path);
    both.check("*", 1644);
    both.check("Unauthorized", 396);
    both.check("Unauthorized level:warning", 298);
    both.check("Unauthorized level:error", 98);
    both.check("unauthorized and \"index page\"", 298);
    both.check("unauthorized and \"operation page\"", 98);
    both.check("Authorized", 1248);
    both.check("level:info", 1248);
    both.check("not unauthorized", 1248);
}
