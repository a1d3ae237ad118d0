//! The terminal screen: shows log events, firing thresholds and the delivery state of every sink.
//!
//! It runs on its own thread and reads the files itself: the engine never waits for it, and it never changes
//! cursors or other engine state. From the engine it uses only the status, the commands and the files.
//! State is plain data, [`update::update`] is pure, and panes draw from the state alone. A frame is drawn only
//! after a change, at most every 33 ms; an idle screen draws nothing.

pub mod action;
mod canvas;
pub mod commands;
mod event_loop;
mod filter;
pub mod input;
pub mod key;
mod keyboard;
pub mod keymap;
mod layout;
pub mod mask;
mod message;
mod panes;
mod prompt;
mod record_loader;
mod record_text;
mod search;
pub mod state;
mod stream;
pub mod terminal;
pub mod theme;
pub mod update;
mod waker;
mod wide_text;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, Supervisor, SystemClock};
use crate::event::{Command, Status};
use crate::follow::{Changes, FileHandle, Log};
use crate::privacy::AuditedDecryptor;

pub use event_loop::run_on;
pub use keymap::{Keymap, KeymapError};
pub use mask::Mask;
pub use state::Exit;
pub use terminal::TerminalError;
pub use theme::Palette;

/// Source of the files that the screen shows: the log, or a stand-in for it.
pub trait Files: Send + Sync {
    /// All files, in the order in which they are listed.
    fn files(&self) -> Vec<Arc<FileHandle>>;
    /// A subscription that is notified whenever a file grows, appears or ends.
    fn changes(&self) -> Changes;
    /// Supervisor of the threads of the screen.
    fn supervisor(&self) -> Supervisor {
        Supervisor::default()
    }
}

impl Files for Log {
    fn files(&self) -> Vec<Arc<FileHandle>> {
        Log::files(self)
    }

    fn changes(&self) -> Changes {
        Log::changes(self)
    }

    fn supervisor(&self) -> Supervisor {
        Log::supervisor(self)
    }
}

/// Everything that the screen needs to run.
pub struct Ui<F> {
    pub log: F,
    pub status: watch::Receiver<Arc<Status>>,
    /// When it is full, the command is refused and the operator is notified.
    pub commands: mpsc::Sender<Command>,
    pub options: Options,
    /// Cancelled to end the screen.
    pub stop: CancellationToken,
}

/// The settings of the screen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shown before the engine's state in the header.
    pub title: String,
    pub palette: Palette,
    /// Draws borders and glyphs in ASCII, for terminals without UTF-8.
    pub ascii: bool,
    pub keymap: Keymap,
    /// The mask at the start.
    pub mask: Mask,
    /// Decrypts tokens; `None`: tokens cannot be decrypted on this screen.
    pub disclosure: Option<Arc<AuditedDecryptor>>,
    /// Name of the shown files in the audit log, where their own names are meaningless (temporary files).
    pub shown: Option<String>,
    /// Time zone of this machine.
    pub local: TimeZone,
    pub clock: Arc<dyn Clock>,
    /// Number of frames drawn.
    pub frames: Arc<AtomicU64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            title: "logwarden".to_owned(),
            palette: Palette::default(),
            ascii: false,
            keymap: Keymap::default(),
            mask: Mask::default(),
            disclosure: None,
            shown: None,
            local: TimeZone::UTC,
            clock: Arc::new(SystemClock::new()),
            frames: Arc::default(),
        }
    }
}

impl Options {
    /// The defaults of this environment: `NO_COLOR`, the locale, the time zone.
    pub fn from_environment() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.map(|value| value.to_string_lossy().to_ascii_lowercase());
        let is_utf8 = locale.is_some_and(|name| name.contains("utf-8") || name.contains("utf8"));
        let palette = if set("NO_COLOR").is_some() { Palette::Monochrome } else { Palette::Dark };
        Options { palette, ascii: !is_utf8, local: TimeZone::system(), ..Options::default() }
    }
}

/// Runs the screen on this process's terminal until the operator quits, `stop` is cancelled or the terminal is
/// gone. Blocks the calling thread; restores the terminal before it returns.
pub fn run<F: Files>(ui: Ui<F>) -> Result<Exit, TerminalError> {
    terminal::run(ui)
}
