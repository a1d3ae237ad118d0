//! Promises that must hold even if the engine is killed twenty times at random moments.

use std::collections::HashSet;
use std::fs::{self, File};
use std::time::Duration;

use crate::descriptors::limited;
use crate::fake_elasticsearch::{Acceptance, Answer, FakeElasticsearch};
use crate::fixture::{Fixture, assert_each_once, line, lines};
use crate::program::{Engine, Random, seed, send_signal, wait_for};
use crate::rejecting_elasticsearch::RejectingElasticsearch;

const PATIENCE: Duration = Duration::from_secs(60);
const KILLS: u64 = 20;

fn fixture(server: &FakeElasticsearch) -> Fixture {
    Fixture::new(&format!("urls = [\"{}\"]", server.url()))
}

fn sleep(random: &mut Random, most: u64) {
    std::thread::sleep(Duration::from_millis(random.below(most)));
}

/// A file and a copy of it with added lines; each run reads one or the other.
#[test]
fn a_copy_beside_its_original_is_a_file_of_its_own() {
    let mut random = Random(seed("copies"));
    let server = FakeElasticsearch::start();
    let fixture = fixture(&server);
    fixture.append("app.log", &lines(1, 0..500));
    fixture.append("copy.log", &lines(1, 0..505));
    let both = fs::read_to_string(fixture.path("config.toml")).unwrap();
    for round in 0..KILLS {
        let only = ["app.log", "copy.log", "*.log"][random.below(3) as usize];
        fs::write(fixture.path("config.toml"), both.replace("*.log", only)).unwrap();
        let engine = fixture.engine();
        sleep(&mut random, 500);
        if round % 5 == 4 {
            wait_for("some", PATIENCE, || (server.count() > 0).then_some(()));
        }
        engine.kill();
    }
    fs::write(fixture.path("config.toml"), both).unwrap();
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(server.count(), 1005, "{messages}");
    assert!(!messages.contains("lost") && !messages.contains("destroyed"), "{messages}");
}

/// The N of `N bytes were lost`, which the program prints at its end; 0 without that line.
fn lost(messages: &str) -> u64 {
    let words: Vec<&str> = messages.split_whitespace().collect();
    let at = words.windows(3).position(|words| words == ["bytes", "were", "lost"]);
    at.map_or(0, |at| words[at - 1].replace(',', "").parse().expect("a figure"))
}

#[test]
fn the_next_run_reports_bytes_destroyed_unread_exactly() {
    let mut random = Random(seed("losses"));
    for _ in 0..KILLS {
        let server = FakeElasticsearch::prepared();
        let fixture = fixture(&server);
        let text = lines(1, 0..200);
        fixture.append("app.log", &text);
        let engine = fixture.engine();
        wait_for("the outage", PATIENCE, || {
            engine.messages().contains("cannot reach").then_some(())
        });
        // The marks are durable after a group commit.
        std::thread::sleep(Duration::from_millis(600));
        File::create(fixture.path("logs/app.log")).unwrap();
        fixture.append("app.log", &line(1, 200));
        sleep(&mut random, 3500);
        engine.kill();
        server.launch();
        let (code, messages) = fixture.once();
        assert_eq!(server.count(), 1, "{messages}");
        assert_eq!((code, lost(&messages)), (Some(3), text.len() as u64), "{messages}");
    }
}

#[test]
fn a_source_renamed_while_its_rotated_file_is_unread_loses_nothing() {
    let mut random = Random(seed("sources"));
    let server = FakeElasticsearch::start();
    let fixture = fixture(&server);
    let config = fs::read_to_string(fixture.path("config.toml")).unwrap();
    let config = config.replace("*.log", "app.log");
    let mut written = 0;
    for round in 0..KILLS {
        let name = if round % 2 == 0 { "app" } else { "web" };
        let named = |name: &str| config.replace("[source.app]", &format!("[source.{name}]"));
        fs::write(fixture.path("config.toml"), named(name)).unwrap();
        let engine = fixture.engine();
        fixture.append("app.log", &lines(1, written..written + 50));
        written += 50;
        sleep(&mut random, 400);
        let (log, rotated) = (fixture.path("logs/app.log"), format!("logs/app.log.{round}"));
        fs::rename(log, fixture.path(&rotated)).unwrap();
        fixture.append("app.log", &lines(1, written..written + 10));
        written += 10;
        if round % 3 == 0 && fixture.path("state/control.sock").exists() {
            fs::write(fixture.path("config.toml"), named("other")).unwrap();
            send_signal(engine.id(), "HUP");
        }
        sleep(&mut random, 400);
        engine.kill();
    }
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&server.documents(), 1, written);
}

#[test]
fn more_files_than_descriptors_are_all_delivered() {
    const FILES: usize = 300;
    let mut random = Random(seed("descriptors"));
    let server = FakeElasticsearch::start();
    let fixture = fixture(&server);
    for round in 0..KILLS as usize {
        for file in 0..FILES {
            fixture.append(&format!("{file}.log"), &line(file, round));
        }
        let engine = Engine::spawn(fixture.home.path(), &mut limited(&fixture.command(&[])));
        sleep(&mut random, 600);
        engine.kill();
    }
    let output = crate::program::run(&mut limited(&fixture.command(&["--once"])));
    assert_eq!(output.status.code(), Some(0), "{}", crate::program::text(&output.stderr));
    assert_each_once(&server.documents(), FILES, KILLS as usize);
}

/// A timer runs `--once` while a writer is in the middle of a line.
#[test]
fn once_beside_a_writer_delivers_each_line_once() {
    let mut random = Random(seed("once"));
    let server = FakeElasticsearch::start();
    let fixture = fixture(&server);
    let (mut text, mut written) = (String::new(), 0);
    for round in 0..KILLS as usize * 2 {
        text.push_str(&lines(1, round * 20..round * 20 + 20));
        // At any offset, mostly within a line.
        let upto = written + random.below((text.len() - written) as u64 + 1) as usize;
        fixture.append("app.log", &text[written..upto]);
        written = upto;
        let engine = Engine::spawn(fixture.home.path(), &mut fixture.command(&["--once"]));
        match round % 2 {
            0 => {
                sleep(&mut random, 300);
                engine.kill();
            }
            _ => _ = engine.ended(),
        }
    }
    fixture.append("app.log", &text[written..]);
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&server.documents(), 1, KILLS as usize * 40);
}

/// A proxy whose limit for bodies changes and is then removed.
#[test]
fn a_temporary_limit_for_bodies_loses_nothing() {
    let mut random = Random(seed("limits"));
    let server = FakeElasticsearch::start();
    let fixture = fixture(&server);
    for round in 0..KILLS {
        let most = [1, 3, 40, usize::MAX][random.below(4) as usize];
        server.answer(move |attempt| match attempt.ids.len() > most {
            true => Answer { take: Acceptance::Nothing, status: 413, ..Answer::default() },
            false => Answer::default(),
        });
        fixture.append("app.log", &lines(1, round as usize * 100..round as usize * 100 + 100));
        let engine = fixture.engine();
        sleep(&mut random, 800);
        engine.kill();
    }
    server.answer(|_| Answer::default());
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&server.documents(), 1, KILLS as usize * 100);
    assert_eq!(fixture.dead_letters().len(), 0);
}

/// The first bulk creates a data stream that rolls over repeatedly: no event is sent to two indexes.
#[test]
fn a_target_that_rolls_over_gets_no_duplicates() {
    let mut random = Random(seed("targets"));
    let server = RejectingElasticsearch::start();
    server.template("app");
    let sink = format!("urls = [\"{}\"]\nindex = \"app\"\n", server.url);
    let fixture = Fixture::new(&sink);
    for round in 0..KILLS as usize {
        fixture.append("app.log", &lines(1, round * 100..round * 100 + 100));
        let engine = fixture.engine();
        sleep(&mut random, 600);
        server.roll_over("app");
        sleep(&mut random, 200);
        engine.kill();
    }
    let sent = |server: &RejectingElasticsearch| -> Vec<u64> {
        let documents = server.documents().into_iter();
        documents.map(|(_, document)| document["number"].as_u64().unwrap()).collect()
    };
    let before = sent(&server);
    let numbers: HashSet<u64> = before.iter().copied().collect();
    assert!(!before.is_empty());
    assert_eq!(numbers.len(), before.len(), "no event is in two indexes");
    assert_eq!(fixture.once().0, Some(1));
    assert_eq!(sent(&server).len(), before.len());
    fixture.configure(&format!("{sink}allow_rollover = true"));
    assert_eq!(fixture.once().0, Some(0));
    let numbers: HashSet<u64> = sent(&server).into_iter().collect();
    assert_eq!(numbers.len(), KILLS as usize * 100);
}
