//! A mount that does not answer delays only its own files: they are shown as stuck, all others are read as usual, and
//! when the mount answers, its files are read on without loss or repetition.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fuse::Fuse;
use crate::program::{self, Engine, wait_for};
use crate::rotation::{append, lines};

const PATIENCE: Duration = Duration::from_secs(90);

/// An engine with an archive, logs on a local disk, and logs on a mount that hangs on demand.
struct Fixture {
    // Dropped in this order: the directory cannot be removed while a file system is mounted in it.
    engine: Option<Engine>,
    mount: Fuse,
    home: tempfile::TempDir,
}

impl Drop for Fixture {
    /// No thread is blocked in the kernel.
    fn drop(&mut self) {
        self.mount.answer();
    }
}

impl Fixture {
    fn new() -> Option<Fixture> {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("logs")).unwrap();
        let mount = Fuse::mount(&home.path().join("mount"))?;
        Some(Fixture { engine: None, mount, home })
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn start(&mut self, paths: &[&str]) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| self.home.path().join(path)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        self.engine = Some(Engine::start(self.home.path(), &self.state(), &paths));
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.home.path().join("logs").join(name)
    }

    fn until_archived(&self, count: u64) {
        let archived = || program::archived(self.home.path(), &self.state(), "*");
        wait_for(&format!("{count} events"), PATIENCE, || (archived() == count).then_some(()));
    }

    fn until_said(&self, text: &str) {
        wait_for(text, PATIENCE, || self.engine().messages().contains(text).then_some(()));
    }

    fn status(&self) -> serde_json::Value {
        let mut stream = UnixStream::connect(self.state().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"{\"request\":\"status\"}\n").unwrap();
        let mut reply = String::new();
        BufReader::new(&stream).read_line(&mut reply).unwrap();
        serde_json::from_str(&reply).unwrap()
    }

    /// Names of the files that are shown as stuck.
    fn stuck(&self) -> Vec<String> {
        let status = self.status().to_string();
        let files: Vec<serde_json::Value> = find_files(&serde_json::from_str(&status).unwrap());
        let stuck = files.iter().filter(|file| file["state"].get("stuck").is_some());
        stuck.map(|file| file["path"].to_string().rsplit('/').next().unwrap().to_owned()).collect()
    }

    /// States of the files of this name, as JSON.
    fn states(&self, name: &str) -> Vec<String> {
        let files = find_files(&serde_json::from_str(&self.status().to_string()).unwrap());
        let end = format!("/{name}");
        let named = files
            .iter()
            .filter(|file| file["path"].as_str().is_some_and(|path| path.ends_with(&end)));
        named.map(|file| file["state"].to_string()).collect()
    }

    /// Every number up to `upto` exists once.
    fn expect_numbers(&self, upto: u64) {
        let documents = program::documents(self.home.path(), &self.state());
        let numbers = documents.iter().map(|document| document["number"].as_u64().unwrap());
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..upto).collect::<Vec<u64>>());
    }
}

fn find_files(status: &serde_json::Value) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    if let Some(object) = status.as_object() {
        found.extend(
            object.get("files").and_then(|files| files.as_array()).cloned().unwrap_or_default(),
        );
        found.extend(object.values().flat_map(find_files));
    }
    found
}

/// Threads of the process that make calls to mounts.
fn threads_of_mounts(process: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let name = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm"));
    let is_one = |task: &fs::DirEntry| name(task).is_ok_and(|name| name.trim() == "mount");
    tasks.filter_map(Result::ok).filter(is_one).count()
}

#[test]
fn files_on_a_hung_mount_are_stuck_and_all_others_are_read() {
    let Some(mut fixture) = Fixture::new() else { return };
    append(&fixture.log("app.log"), lines("w", 0..5).as_bytes());
    fixture.mount.append("far.log", &lines("w", 5..10));
    fixture.start(&["logs", "mount/*.log"]);
    fixture.until_archived(10);
    fixture.mount.hang();
    fixture.mount.append("far.log", &lines("w", 10..15));
    fixture.mount.append("new.log", &lines("w", 15..20));
    fixture.until_said("does not answer");
    wait_for("its stuck state", PATIENCE, || (fixture.stuck() == ["far.log\""]).then_some(()));
    // Growth, rotation and new files on the local disk.
    append(&fixture.log("app.log"), lines("w", 20..25).as_bytes());
    fixture.until_archived(15);
    fs::rename(fixture.log("app.log"), fixture.log("app.log.1")).unwrap();
    append(&fixture.log("app.log"), lines("w", 25..30).as_bytes());
    append(&fixture.log("other.log"), lines("w", 30..35).as_bytes());
    fixture.until_archived(25);
    assert!(threads_of_mounts(fixture.engine().id()) <= 1);
    fixture.mount.answer();
    fixture.until_archived(35);
    fixture.expect_numbers(35);
    wait_for("the end of its stuck state", PATIENCE, || fixture.stuck().is_empty().then_some(()));
    let messages = fixture.engine().messages();
    assert_eq!(messages.matches("does not answer;").count(), 1, "reported once: {messages}");
    assert!(fixture.engine.take().unwrap().terminate().success());
}

#[test]
fn stop_and_start_work_beside_a_hung_mount() {
    let Some(mut fixture) = Fixture::new() else { return };
    append(&fixture.log("app.log"), lines("w", 0..5).as_bytes());
    fixture.mount.append("far.log", &lines("w", 5..10));
    fixture.start(&["logs/app.log", "mount"]);
    fixture.until_archived(10);
    fixture.mount.hang();
    fixture.mount.append("far.log", &lines("w", 10..15));
    fixture.until_said("does not answer");
    let engine = fixture.engine.take().unwrap();
    let ended = engine.terminate();
    let messages = fs::read_to_string(fixture.home.path().join("engine.stderr")).unwrap();
    assert!(ended.success(), "{ended}: {messages}");
    append(&fixture.log("app.log"), lines("w", 15..20).as_bytes());
    fixture.start(&["logs/app.log", "mount"]);
    fixture.until_archived(15);
    fixture.mount.rename("far.log", "far.log.1");
    fixture.mount.append("far.log", &lines("w", 20..25));
    fixture.mount.answer();
    fixture.until_archived(25);
    fixture.expect_numbers(25);
    assert!(fixture.engine.take().unwrap().terminate().success());
}

#[test]
fn a_file_deleted_by_another_host_ends() {
    let Some(mut fixture) = Fixture::new() else { return };
    fixture.mount.append("far.log", &lines("w", 0..5));
    fixture.start(&["mount/*.log"]);
    fixture.until_archived(5);
    fixture.mount.remove("far.log");
    fixture.mount.append("near.log", &lines("w", 5..10));
    fixture.until_archived(10);
    wait_for("its end", PATIENCE, || fixture.states("far.log").is_empty().then_some(()));
    fixture.mount.append("far.log", &lines("w", 10..15));
    fixture.until_archived(15);
    fixture.expect_numbers(15);
    assert!(fixture.engine.take().unwrap().terminate().success());
}

#[test]
fn a_file_that_can_be_checked_again_keeps_its_identity() {
    let Some(mut fixture) = Fixture::new() else { return };
    fixture.mount.append("far.log", &lines("w", 0..5));
    fixture.start(&["mount"]);
    fixture.until_archived(5);
    fixture.mount.rename("far.log", "far.log.1");
    fixture.mount.append("far.log", &lines("w", 5..10));
    fixture.until_archived(10);
    let before = fixture.states("far.log.1");
    fixture.mount.fail("far.log.1", true);
    let says = |text: &str| fixture.states("far.log.1").iter().any(|state| state.contains(text));
    wait_for("the notice", PATIENCE, || says("cannot check the file").then_some(()));
    fixture.mount.fail("far.log.1", false);
    wait_for("the old state", PATIENCE, || (fixture.states("far.log.1") == before).then_some(()));
    assert!(fixture.engine.take().unwrap().terminate().success());
}

/// Repeatedly, at any moment.
#[test]
fn nothing_is_lost_or_repeated_when_a_mount_hangs_at_any_moment() {
    let Some(mut fixture) = Fixture::new() else { return };
    let mut random = program::Random(program::seed("hung_mount"));
    fixture.start(&["logs", "mount"]);
    let mut number = 0;
    for round in 0..12 {
        for _ in 0..random.below(8) + 1 {
            let (near, next) = (random.below(3) == 0, number + 1 + random.below(40) as usize);
            let text = lines("w", number..next);
            match near {
                true => append(&fixture.log("app.log"), text.as_bytes()),
                false => fixture.mount.append(&format!("{}.log", random.below(3)), &text),
            }
            number = next;
            // At any step of the reaction to it.
            let answered = fixture.mount.answered() + random.below(12);
            let deadline = std::time::Instant::now() + Duration::from_millis(300);
            while fixture.mount.answered() < answered && std::time::Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        match round % 2 {
            0 => fixture.mount.hang(),
            _ => fixture.mount.answer(),
        }
        if round % 4 == 0 {
            fixture.until_said("does not answer");
        }
    }
    fixture.mount.answer();
    fixture.until_archived(number as u64);
    fixture.expect_numbers(number as u64);
    assert!(fixture.engine.take().unwrap().terminate().success());
}

/// The password file is on the mount: its sink waits, everything else works as usual.
#[test]
fn a_password_file_on_a_hung_mount_delays_only_its_sink() {
    let Some(mut fixture) = Fixture::new() else { return };
    let fake = FakeElasticsearch::start();
    let (home, out) = (fixture.home.path().to_owned(), fixture.home.path().join("out"));
    fixture.mount.append("password", "secret\n");
    append(&fixture.log("app.log"), lines("w", 0..5).as_bytes());
    let config = format!(
        "[source.app]\npaths = [\"{}\"]\n[sink.out]\nkind = \"file\"\npath = \"{}\"\n\
         [sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\nusername = \"u\"\npassword_file = \"{}\"\n",
        home.join("logs/*.log").display(),
        out.display(),
        fake.url(),
        fixture.mount.path("password").display()
    );
    fs::write(home.join("config.toml"), config).unwrap();
    fixture.mount.hang();
    let mut command = program::logwarden(&home);
    command.args(["--no-ui", "--config"]).arg(home.join("config.toml"));
    command.arg("--state-dir").arg(fixture.state());
    fixture.engine = Some(Engine::spawn(&home, &mut command));
    let written = || fs::read_to_string(&out).unwrap_or_default().lines().count();
    wait_for("the other sink", PATIENCE, || (written() == 5).then_some(()));
    fixture.until_said("does not answer)");
    append(&fixture.log("app.log"), lines("w", 5..10).as_bytes());
    wait_for("new lines in the other sink", PATIENCE, || (written() == 10).then_some(()));
    assert!(fixture.status().is_object(), "the engine answers");
    assert_eq!(fake.count(), 0);
    fixture.mount.answer();
    wait_for("the sink itself", PATIENCE, || (fake.count() == 10).then_some(()));
    assert!(fixture.engine.take().unwrap().terminate().success());
}

#[test]
fn check_names_a_hung_mount_and_a_pipe() {
    let Some(fixture) = Fixture::new() else { return };
    let home = fixture.home.path();
    let pipe = home.join("app.fifo");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let config = format!(
        "[source.far]\npaths = [\"{}\"]\n[source.pipe]\npaths = [\"{}\", \"{}\"]\n",
        fixture.mount.path("*.log").display(),
        pipe.display(),
        home.join("*.fifo").display()
    );
    fs::write(home.join("config.toml"), config).unwrap();
    fixture.mount.hang();
    let mut command = program::logwarden(home);
    command.arg("check").arg("--config").arg(home.join("config.toml"));
    let messages = program::expect(&mut command, 1);
    assert!(messages.contains("does not answer"), "{messages}");
    assert_eq!(messages.matches("is a pipe (FIFO)").count(), 2, "{messages}");
}
