//! Sets up the terminal of this process for the screen, and restores it whenever the screen ends.
//!
//! It is restored at the normal end, on an error, on a panic of the screen thread (before the panic is printed), and
//! while the operator is in the shell. A panic of another thread does not touch it.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::thread::ThreadId;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::process::{Signal, getpid, kill_process};

use super::event_loop::run_on;
use super::wide_text::WideTextBackend;
use super::{Exit, Files, Ui};
use crate::base::supervisor::note_panic;

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error(
        "{0}; use --no-ui to run without a screen, or `logwarden search` and `logwarden parse` to read files"
    )]
    NoTerminal(&'static str),
    #[error("cannot set up the terminal")]
    SetUp(#[source] io::Error),
    #[error("cannot read from or write to the terminal")]
    Wait(#[source] io::Error),
}

/// Checks that there is a terminal to draw on and to read keys from.
pub fn check() -> Result<(), TerminalError> {
    keys().map(drop)
}

/// The source of keys: standard input, or the controlling terminal if standard input is a pipe.
fn keys() -> Result<OwnedFd, TerminalError> {
    if !io::stdout().is_terminal() {
        return Err(TerminalError::NoTerminal("standard output is not a terminal"));
    }
    if std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty()) {
        return Err(TerminalError::NoTerminal(
            "this terminal cannot move its cursor (TERM is dumb or not set)",
        ));
    }
    if io::stdin().is_terminal() {
        return io::stdin().as_fd().try_clone_to_owned().map_err(TerminalError::SetUp);
    }
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty");
    terminal
        .map(OwnedFd::from)
        .map_err(|_| TerminalError::NoTerminal("no terminal to read keys from"))
}

pub(super) fn run<F: Files>(ui: Ui<F>) -> Result<Exit, TerminalError> {
    let keys = keys()?;
    let guard = Guard::enter().map_err(TerminalError::SetUp)?;
    let out: BufWriter<Stdout> = BufWriter::with_capacity(64 * 1024, io::stdout());
    let terminal = Terminal::new(WideTextBackend::new(CrosstermBackend::new(out)))
        .map_err(TerminalError::SetUp)?;
    let exit = run_on(ui, terminal, keys, &mut suspend).map_err(TerminalError::Wait);
    drop(guard);
    exit
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// Invariant: while it exists the terminal is in screen mode, except while the operator is in the shell.
struct Guard {
    before: Arc<Hook>,
}

impl Guard {
    fn enter() -> io::Result<Self> {
        take_over()?;
        let before: Arc<Hook> = Arc::new(std::panic::take_hook());
        let screen = std::thread::current().id();
        let next = before.clone();
        std::panic::set_hook(Box::new(move |info| on_panic(info, screen, &next)));
        Ok(Guard { before })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
        // The hook cannot be changed during a panic; the process ends anyway.
        if !std::thread::panicking() {
            let before = self.before.clone();
            std::panic::set_hook(Box::new(move |info| before(info)));
        }
    }
}

fn on_panic(info: &PanicHookInfo<'_>, screen: ThreadId, before: &Arc<Hook>) {
    note_panic(info);
    if std::thread::current().id() == screen {
        restore();
        before(info);
    } else {
        // Text printed over the screen would be unreadable, so the panic is recorded in Logwarden's own log.
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a thread panicked at {location}");
    }
}

fn take_over() -> io::Result<()> {
    enable_raw_mode()?;
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide);
    entered.inspect_err(|_| restore())
}

/// Restores the terminal. Errors are ignored: the terminal may be gone.
fn restore() {
    let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
}

/// Restores the terminal, stops the process with SIGSTOP until the shell continues it, and sets the terminal up again.
fn suspend() -> io::Result<()> {
    restore();
    kill_process(getpid(), Signal::STOP)?;
    take_over()
}
