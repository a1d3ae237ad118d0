//! The screen, driven by keys through its real loop on real files.

mod jumps;
mod privacy;

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

use logwarden::base::clock::ManualClock;
use logwarden::base::{Clock, SystemClock, Timestamp};
use logwarden::event::status::{
    Asked, Bytes, EngineState, LineState, RuleState, RuleStatus, SinkState, SinkStatus,
};
use logwarden::event::{Command, IdKey, Status};
use logwarden::follow::{Log, LogConfig, SourceConfig, Start};
use logwarden::privacy::Disclosure;
use logwarden::state::Store;
use logwarden::ui::{Exit, Mask, Options, Palette, Ui, run_on};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, TestBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Size};
use ratatui::style::Modifier;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::program::wait_for;

/// 2024-05-06T10:30:00Z.
const NOW: i64 = 1_714_991_400;
const PATIENCE: Duration = Duration::from_secs(60);

type TestError = <TestBackend as Backend>::Error;

/// A test backend that somebody else can look at and resize while the screen draws on it.
#[derive(Clone)]
struct Glass(Arc<Mutex<TestBackend>>);

impl Glass {
    fn with<R>(&self, use_it: impl FnOnce(&mut TestBackend) -> R) -> R {
        use_it(&mut self.0.lock().unwrap())
    }
}

impl Backend for Glass {
    type Error = TestError;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), TestError>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.with(|backend| {
            let area = backend.buffer().area;
            let inside = content.filter(|(x, y, _)| *x < area.width && *y < area.height);
            backend.draw(inside)
        })
    }

    fn hide_cursor(&mut self) -> Result<(), TestError> {
        self.with(TestBackend::hide_cursor)
    }

    fn show_cursor(&mut self) -> Result<(), TestError> {
        self.with(TestBackend::show_cursor)
    }

    fn get_cursor_position(&mut self) -> Result<Position, TestError> {
        self.with(TestBackend::get_cursor_position)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), TestError> {
        self.with(|backend| backend.set_cursor_position(position))
    }

    fn clear(&mut self) -> Result<(), TestError> {
        self.with(TestBackend::clear)
    }

    fn clear_region(&mut self, kind: ClearType) -> Result<(), TestError> {
        self.with(|backend| backend.clear_region(kind))
    }

    fn size(&self) -> Result<Size, TestError> {
        self.with(|backend| backend.size())
    }

    fn window_size(&mut self) -> Result<WindowSize, TestError> {
        self.with(TestBackend::window_size)
    }

    fn flush(&mut self) -> Result<(), TestError> {
        self.with(TestBackend::flush)
    }
}

struct Screen {
    glass: Glass,
    keys: Option<std::io::PipeWriter>,
    status: watch::Sender<Arc<Status>>,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
    frames: Arc<AtomicU64>,
    log: Log,
    thread: Option<JoinHandle<std::io::Result<Exit>>>,
}

struct Setup {
    size: (u16, u16),
    status: Status,
    palette: Palette,
    ascii: bool,
    clock: Arc<dyn Clock>,
    mask: Mask,
    disclosure: Option<Arc<Disclosure>>,
}

impl Setup {
    fn new(width: u16, height: u16) -> Self {
        let clock = ManualClock::at(Timestamp::from_seconds(NOW));
        Setup {
            size: (width, height),
            status: Status { engine: EngineState::Running, ..Status::default() },
            palette: Palette::Dark,
            ascii: false,
            clock: Arc::new(clock),
            mask: Mask::default(),
            disclosure: None,
        }
    }

    fn open(self, paths: &[PathBuf]) -> Screen {
        let source = SourceConfig {
            name: Arc::from("test"),
            paths: paths.to_vec(),
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: Start::Beginning,
            multiline: true,
        };
        let config = LogConfig {
            sources: vec![source],
            once: false,
            host: Arc::from("host"),
            key: IdKey::from_host_id("host"),
            intake: None,
        };
        let log = Log::open(config, self.clock.clone());
        let glass = Glass(Arc::new(Mutex::new(TestBackend::new(self.size.0, self.size.1))));
        let (status, receiver) = watch::channel(Arc::new(self.status));
        let (sender, commands) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let options = Options {
            palette: self.palette,
            ascii: self.ascii,
            clock: self.clock,
            mask: self.mask,
            disclosure: self.disclosure,
            ..Options::default()
        };
        let frames = options.frames.clone();
        let ui = Ui {
            log: log.clone(),
            status: receiver,
            commands: sender,
            options,
            stop: stop.clone(),
        };
        let terminal = Terminal::new(glass.clone()).unwrap();
        let thread =
            std::thread::spawn(move || run_on(ui, terminal, OwnedFd::from(reader), &mut || Ok(())));
        let keys = Some(writer);
        let thread = Some(thread);
        Screen { glass, keys, status, commands, stop, frames, log, thread }
    }
}

impl Screen {
    /// Keys by their names, separated by spaces.
    fn press(&mut self, names: &str) {
        let bytes: Vec<u8> = names.split(' ').flat_map(bytes_of).collect();
        self.keys.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    fn type_text(&mut self, text: &str) {
        self.keys.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        self.glass.with(|backend| text_of(backend.buffer()))
    }

    #[track_caller]
    fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if condition(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "{what} did not come; the screen shows:\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn wait_for_text(&self, wanted: &str) -> String {
        self.wait_for(wanted, |text| text.contains(wanted))
    }

    fn command(&mut self) -> Command {
        wait_for("a command", PATIENCE, || self.commands.try_recv().ok())
    }

    fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// The text when no frame has been drawn for a while.
    fn rest(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut last = (self.frames(), Instant::now());
        while last.1.elapsed() < Duration::from_millis(400) {
            assert!(Instant::now() < deadline, "the screen never rests");
            std::thread::sleep(Duration::from_millis(10));
            if self.frames() != last.0 {
                last = (self.frames(), Instant::now());
            }
        }
        self.text()
    }

    fn resize(&mut self, width: u16, height: u16) {
        self.glass.with(|backend| backend.resize(width, height));
        // Any key that does nothing wakes it, as the signal would.
        self.type_text("\u{e000}");
    }

    fn end(&mut self) -> Exit {
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || ended.is_ok(), "the screen panicked");
        }
        self.log.stop();
    }
}

fn bytes_of(name: &str) -> Vec<u8> {
    match name {
        "enter" => b"\r".to_vec(),
        // Followed by a key that nobody knows, so that nothing waits whether a sequence comes.
        "esc" => b"\x1b\x1b[99~".to_vec(),
        "tab" => b"\t".to_vec(),
        "space" => b" ".to_vec(),
        "pgup" => b"\x1b[5~".to_vec(),
        "pgdn" => b"\x1b[6~".to_vec(),
        name => match name.strip_prefix("ctrl-") {
            Some(letter) => vec![letter.as_bytes()[0] - b'a' + 1],
            None => name.as_bytes().to_vec(),
        },
    }
}

fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            skip -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    let written = UNIX_EPOCH + Duration::from_secs(NOW as u64 - 2);
    File::options().append(true).open(&path).unwrap().set_modified(written).unwrap();
    path
}

fn append(path: &Path, text: &str) {
    File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn line(second: i64, level: &str, text: &str) -> String {
    let time = jiff::Timestamp::from_second(NOW - 100_000 + second).unwrap();
    format!("{} [{level}] {text}\n", time.strftime("%Y-%m-%d %H:%M:%S"))
}

fn numbered(count: usize) -> String {
    (0..count)
        .map(|number| line(number as i64 / 10, "INFO", &format!("event {number} here")))
        .collect()
}

/// Two logs of one minute, with a stack trace and a bit of everything.
fn two_logs(folder: &Path) -> Vec<PathBuf> {
    let time = |second: i64| jiff::Timestamp::from_second(NOW - 60 + second).unwrap();
    let mut app = String::new();
    let mut web = String::new();
    for second in 0..40 {
        let stamp = time(second).strftime("%Y-%m-%d %H:%M:%S");
        let (level, text) = match second % 10 {
            3 => ("WARNING", "queue is 81 % full".to_owned()),
            7 => ("ERROR", format!("cannot store order {second}: connection reset")),
            8 => ("DEBUG", "retry in 200 ms".to_owned()),
            _ => ("INFO", format!("order {second} stored in {} ms", second * 7 % 23)),
        };
        app.push_str(&format!("{stamp} [{level}] {text}\n"));
        if second == 37 {
            app.push_str("  at store.rs:12\n  at order.rs:77\n  at main.rs:3\n");
        }
        if second % 3 == 0 {
            web.push_str(&format!(
                "{{\"time\":\"{}\",\"level\":\"info\",\"message\":\"GET /orders/{second}\",\"status\":200,\
                 \"client\":\"10.0.0.{second}\"}}\n",
                time(second).strftime("%Y-%m-%dT%H:%M:%SZ")
            ));
        }
    }
    vec![write(folder, "app.log", &app), write(folder, "web.json", &web)]
}

fn rule(name: &str, state: RuleState, count: u64, limit: u64) -> RuleStatus {
    RuleStatus {
        name: name.to_owned(),
        condition: format!("level:{name} ≥ {limit} in 5 min"),
        limit,
        count,
        key: "test".to_owned(),
        state,
        last_fired: (state != RuleState::Inactive).then(|| Timestamp::from_seconds(NOW - 30)),
        history: vec![0, 0, 1, 2, 0, 3, count.min(5), 1, 0, 0, 1, count],
        fired: 1,
    }
}

fn sink(name: &str, state: SinkState) -> SinkStatus {
    SinkStatus {
        state,
        confirmed_events: 12_345,
        bytes: Bytes { seen: 1_600_000, confirmed: 1_600_000, ..Bytes::default() },
        rate: 48.2,
        last_success: Some(Timestamp::from_seconds(NOW - 1)),
        ..SinkStatus::new(name, name)
    }
}

fn busy() -> Status {
    let down = SinkStatus {
        bytes: Bytes {
            seen: 1_600_000,
            confirmed: 300_000,
            waiting: 1_300_000,
            ..Bytes::default()
        },
        behind_bytes: 1_300_000,
        behind_events: 9_800,
        oldest_waiting: Some(Timestamp::from_seconds(NOW - 300)),
        rate: 0.0,
        last_error: Some("no space left on /data".to_owned()),
        ..sink("out", SinkState::BackingOff { next: Timestamp::from_seconds(NOW + 8), attempts: 4 })
    };
    Status {
        engine: EngineState::Running,
        rules: vec![
            rule("fatal", RuleState::Inactive, 0, 1),
            rule("error", RuleState::Firing, 9, 5),
            rule("warning", RuleState::Inactive, 16, 20),
        ],
        sinks: vec![sink("archive", SinkState::Idle), down],
        ..Status::default()
    }
}

fn snapshot(name: &str, text: String) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

fn snapshot_at(width: u16, height: u16) {
    let folder = folder();
    let paths = two_logs(folder.path());
    let screen = Setup { status: busy(), ..Setup::new(width, height) }.open(&paths);
    snapshot(&format!("screen_{width}x{height}"), screen.rest());
}

#[test]
fn everything_is_seen_at_a_glance_at_80x24() {
    snapshot_at(80, 24);
}

#[test]
fn everything_is_seen_at_a_glance_at_120x40() {
    snapshot_at(120, 40);
}

#[test]
fn everything_is_seen_at_a_glance_at_200x60() {
    snapshot_at(200, 60);
}

#[test]
fn a_small_screen_shows_one_pane_and_a_hint() {
    snapshot_at(59, 14);
}

/// Text, then which cells of a line look special.
fn styled(buffer: &Buffer) -> String {
    let mut dump = text_of(buffer);
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let look = (cell.fg, cell.bg, cell.modifier);
            let start = x;
            while x < buffer.area.width
                && (buffer[(x, y)].fg, buffer[(x, y)].bg, buffer[(x, y)].modifier) == look
            {
                x += 1;
            }
            let text: String = (start..x).map(|x| buffer[(x, y)].symbol()).collect();
            let strong = Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED;
            if look.2.intersects(strong) {
                dump.push_str(&format!("{y:2} {:?} {:?}\n", look.2, text.trim_end()));
            }
            assert_eq!(format!("{:?}{:?}", look.0, look.1), "ResetReset", "colour at {start},{y}");
        }
    }
    dump
}

#[test]
fn without_colour_selection_and_matches_are_still_seen() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let setup =
        Setup { status: busy(), palette: Palette::Monochrome, ascii: true, ..Setup::new(80, 24) };
    let mut screen = setup.open(&paths);
    screen.wait_for_text("order 36");
    screen.press("/");
    screen.type_text("reset\r");
    screen.wait_for_text("/reset/");
    screen.rest();
    let dump = screen.glass.with(|backend| styled(backend.buffer()));
    assert!(dump.is_ascii(), "{dump}");
    snapshot("screen_monochrome", dump);
}

#[test]
fn help_names_the_keys_and_detail_the_fields() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(100, 50).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("?");
    let help = screen.wait_for_text("follow the end, or hold the screen");
    assert!(help.contains("ctrl-d"), "{help}");
    screen.press("esc /");
    screen.type_text("orders/36\r");
    screen.wait_for_text("/orders/36/");
    screen.press("enter");
    let detail = screen.wait_for_text("\"client\": \"10.0.0.36\"");
    for wanted in ["fields", "status", "200", "JSON", "raw", "web.json", "UTC"] {
        assert!(detail.contains(wanted), "{wanted} is missing in:\n{detail}");
    }
}

#[test]
fn idle_draws_nothing() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let screen = Setup { clock: Arc::new(SystemClock::new()), ..Setup::new(80, 24) }.open(&paths);
    screen.rest();
    let before = screen.frames();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(screen.frames(), before);
}

#[test]
fn what_is_written_is_shown_while_following_and_counted_while_held() {
    let folder = folder();
    let path = write(folder.path(), "a.log", &numbered(500));
    let mut screen = Setup::new(80, 24).open(std::slice::from_ref(&path));
    screen.wait_for_text("event 498");
    append(&path, &line(100, "ERROR", "fresh one"));
    append(&path, &line(101, "INFO", "and its neighbour"));
    screen.wait_for_text("fresh one");
    screen.press("k k");
    screen.wait_for_text("held");
    let before = screen.rest();
    let more: String = (0..312).map(|n| line(200, "INFO", &format!("later {n}"))).collect();
    append(&path, &more);
    append(&path, &line(300, "INFO", "last"));
    // The neighbour was open until now.
    screen.wait_for_text("held, 313 new");
    assert!(!screen.text().contains("later 3"), "{}", screen.text());
    assert!(before.contains("fresh one"));
    screen.press("F");
    let text = screen.wait_for_text("later 311");
    assert!(text.contains("following"));
    assert!(!text.contains("new"));
}

#[test]
fn the_whole_file_is_walked_to_its_top_and_back() {
    let folder = folder();
    let path = write(folder.path(), "a.log", &numbered(60_000));
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 59999 here");
    screen.press("g");
    screen.wait_for_text("event 0 here");
    for _ in 0..30 {
        screen.press("pgdn");
    }
    screen.wait_for_text("event 450 here");
    for _ in 0..40 {
        screen.press("pgup");
    }
    screen.wait_for_text("event 0 here");
    screen.press("G");
    screen.wait_for_text("event 59999 here");
    for _ in 0..100 {
        screen.press("b");
    }
    // A page is one line less than the screen has.
    let text = screen.wait_for("a hundred pages", |text| text.contains("event 58"));
    assert!(text.contains("held"));
}

#[test]
fn paging_up_and_down_shows_every_line_once() {
    let folder = folder();
    let path = write(folder.path(), "a.log", &numbered(1_000));
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 999 here");
    screen.press("g");
    screen.wait_for_text("event 0 here");
    let numbers = |text: &str| -> Vec<u32> {
        let number = |line: &str| line.split("event ").nth(1)?.split(' ').next()?.parse().ok();
        text.lines().filter_map(number).collect()
    };
    let mut text = screen.text();
    let mut seen: std::collections::BTreeSet<u32> = numbers(&text).into_iter().collect();
    while !seen.contains(&999) {
        screen.press("pgdn");
        text = screen.wait_for("the next page", |now| numbers(now) != numbers(&text));
        seen.extend(numbers(&text));
    }
    assert_eq!(seen.len(), 1_000);
}

#[test]
fn levels_are_toggled_and_the_minimum_raised() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    let shows = |text: &str, letter: char| {
        text.lines().any(|line| line.starts_with("10:2") && line.chars().nth(13) == Some(letter))
    };
    screen.press("3");
    screen.wait_for("no info", |text| !shows(text, 'I') && shows(text, 'E'));
    screen.press("3 > > > > >");
    let text = screen.wait_for("only errors", |text| !shows(text, 'W') && shows(text, 'E'));
    assert!(text.contains("error and worse"), "{text}");
    screen.press("<");
    screen.wait_for("warnings too", |text| shows(text, 'W') && !shows(text, 'I'));
    screen.press("< < < <");
    screen.wait_for("all", |text| shows(text, 'D') && shows(text, 'I'));
}

#[test]
fn search_goes_through_the_file_and_marks_what_it_finds() {
    let folder = folder();
    let mut text = numbered(30_000);
    text.insert_str(text.len() / 2, &line(1_500, "ERROR", "needle in the middle"));
    text.insert_str(0, &line(0, "ERROR", "first Needle"));
    let path = write(folder.path(), "a.log", &text);
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 29999");
    screen.press("/");
    screen.type_text("needle\r");
    screen.wait_for_text("needle in the middle");
    screen.press("N");
    screen.wait_for_text("first Needle");
    screen.press("N");
    screen.wait_for_text("wrapped: on from the end");
    screen.wait_for_text("needle in the middle");
    let found = screen.glass.with(|backend| {
        let buffer = backend.buffer();
        let marked = |cell: &&Cell| cell.bg == ratatui::style::Color::Yellow;
        buffer.content.iter().filter(marked).map(Cell::symbol).collect::<String>()
    });
    assert!(found.contains("needle"), "{found}");
    // Smart case: a capital counts.
    screen.press("/");
    screen.type_text("Needle\r");
    screen.wait_for_text("first Needle");
}

#[test]
fn filters_take_queries_and_expressions_in_and_out() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("&");
    screen.type_text("level>=warning\r");
    screen.wait_for("warnings and errors", |text| {
        text.contains("queue is 81 %") && !text.contains("stored in")
    });
    screen.press("&");
    screen.type_text("!/queue/\r");
    screen.wait_for("errors", |text| text.contains("cannot store") && !text.contains("queue is"));
    screen.press("\\");
    screen.wait_for_text("stored in");
    screen.press("\\");
    screen.wait_for("errors", |text| !text.contains("stored in"));
    screen.press("& enter");
    screen.wait_for_text("stored in");
    screen.press("&");
    screen.type_text("client:10.0.0.36\r");
    screen.wait_for("one event", |text| {
        text.contains("GET /orders/36") && !text.contains("order 35")
    });
}

#[test]
fn a_filter_that_leaves_nothing_says_so() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("&");
    screen.type_text("nowhere\r");
    screen.wait_for_text("no event is shown");
    screen.press("\\");
    screen.wait_for_text("order 36");
}

#[test]
fn a_source_is_hidden_and_shown_again() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("GET /orders/36");
    screen.press("/");
    screen.type_text("orders/36\r");
    screen.wait_for_text("/orders/36/");
    screen.press("x");
    screen.wait_for("no web log", |text| !text.contains("GET /orders"));
    screen.wait_for_text("1 hidden");
    screen.press("tab j x");
    screen.wait_for_text("GET /orders/");
}

#[test]
fn errors_are_jumped_to() {
    let folder = folder();
    let mut text = numbered(20_000);
    text.insert_str(0, &line(0, "ERROR", "the one error"));
    let path = write(folder.path(), "a.log", &text);
    let mut screen = Setup::new(80, 24).open(&[path]);
    screen.wait_for_text("event 19999");
    screen.press("E");
    screen.wait_for_text("the one error");
    screen.press("e");
    screen.wait_for_text("no newer match of error");
}

#[test]
fn shipping_is_commanded() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup { status: busy(), ..Setup::new(80, 24) }.open(&paths);
    screen.wait_for_text("order 36");
    screen.press("s R S y");
    let sink = None;
    let expected = [
        Command::ShipNow { sink: sink.clone() },
        Command::Retry { sink: sink.clone() },
        Command::Pause { sink, by: "the screen".to_owned() },
    ];
    for command in expected {
        assert_eq!(screen.command(), command);
    }
    let mut paused = busy();
    let since = Timestamp::from_seconds(NOW);
    paused.sinks[0].state = SinkState::Paused { by: "the screen".to_owned(), since };
    screen.status.send_replace(Arc::new(paused));
    screen.wait_for_text("PAUSED since 10:30:00");
}

/// Everything about one sink, and where the selected event is with each.
#[test]
fn a_sink_and_an_event_say_how_their_delivery_stands() {
    for (width, height) in [(80, 24), (200, 60)] {
        let folder = folder();
        let paths = two_logs(folder.path());
        let mut status = busy();
        status.sinks[1].dead_letters = 2;
        status.sinks[1].duplicates = 3;
        status.sinks[1].in_flight_events = 500;
        status.sinks[1].bytes = Bytes {
            seen: 3_000_000,
            confirmed: 1_500_000,
            filtered: 180_000,
            in_flight: 100_000,
            waiting: 1_200_000,
            dead_letters: 400,
            lost: 19_600,
        };
        assert!(status.sinks[1].bytes.adds_up());
        let mut screen = Setup { status: status.clone(), ..Setup::new(width, height) }.open(&paths);
        screen.wait_for_text("order 36");
        // Known to the state: an event has a place that sinks can be asked about.
        screen.log.settle(Store::ephemeral(), Vec::new());
        screen.press("tab tab tab j enter");
        screen.wait_for_text("3,000,000 seen");
        snapshot(&format!("sink_{width}x{height}"), screen.rest());
        screen.press("S y");
        let by = "the screen".to_owned();
        assert_eq!(screen.command(), Command::Pause { sink: Some("out".to_owned()), by });
        screen.press("esc esc esc enter");
        let command = screen.command();
        let Command::Where { place } = command else { panic!("{command:?}") };
        screen.wait_for_text("not known yet");
        for (sink, state) in [LineState::Delivered, LineState::Waiting].into_iter().enumerate() {
            status.sinks[sink].asked = Some(Asked { place, state });
        }
        screen.status.send_replace(Arc::new(status));
        let text = screen.wait_for_text("waiting in the file");
        assert!(text.contains("archive    delivered"), "{text}");
    }
}

#[test]
fn a_countdown_is_drawn_once_a_second_and_no_more() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut status = busy();
    let next = clock.now().plus(Duration::from_secs(20));
    status.sinks[1].state = SinkState::BackingOff { next, attempts: 4 };
    let screen = Setup { status, clock, ..Setup::new(80, 24) }.open(&paths);
    screen.wait_for_text("try 5 in 20 s");
    let before = screen.frames();
    screen.wait_for_text("try 5 in 18 s");
    let frames = screen.frames() - before;
    assert!((1..=12).contains(&frames), "{frames} frames for two seconds");
}

#[test]
fn hostile_text_is_shown_and_never_executed() {
    let folder = folder();
    let text = line(0, "INFO", "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{202e}drow\u{200b}\0\u{9b}")
        + &line(1, "INFO", "日本語 👩‍👩‍👧 e\u{301}\u{301}\u{301} wide")
        + &line(2, "INFO", "after");
    let name = "a\nb\x1b[31m.log";
    let path = write(folder.path(), name, &text);
    let mut screen = Setup::new(80, 24).open(&[path.clone(), write(folder.path(), "b.log", "")]);
    let text = screen.wait_for_text("after");
    assert!(text.contains("␛]0;owned␇"), "{text}");
    screen.press("enter");
    screen.rest();
    let evil = |symbol: &str| {
        symbol.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}'))
    };
    let bad = screen
        .glass
        .with(|backend| backend.buffer().content.iter().any(|cell| evil(cell.symbol())));
    assert!(!bad, "{}", screen.text());
}

#[test]
fn any_size_is_safe_and_the_screen_comes_back() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup { status: busy(), ..Setup::new(80, 24) }.open(&paths);
    screen.wait_for_text("order 36");
    for (width, height) in
        [(1, 1), (2, 2), (5, 1), (1, 5), (20, 6), (59, 14), (60, 15), (300, 100), (3, 60), (80, 24)]
    {
        screen.resize(width, height);
        screen.press("tab ? j esc k pgup G /");
        screen.type_text("x\x1b");
        screen.press("esc");
        let frames = screen.frames();
        screen.press("ctrl-l");
        screen.wait_for("a frame", |_| screen.frames() > frames);
    }
    screen.press("esc G");
    screen.wait_for_text("order 36");
}

#[test]
fn the_screen_ends_when_it_is_told_or_the_terminal_is_gone() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.stop.cancel();
    assert_eq!(screen.end(), Exit::Stopped);

    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    drop(screen.keys.take());
    assert_eq!(screen.end(), Exit::TerminalGone);

    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("q n q y");
    assert_eq!(screen.end(), Exit::Quit);
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_says_that_shipping_stood_still() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("order 36");
    screen.press("ctrl-z");
    screen.wait_for_text("nothing was shipped meanwhile");
}

#[test]
fn times_are_shown_in_another_zone() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let mut screen = Setup::new(80, 24).open(&paths);
    screen.wait_for_text("source zone");
    screen.press("t");
    screen.wait_for_text("UTC");
}

#[test]
fn a_large_file_opens_as_fast_as_a_small_one() {
    let folder = folder();
    let small = write(folder.path(), "small.log", &numbered(20_000));
    // A hole of a gigabyte, then the same lines.
    let large = folder.path().join("large.log");
    let mut file = File::create(&large).unwrap();
    file.write_all(numbered(1_000).as_bytes()).unwrap();
    file.set_len(1 << 30).unwrap();
    append(&large, &format!("\n{}", numbered(20_000)));
    let first = |path: &PathBuf| {
        let started = Instant::now();
        let screen = Setup::new(120, 40).open(std::slice::from_ref(path));
        screen.wait_for_text("event 19999 here");
        started.elapsed()
    };
    first(&small);
    let best = |path| (0..5).map(|_| first(path)).min().unwrap();
    let (small, large) = (best(&small), best(&large));
    println!("first screen: 1 MB in {small:?}, 1 GB in {large:?}");
    assert!(large <= small * 2 + Duration::from_millis(30), "{small:?}, {large:?}");
}

#[test]
fn a_flood_leaves_the_keys_answering_and_the_frames_few() {
    let folder = folder();
    let path = write(folder.path(), "flood.log", &numbered(10));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut screen = Setup { clock, ..Setup::new(80, 24) }.open(std::slice::from_ref(&path));
    screen.wait_for_text("event 9 here");
    let lines: String = (0..2_500).map(|n| line(1, "INFO", &format!("flood {n}"))).collect();
    let written = Arc::new(AtomicU64::new(0));
    let writer = {
        let (written, path) = (written.clone(), path.clone());
        std::thread::spawn(move || {
            let started = Instant::now();
            let mut file = File::options().append(true).open(path).unwrap();
            for round in 1..=60u32 {
                file.write_all(lines.as_bytes()).unwrap();
                written.fetch_add(2_500, Ordering::Relaxed);
                std::thread::sleep((started + Duration::from_millis(50) * round) - Instant::now());
            }
        })
    };
    let started = Instant::now();
    let frames = screen.frames();
    let mut keys = 0;
    let mut slowest = Duration::ZERO;
    while !writer.is_finished() {
        let pressed = Instant::now();
        screen.press("?");
        screen.wait_for_text("follow the end");
        screen.press("?");
        screen.wait_for("no help", |text| !text.contains("follow the end"));
        slowest = slowest.max(pressed.elapsed() / 2);
        keys += 2;
        std::thread::sleep(Duration::from_millis(40));
    }
    writer.join().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let drawn = (screen.frames() - frames - keys) as f64 / seconds;
    println!("flood: {drawn:.1} frames/s without those of keys, slowest key {slowest:?}");
    assert!(drawn <= 31.0, "{drawn} frames a second");
    assert!(slowest < Duration::from_millis(1_000), "{slowest:?}");
    screen.wait_for_text("flood 2499");
}
