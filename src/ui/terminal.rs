//! This process's terminal: taken over when the screen begins, and given back on every way out.
//!
//! Given back at the normal end, at an error, at a panic in the screen (before the panic is printed), and
//! while the operator is in the shell. A panic elsewhere leaves the screen alone.

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
use super::wide_text::Steady;
use super::{Exit, Files, Ui};
use crate::base::supervisor::note_panic;

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("{0}; use --no-ui to run without a screen, or search and parse to look into files")]
    NoTerminal(&'static str),
    #[error("cannot set up the terminal")]
    SetUp(#[source] io::Error),
    #[error("cannot wait for the terminal")]
    Wait(#[source] io::Error),
}

/// Whether there is a terminal to draw on and to read keys from.
pub fn check() -> Result<(), TerminalError> {
    keys().map(drop)
}

/// Where keys come from: standard input, or the controlling terminal when that is a pipe.
fn keys() -> Result<OwnedFd, TerminalError> {
    if !io::stdout().is_terminal() {
        return Err(TerminalError::NoTerminal("standard output is no terminal"));
    }
    if std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty()) {
        return Err(TerminalError::NoTerminal("this terminal cannot move its cursor (TERM=dumb)"));
    }
    if io::stdin().is_terminal() {
        return io::stdin().as_fd().try_clone_to_owned().map_err(TerminalError::SetUp);
    }
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty");
    terminal
        .map(OwnedFd::from)
        .map_err(|_| TerminalError::NoTerminal("there is no terminal to read keys from"))
}

pub(super) fn run<F: Files>(ui: Ui<F>) -> Result<Exit, TerminalError> {
    let keys = keys()?;
    let guard = Guard::enter().map_err(TerminalError::SetUp)?;
    let out: BufWriter<Stdout> = BufWriter::with_capacity(64 * 1024, io::stdout());
    let terminal =
        Terminal::new(Steady::new(CrosstermBackend::new(out))).map_err(TerminalError::SetUp)?;
    let exit = run_on(ui, terminal, keys, &mut suspend).map_err(TerminalError::Wait);
    drop(guard);
    exit
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// Invariant: while it lives the terminal is ours, unless somebody is in the shell.
struct Guard {
    before: Arc<Hook>,
}

impl Guard {
    fn enter() -> io::Result<Self> {
        take()?;
        let before: Arc<Hook> = Arc::new(std::panic::take_hook());
        let screen = std::thread::current().id();
        let next = before.clone();
        std::panic::set_hook(Box::new(move |info| on_panic(info, screen, &next)));
        Ok(Guard { before })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
        // Hooks cannot be changed while panicking; the process ends then anyway.
        if !std::thread::panicking() {
            let before = self.before.clone();
            std::panic::set_hook(Box::new(move |info| before(info)));
        }
    }
}

fn on_panic(info: &PanicHookInfo<'_>, screen: ThreadId, before: &Arc<Hook>) {
    note_panic(info);
    if std::thread::current().id() == screen {
        give_back();
        before(info);
    } else {
        // Written over the screen it would be read by nobody: it goes to our own log.
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a thread panicked at {place}");
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide);
    entered.inspect_err(|_| give_back())
}

/// Where the terminal is gone there is nobody to give it back to.
fn give_back() {
    let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
}

/// To the shell, until it wants us back.
fn suspend() -> io::Result<()> {
    give_back();
    kill_process(getpid(), Signal::STOP)?;
    take()
}
