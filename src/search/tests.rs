//! Tests that the predicate in memory, the archive and the search in files find the same events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::output::{Form, Output};
use super::*;
use crate::archive::{Archive, GenerationFacts, Generations, Reader, encode};
use crate::event::{Cursor, Generation, GenerationId, IdKey, Identity, Level};
use crate::privacy::{Policy, shown};
use crate::query::{Bound, FieldName, Pattern, Test, Token};

mod queries;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

struct Unknown;

impl Generations for Unknown {
    fn fact(&self, _: GenerationId) -> Option<GenerationFacts> {
        None
    }
}

fn input(path: &Path) -> Input {
    let key = IdKey::from_host_id("host");
    let identity = Identity { inode: 1, birth: 1, head_len: 1, head_hash: 1, ordinal: 0 };
    Input {
        path: path.into(),
        file: File::open(path).unwrap(),
        generation: Arc::new(Generation {
            id: identity.id(&key),
            identity,
            source: "test".into(),
            service: Some("shop".into()),
            host: "web-1".into(),
            key,
        }),
        format: None,
        zone: TimeZone::UTC,
        seen: NOW,
        day: NOW.day(),
    }
}

/// A file, and an archive of it.
struct Corpus {
    _scratch: tempfile::TempDir,
    input: Input,
    reader: Reader,
}

impl Corpus {
    fn new(text: &[u8]) -> Self {
        Self::with_commits(text, 300)
    }

    /// Several segments: their boundaries must not affect results.
    fn with_commits(text: &[u8], events: usize) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("app.log");
        File::create(&path).unwrap().write_all(text).unwrap();
        let input = input(&path);
        let directory = scratch.path().join("archive");
        let mut archive = Archive::open_writer(&directory, NOW).unwrap().0;
        files::each_batch(&input, &mut |batch| {
            let (mut body, mut ends) = (Vec::new(), Vec::new());
            for event in batch.events() {
                encode(&shown(&Policy::default(), event), &mut body);
                ends.push(body.len());
                if ends.len() == events {
                    archive
                        .add(std::mem::take(&mut body).into(), &std::mem::take(&mut ends))
                        .unwrap();
                    commit(&mut archive, event.record.end);
                }
            }
            archive.add(body.into(), &ends).unwrap();
            commit(&mut archive, batch.end);
        });
        drop(archive);
        let reader = Reader::open(&directory).unwrap();
        Corpus { _scratch: scratch, input, reader }
    }

    /// Ids found by the predicate in memory, evaluated on outgoing events.
    fn by_predicate(&self, query: &Expr) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        files::each_batch(&self.input, &mut |batch| {
            for event in batch.events() {
                let outgoing = shown(&Policy::default(), event);
                if query.matches(&outgoing) {
                    ids.insert(outgoing.id().to_string());
                }
            }
        });
        ids
    }

    fn in_archive(&self, query: &Expr, options: &Options, page: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let each = &mut |json: &str| {
            ids.push(id(json));
            Ok(())
        };
        archive::archive_by(&self.reader, query, options, each, page).unwrap();
        ids
    }

    fn in_files(&self, query: &Expr, options: &Options) -> Vec<String> {
        let mut ids = Vec::new();
        let inputs = std::slice::from_ref(&self.input);
        files(inputs, query, options, &Policy::default(), &mut |json| {
            ids.push(id(json));
            Ok(())
        })
        .unwrap();
        ids
    }

    /// Checks that all three agree; returns the number of results.
    fn check(&self, query: &Expr) -> usize {
        let expected = self.by_predicate(query);
        let options = Options::default();
        let found = self.in_archive(query, &options, 1000);
        assert_eq!(found.len(), expected.len(), "in the archive: {query}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "archive: {query}");
        assert_eq!(
            count_archive(&self.reader, query, &options).unwrap(),
            expected.len() as u64,
            "{query}"
        );
        let found = self.in_files(query, &options);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "files: {query}");
        expected.len()
    }
}

fn commit(archive: &mut Archive, offset: u64) {
    let generation = GenerationId(7);
    archive.commit(&[Cursor { generation, offset }], &Unknown, NOW).unwrap();
}

fn id(json: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(json).unwrap();
    document["event"]["id"].as_str().unwrap().to_owned()
}

fn parse(text: &str) -> Expr {
    crate::query::tests::parse(text).unwrap()
}

#[test]
fn archive_files_and_predicate_agree_on_random_queries() {
    let corpus = Corpus::new(&queries::corpus());
    let mut found = BTreeMap::<&str, u32>::new();
    for seed in 1..=400 {
        let query = queries::random(seed);
        let size = corpus.check(&query);
        let kind = match size {
            0 => "none",
            n if n == queries::EVENTS => "all",
            _ => "some",
        };
        *found.entry(kind).or_default() += 1;
    }
    // Queries that match nothing or everything would prove little.
    assert!(found["some"] > 200, "{found:?}");
}

#[test]
fn awkward_queries_agree() {
    let corpus = Corpus::new(&queries::corpus());
    for query in [
        "*",
        "not *",
        "message:*",
        "user:*",
        "not user:*",
        "level:*",
        "nothing:*",
        "status:20?",
        "status:2*",
        "status>=404",
        "status>404",
        "status<=200 status>=200",
        "bytes:1500",
        "bytes:1.5e3",
        "bytes:\"1500\"",
        "bytes:\"1.5e3\"",
        "bytes:1763556497161513791",
        "not bytes:1763556497161513791.0",
        "bytes:\"1763556497161513790\"",
        "bytes:1500.00000000000000001",
        "bytes:-0",
        "bytes:\"-0\"",
        "bytes:\"0\"",
        "ratio:0.25",
        "ratio:0.25000000000000000001",
        "ratio:\"0.25\"",
        "ratio<0",
        "ratio:-0.5",
        "ip:10.0.0.0/8",
        "not ip:10.0.0.0/8",
        "ip:10.1.*",
        "ip:\"2001:db8::1\"",
        "ip:2001:db8::/32",
        "host:web-1",
        "host.name:WEB*",
        "service:shop",
        "CLIENT_ID:c1?",
        "clientid:C12",
        "tags:red",
        "http.status:500",
        "größe:*",
        "message:größe",
        "message:istanbul",
        "\"time* out\"",
        "\"connection * refused\"",
        "conn*",
        "*ion",
        "a*",
        "level>=warning",
        "level<info",
        "fields.message:inner",
        "log.file.path:*app.log",
        "\"order 12 for\"",
        "flag:true",
        "flag:(true false)",
        "user:\"\"",
        "long:*",
        "empty:*",
        "(timed or refused) and not level:error -status:500",
    ] {
        corpus.check(&parse(query));
    }
}

#[test]
fn each_page_and_order_gives_each_event_once_and_in_order() {
    let corpus = Corpus::new(&queries::corpus());
    let query = parse("level:error or level:info");
    let all = corpus.in_archive(&query, &Options::default(), 100_000);
    assert!(all.len() > 300);
    for page in [1, 7, 299] {
        let limit = Some(if page == 1 { 40 } else { u64::MAX });
        let options = Options { limit, ..Options::default() };
        let paged = corpus.in_archive(&query, &options, page);
        assert_eq!(paged, all[..paged.len()]);
        assert!(paged.len() == all.len() || paged.len() == 40);
    }
    let newest = Options { order: Order::Newest, limit: Some(25), ..Options::default() };
    let expected: Vec<String> = all.iter().rev().take(25).cloned().collect();
    assert_eq!(corpus.in_archive(&query, &newest, 10), expected);
    assert_eq!(corpus.in_files(&query, &newest), expected);
    let oldest = Options { limit: Some(25), ..Options::default() };
    assert_eq!(corpus.in_files(&query, &oldest), all[..25]);
}

#[test]
fn since_is_inclusive_and_until_exclusive() {
    let corpus = Corpus::new(&queries::corpus());
    let at = |second: i64| Some(Timestamp::from_seconds(queries::FIRST + second));
    let options = Options { since: at(100), until: at(103), ..Options::default() };
    // One event per second.
    assert_eq!(corpus.in_archive(&Expr::All, &options, 10).len(), 3);
    assert_eq!(corpus.in_files(&Expr::All, &options).len(), 3);
    assert_eq!(count_archive(&corpus.reader, &Expr::All, &options).unwrap(), 3);
}

#[test]
fn blocks_without_the_word_are_skipped_and_nothing_is_missed() {
    // 9 MiB of Python logging; the word is in stack traces, at block ends, and in rows far apart.
    let mut text = Vec::new();
    let (mut line, mut expected) = (0u32, 0);
    while text.len() < 9 << 20 {
        let second = line % 60;
        writeln!(text, "2024-05-01 10:00:{second:02},123 - app - INFO - request {line} served")
            .unwrap();
        if line % 30_000 == 777 {
            writeln!(text, "2024-05-01 10:00:{second:02},200 - app - ERROR - failed").unwrap();
            text.extend_from_slice(b"Traceback (most recent call last):\n");
            for depth in 0..line % 90 {
                writeln!(text, "  File \"app.py\", line {depth}, in serve\n    return call()")
                    .unwrap();
            }
            text.extend_from_slice(b"ValueError: needle in the trace\n");
            expected += 1;
        }
        line += 1;
    }
    let corpus = Corpus::with_commits(&text, 50_000);
    let query = parse("Needle");
    let found = corpus.in_files(&query, &Options::default());
    assert_eq!(found.len(), expected);
    assert_eq!(found, corpus.in_archive(&query, &Options::default(), 1000));
}

fn written(corpus: &Corpus, form: Form, query: &str) -> String {
    let query = parse(query);
    let mut bytes = Vec::new();
    let mut output = Output::new(&mut bytes, form, &query).unwrap();
    archive(&corpus.reader, &query, &Options::default(), &mut |json| output.write(json)).unwrap();
    output.finish().unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn results_are_written_for_people_and_programs_and_never_control_a_terminal() {
    let corpus = Corpus::new(
        concat!(
            r#"{"time":"2024-05-01T10:00:00Z","level":"error","message":"disk \u001b[2J full","n":1}"#,
            "\n",
            r#"{"time":"2024-05-01T10:00:01Z","level":"info","message":"=1+1, \"quoted\"","user":"x"}"#,
            "\n"
        )
        .as_bytes(),
    );
    let text = written(&corpus, Form::Text { colour: false }, "*");
    assert_eq!(
        text,
        "2024-05-01T10:00:00Z error   app.log disk ␛[2J full n=1\n\
         2024-05-01T10:00:01Z info    app.log =1+1, \"quoted\" user=x\n"
    );
    let coloured = written(&corpus, Form::Text { colour: true }, "FULL");
    assert!(coloured.contains("\x1b[1;31merror  \x1b[0m"), "{coloured:?}");
    assert!(coloured.contains("\x1b[1;7mfull\x1b[0m"), "{coloured:?}");
    assert!(!coloured.contains("\x1b[2J"), "{coloured:?}");
    let csv = written(&corpus, Form::Csv, "user:x");
    let row = csv.lines().nth(1).unwrap();
    assert!(row.starts_with("2024-05-01T10:00:01Z,info,shop,"), "{row}");
    assert!(row.contains(r#""'=1+1, ""quoted""""#), "{row}");
    let json = written(&corpus, Form::Json, "level:error");
    let document: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!(document["n"], 1);
}
