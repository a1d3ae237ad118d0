//! Runs the screen on an in-memory terminal: opens it on files, presses keys and reads the display.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use logwarden::base::clock::ManualClock;
use logwarden::base::{Clock, Timestamp};
use logwarden::event::status::EngineState;
use logwarden::event::{Command, IdKey, Status};
use logwarden::follow::{Log, LogConfig, SourceConfig, Start};
use logwarden::privacy::AuditedDecryptor;
use logwarden::ui::{Exit, Mask, Options, Palette, Ui, run_on};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, TestBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Size};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::scenes::NOW;
use crate::program::wait_for;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub type TestError = <TestBackend as Backend>::Error;

/// A test backend that the test can read and resize while the screen draws on it.
#[derive(Clone)]
pub struct MemoryTerminal(Arc<Mutex<TestBackend>>, Arc<Mutex<DrawStatistics>>);

/// Recorded by the drawing thread, so that the values do not depend on the load of the machine.
#[derive(Default)]
struct DrawStatistics {
    /// Number of drawn frames.
    frames: u64,
    wanted: String,
    seen: Option<FirstDisplay>,
    /// Number of queries for the cursor position.
    cursor_queries: u64,
    /// Sizes returned in turn, one per size query.
    sizes: Vec<(u16, u16)>,
    sizes_given: usize,
}

/// When a text was first displayed since the test asked for it.
#[derive(Clone, Copy, Debug)]
pub struct FirstDisplay {
    /// The number of the frame.
    pub frame: u64,
    /// Bytes that the drawing thread had read from files.
    pub read: u64,
}

/// Bytes that this thread has read so far (proc(5): `rchar`).
fn read_by_this_thread() -> u64 {
    let figures = std::fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
    let read = figures.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

impl MemoryTerminal {
    pub fn with<R>(&self, use_it: impl FnOnce(&mut TestBackend) -> R) -> R {
        use_it(&mut self.0.lock().unwrap())
    }

    pub fn new(width: u16, height: u16) -> Self {
        MemoryTerminal(Arc::new(Mutex::new(TestBackend::new(width, height))), Arc::default())
    }

    /// Records the first frame with this text from now on.
    pub fn watch_for(&self, text: &str) {
        let mut watch = self.1.lock().unwrap();
        (watch.wanted, watch.seen) = (text.to_owned(), None);
    }

    pub fn frames(&self) -> u64 {
        self.1.lock().unwrap().frames
    }

    pub fn cursor_queries(&self) -> u64 {
        self.1.lock().unwrap().cursor_queries
    }

    /// Returns the next one of these sizes at each size query from now on; empty: the current size is kept.
    pub fn change_size_at_each_query(&self, sizes: &[(u16, u16)]) {
        self.1.lock().unwrap().sizes = sizes.to_vec();
    }

    pub fn sizes_given(&self) -> usize {
        self.1.lock().unwrap().sizes_given
    }

    pub fn first_display(&self) -> Option<FirstDisplay> {
        self.1.lock().unwrap().seen
    }
}

impl Backend for MemoryTerminal {
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
        self.1.lock().unwrap().cursor_queries += 1;
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
        let mut watch = self.1.lock().unwrap();
        if !watch.sizes.is_empty() {
            let (width, height) = watch.sizes[watch.sizes_given % watch.sizes.len()];
            watch.sizes_given += 1;
            self.with(|backend| backend.resize(width, height));
        }
        self.with(|backend| backend.size())
    }

    fn window_size(&mut self) -> Result<WindowSize, TestError> {
        self.with(TestBackend::window_size)
    }

    fn flush(&mut self) -> Result<(), TestError> {
        self.with(TestBackend::flush)?;
        let text = self.with(|backend| text_of(backend.buffer()));
        let mut watch = self.1.lock().unwrap();
        watch.frames += 1;
        if watch.seen.is_none() && !watch.wanted.is_empty() && text.contains(&watch.wanted) {
            watch.seen = Some(FirstDisplay { frame: watch.frames, read: read_by_this_thread() });
        }
        Ok(())
    }
}

pub struct Screen {
    pub terminal: MemoryTerminal,
    pub keys: Option<std::io::PipeWriter>,
    pub status: watch::Sender<Arc<Status>>,
    pub commands: mpsc::Receiver<Command>,
    pub stop: CancellationToken,
    pub frames: Arc<AtomicU64>,
    pub log: Log,
    pub thread: Option<JoinHandle<std::io::Result<Exit>>>,
}

pub struct Setup {
    pub size: (u16, u16),
    pub status: Status,
    pub palette: Palette,
    pub ascii: bool,
    pub clock: Arc<dyn Clock>,
    pub mask: Mask,
    pub disclosure: Option<Arc<AuditedDecryptor>>,
    /// Text recorded from the first frame on; see [`MemoryTerminal::first_display`].
    pub wanted: &'static str,
}

impl Setup {
    pub fn new(width: u16, height: u16) -> Self {
        let clock = ManualClock::at(Timestamp::from_seconds(NOW));
        Setup {
            size: (width, height),
            status: Status { engine: EngineState::Running, ..Status::default() },
            palette: Palette::Dark,
            ascii: false,
            clock: Arc::new(clock),
            mask: Mask::default(),
            disclosure: None,
            wanted: "",
        }
    }

    pub fn open(self, paths: &[PathBuf]) -> Screen {
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
        let memory_terminal = MemoryTerminal::new(self.size.0, self.size.1);
        memory_terminal.watch_for(self.wanted);
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
        let terminal = Terminal::new(memory_terminal.clone()).unwrap();
        let thread =
            std::thread::spawn(move || run_on(ui, terminal, OwnedFd::from(reader), &mut || Ok(())));
        let keys = Some(writer);
        let thread = Some(thread);
        Screen { terminal: memory_terminal, keys, status, commands, stop, frames, log, thread }
    }
}

impl Screen {
    /// Keys by their names, separated by spaces.
    pub fn press(&mut self, names: &str) {
        let bytes: Vec<u8> = names.split(' ').flat_map(bytes_of).collect();
        self.keys.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    pub fn type_text(&mut self, text: &str) {
        self.keys.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub fn text(&self) -> String {
        self.terminal.with(|backend| text_of(backend.buffer()))
    }

    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if condition(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "{what} did not appear; the screen shows:\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub fn wait_for_text(&self, wanted: &str) -> String {
        self.wait_for(wanted, |text| text.contains(wanted))
    }

    pub fn command(&mut self) -> Command {
        wait_for("a command", PATIENCE, || self.commands.try_recv().ok())
    }

    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// The text when no frame has been drawn for a while.
    pub fn rest(&self) -> String {
        self.rest_for(Duration::from_millis(400))
    }

    pub fn rest_for(&self, pause: Duration) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut last = (self.frames(), Instant::now());
        while last.1.elapsed() < pause {
            assert!(Instant::now() < deadline, "the screen keeps drawing");
            std::thread::sleep(Duration::from_millis(10));
            if self.frames() != last.0 {
                last = (self.frames(), Instant::now());
            }
        }
        self.text()
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.terminal.with(|backend| backend.resize(width, height));
        // Any key that does nothing wakes it, as the signal would.
        self.type_text("\u{e000}");
    }

    pub fn end(&mut self) -> Exit {
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

pub fn bytes_of(name: &str) -> Vec<u8> {
    match name {
        "enter" => b"\r".to_vec(),
        // Followed by an unknown key, so that the decoder does not wait for the rest of a sequence.
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

pub fn text_of(buffer: &Buffer) -> String {
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

/// Waits until the screen equals the snapshot, and fails if it never does.
pub fn snapshot(name: &str, look: impl Fn() -> String) {
    let file = format!("{}/tests/it/screen/snapshots/{name}.snap", env!("CARGO_MANIFEST_DIR"));
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    let wanted = kept.splitn(3, "---\n").nth(2).unwrap_or_default().trim_end();
    let deadline = Instant::now() + PATIENCE;
    let mut text = look();
    while text.trim_end() != wanted && !wanted.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
        text = look();
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}
