//! The event loop of the screen: waits for input, updates the state, loads missing records, draws.
//!
//! A change of the log or of the status is drawn at most every 33 ms, a key press at once. Without a change
//! nothing is drawn.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::layout::Position;

use super::action::{Action, Effect};
use super::input::Input;
use super::keyboard::{Keyboard, TerminalState};
use super::record_loader::RecordLoader;
use super::state::{Exit, Overlay, State};
use super::theme::Theme;
use super::update::update;
use super::waker::Waker;
use super::{Files, Ui, panes};
use crate::base::sanitize;
use crate::event::Level;
use crate::event::status::{Notice, new_notices};
use crate::privacy::audit::TokenLocation;

/// Minimum time between two frames, unless a key is pressed.
const FRAME: Duration = Duration::from_millis(33);
/// Minimum time between two frames that only show the progress of background counting.
const SLOW_FRAME: Duration = Duration::from_millis(250);
/// Time between two frames while only a countdown changes.
const SECOND: Duration = Duration::from_secs(1);
/// Maximum time for loading visible records between two keyboard polls.
const FILL_LIMIT: Duration = Duration::from_millis(25);
/// Maximum time for counting and searching between two keyboard polls.
const BACKGROUND_SLICE: Duration = Duration::from_millis(8);
/// Maximum number of keys handled before a frame is drawn; the rest is handled after it.
const MAX_KEYS: usize = 256;

/// Runs the screen on any terminal. `keys` is the source of its input bytes; `suspend` releases the terminal to
/// the shell and returns once the screen may use it again.
pub fn run_on<F, B>(
    ui: Ui<F>,
    terminal: Terminal<B>,
    keys: OwnedFd,
    suspend: &mut dyn FnMut() -> std::io::Result<()>,
) -> std::io::Result<Exit>
where
    F: Files,
    B: Backend,
{
    let supervisor = ui.log.supervisor();
    let waker = Waker::start(ui.log.changes(), ui.status.clone(), ui.stop.clone(), supervisor)?;
    let theme = Theme::new(ui.options.palette, ui.options.ascii);
    let size = terminal.size().map_or((0, 0), |size| (size.width, size.height));
    let now = ui.options.clock.now();
    let mut state = State::new(ui.options.title.clone(), size, now, ui.options.local.clone());
    state.stream.mask = ui.options.mask.clone();
    let started = Instant::now();
    let mut screen = Loop {
        ui,
        terminal,
        keyboard: Keyboard::new(keys),
        waker,
        loader: RecordLoader::default(),
        state,
        theme,
        suspend,
        last_frame: started.checked_sub(FRAME).unwrap_or(started),
        due: None,
        log_changed: false,
    };
    let exit = screen.run();
    leave(screen.terminal);
    exit
}

/// Shows the cursor again. Dropping a `Terminal` with a hidden cursor would try that too and report a failure on
/// standard error, which panics if standard error is gone as well.
fn leave<B: Backend>(mut terminal: Terminal<B>) {
    if terminal.show_cursor().is_err() {
        std::mem::forget(terminal);
    }
}

struct Loop<'a, F, B: Backend> {
    ui: Ui<F>,
    terminal: Terminal<B>,
    keyboard: Keyboard,
    waker: Waker,
    loader: RecordLoader,
    state: State,
    theme: Theme,
    suspend: &'a mut dyn FnMut() -> std::io::Result<()>,
    last_frame: Instant,
    /// When the next frame is due; `None`: the screen is up to date.
    due: Option<Instant>,
    log_changed: bool,
}

impl<F: Files, B: Backend> Loop<'_, F, B> {
    fn run(&mut self) -> std::io::Result<Exit> {
        // The first frame needs only the ends of the files.
        self.take_status();
        self.take_log();
        self.fill();
        self.due = Some(Instant::now());
        let mut inputs = Vec::new();
        loop {
            if let Some(exit) = self.draw_if_due() {
                return Ok(exit);
            }
            let is_working = self.work();
            let timeout = match inputs.is_empty() {
                true => self.timeout(is_working),
                false => Some(Duration::ZERO),
            };
            let terminal = self.keyboard.wait(&self.waker, timeout, &mut inputs)?;
            self.tick();
            if let Some(exit) = self.handle_wake_ups()? {
                return Ok(exit);
            }
            let next = if terminal == TerminalState::Gone {
                inputs.len()
            } else {
                inputs.len().min(MAX_KEYS)
            };
            for input in inputs.drain(..next) {
                if let Some(exit) = self.input(input)? {
                    return Ok(exit);
                }
            }
            if terminal == TerminalState::Gone {
                return Ok(Exit::TerminalGone);
            }
        }
    }

    /// How long to wait for input: until a message expires, a frame is due or a countdown changes.
    fn timeout(&self, is_working: bool) -> Option<Duration> {
        if is_working {
            return Some(Duration::ZERO);
        }
        let message =
            self.state.messages.shown().map(|message| message.until.since(self.state.now));
        let frame = self.due.map(|due| due.saturating_duration_since(Instant::now()));
        // One millisecond more, so that the moment has passed at the wake-up.
        let rounded = |wait: Duration| wait + Duration::from_millis(1);
        let second = self.state.is_ticking().then_some(SECOND);
        [message, frame, second].into_iter().flatten().min().map(rounded)
    }

    fn tick(&mut self) {
        let message_until = |state: &State| state.messages.shown().map(|message| message.until);
        let before = message_until(&self.state);
        self.act(Action::Clock(self.ui.options.clock.now()));
        if message_until(&self.state) != before {
            self.draw_within(Duration::ZERO);
        }
        if self.state.is_ticking() {
            self.draw_within(SECOND);
        }
        // The next frame reads the size again: it may have changed by then.
        let size = self.terminal.size().map_or(self.state.size, |size| (size.width, size.height));
        if size != self.state.size {
            self.draw_within(FRAME);
        }
    }

    fn handle_wake_ups(&mut self) -> std::io::Result<Option<Exit>> {
        let reasons = self.waker.take();
        if reasons.stop() {
            return Ok(Some(Exit::Stopped));
        }
        if reasons.suspend()
            && let Some(exit) = self.effect(Effect::Suspend)?
        {
            return Ok(Some(exit));
        }
        if reasons.window() {
            self.draw_within(FRAME);
        }
        if reasons.status() {
            self.take_status();
            self.draw_within(FRAME);
        }
        if reasons.log() {
            self.log_changed = true;
            self.draw_within(FRAME);
        }
        Ok(None)
    }

    fn take_status(&mut self) {
        let status = self.ui.status.borrow_and_update().clone();
        new_notices(&self.state.status.notices, &status.notices).for_each(log_notice);
        self.act(Action::Status(status));
    }

    fn take_log(&mut self) {
        self.log_changed = false;
        if let Some(action) = self.loader.refresh(&self.ui.log.files(), self.state.now) {
            self.act(action);
        }
    }

    fn input(&mut self, input: Input) -> std::io::Result<Option<Exit>> {
        let asks = matches!(self.state.overlay, Some(Overlay::Ask(_)));
        let action = match input {
            Input::Paste(text) => Action::Pasted(text),
            Input::Key(key) if asks || self.state.prompt.is_some() => Action::Typed(key),
            Input::Key(key) => match self.ui.options.keymap.verb(key) {
                Some(verb) => Action::Verb(verb),
                None => return Ok(None),
            },
        };
        for effect in update(&mut self.state, action) {
            if let Some(exit) = self.effect(effect)? {
                return Ok(Some(exit));
            }
        }
        // The meaning of the next key may depend on the rows that this key loads.
        self.fill();
        self.draw_within(Duration::ZERO);
        Ok(None)
    }

    fn effect(&mut self, effect: Effect) -> std::io::Result<Option<Exit>> {
        match effect {
            Effect::Exit(exit) => return Ok(Some(exit)),
            Effect::Redraw => {
                if self.clear().is_err() {
                    return Ok(Some(Exit::TerminalGone));
                }
            }
            Effect::Command(command) => {
                if self.ui.commands.try_send(command).is_err() {
                    self.act(Action::CommandRefused);
                }
            }
            Effect::Decrypt => self.decrypt(),
            Effect::Suspend => {
                let left = Instant::now();
                (self.suspend)()?;
                self.act(Action::Clock(self.ui.options.clock.now()));
                for effect in update(&mut self.state, Action::Resumed(left.elapsed())) {
                    if let Some(exit) = self.effect(effect)? {
                        return Ok(Some(exit));
                    }
                }
                self.log_changed = true;
            }
        }
        self.draw_within(Duration::ZERO);
        Ok(None)
    }

    /// Decrypts the tokens of the selected event. Blocking: the operator waits for the result.
    fn decrypt(&mut self) {
        let Some(row) = self.state.detail_row() else { return };
        let Some(disclosure) = self.ui.options.disclosure.clone() else { return };
        let (event, position) = (row.entry.event(), row.entry.position);
        let file = event.batch.path.to_string_lossy();
        let place = match &self.ui.options.shown {
            Some(shown) => TokenLocation { file: shown, offset: None },
            None => TokenLocation { file: &file, offset: Some(event.record.start) },
        };
        let decrypted = disclosure.open(event.text(), place);
        self.act(Action::Decrypted(position, decrypted));
    }

    /// Applies an action that has no effects.
    fn act(&mut self, action: Action) {
        let effects = update(&mut self.state, action);
        debug_assert!(effects.is_empty(), "{effects:?}");
    }

    /// Loads the records that the screen lacks, within a time limit.
    fn fill(&mut self) {
        let until = Instant::now() + FILL_LIMIT;
        while !RecordLoader::is_background(&self.state) && Instant::now() < until {
            let Some(action) = self.loader.step(&self.state) else { return };
            self.act(action);
        }
    }

    /// Continues loading for a few milliseconds; `false` when nothing is left to do.
    fn work(&mut self) -> bool {
        let until = Instant::now() + BACKGROUND_SLICE;
        while Instant::now() < until {
            let for_the_screen = !RecordLoader::is_background(&self.state);
            let Some(action) = self.loader.step(&self.state) else { return false };
            self.act(action);
            self.draw_within(if for_the_screen { FRAME } else { SLOW_FRAME });
        }
        true
    }

    /// Requests a frame no later than `wait` after the last one.
    fn draw_within(&mut self, wait: Duration) {
        let due = self.last_frame + wait;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    fn draw_if_due(&mut self) -> Option<Exit> {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return None;
        }
        if self.terminal.autoresize().is_err() {
            return Some(Exit::TerminalGone);
        }
        let area = self.terminal.get_frame().area();
        let is_resized = (area.width, area.height) != self.state.size;
        if is_resized {
            self.act(Action::Resized { width: area.width, height: area.height });
        }
        let is_changed = self.log_changed;
        if is_changed {
            self.take_log();
        }
        if is_resized || is_changed {
            self.fill();
        }
        self.due = None;
        self.last_frame = Instant::now();
        self.ui.options.frames.fetch_add(1, Ordering::Relaxed);
        let (state, theme, keymap) = (&self.state, &self.theme, &self.ui.options.keymap);
        // Not `Terminal::draw`: it would query the size again, and the layout could be for a different size.
        let mut frame = self.terminal.get_frame();
        let cursor = panes::draw(frame.buffer_mut(), state, keymap, theme).map(Position::from);
        self.terminal.apply_buffer_with_cursor(cursor).is_err().then_some(Exit::TerminalGone)
    }

    /// Makes the next frame redraw everything. Not `Terminal::clear`: it queries the cursor position, and fails if
    /// the terminal does not answer within two seconds.
    fn clear(&mut self) -> Result<(), B::Error> {
        let area = self.terminal.get_frame().area();
        self.terminal.resize(area)
    }
}

/// Writes a notice to Logwarden's own log: the screen shows only one at a time.
fn log_notice(notice: &Notice) {
    let text = sanitize::line(&notice.text);
    match notice.level {
        Level::Error | Level::Fatal => tracing::error!("{text}"),
        Level::Warning => tracing::warn!("{text}"),
        _ => tracing::info!("{text}"),
    }
}
