//! The screen: what the logs say, whether a threshold fires, whether everything was delivered.
//!
//! Runs on its own thread and pulls what it draws from the files; the engine never waits for it, and it
//! moves nothing that the engine owns. State is plain data; [`update::update`] is pure; panes draw from
//! state. Draws only when something has changed, at most every 33 ms; idle draws nothing.
//! Knows of the engine only its status, its commands and the files.

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
use crate::privacy::Disclosure;

pub use event_loop::run_on;
pub use keymap::{Keymap, KeymapError};
pub use mask::Mask;
pub use state::Exit;
pub use terminal::TerminalError;
pub use theme::Palette;

/// Where files come from: the log, or anything that looks like it.
pub trait Files: Send + Sync {
    /// All files, in the order in which they are listed.
    fn files(&self) -> Vec<Arc<FileHandle>>;
    /// Told whenever a file grows, appears or ends.
    fn changes(&self) -> Changes;
    /// Who watches the threads of the screen.
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

/// All that the screen is given.
pub struct Ui<F> {
    pub log: F,
    pub status: watch::Receiver<Arc<Status>>,
    /// When it is full, a command is refused and the operator told.
    pub commands: mpsc::Sender<Command>,
    pub options: Options,
    /// Ends the screen from outside.
    pub stop: CancellationToken,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Before the engine's state in the first line.
    pub title: String,
    pub palette: Palette,
    /// No UTF-8 on this terminal: borders and signs in ASCII.
    pub ascii: bool,
    pub keymap: Keymap,
    /// As it is at the start.
    pub mask: Mask,
    /// Opens tokens; `None`: none are opened here.
    pub disclosure: Option<Arc<Disclosure>>,
    /// What the audit file calls the files that are shown, where their own names say nothing.
    pub shown: Option<String>,
    /// Of this machine.
    pub local: TimeZone,
    pub clock: Arc<dyn Clock>,
    /// Counts the frames that were drawn.
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
    /// What the environment says: `NO_COLOR`, the locale, the zone.
    pub fn from_environment() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.map(|value| value.to_string_lossy().to_ascii_lowercase());
        let is_utf8 = locale.is_some_and(|name| name.contains("utf-8") || name.contains("utf8"));
        let palette = if set("NO_COLOR").is_some() { Palette::Monochrome } else { Palette::Dark };
        Options { palette, ascii: !is_utf8, local: TimeZone::system(), ..Options::default() }
    }
}

/// The screen on this process's terminal, until the operator leaves, `stop` is cancelled or the terminal is
/// gone. Blocks the calling thread; the terminal is as before when it returns.
pub fn run<F: Files>(ui: Ui<F>) -> Result<Exit, TerminalError> {
    terminal::run(ui)
}
