//! The screen's loop: wait, take what has happened, read what is missing, draw if something has changed.
//!
//! A change of the log or of the status draws at most every 33 ms, a key at once, and nothing draws nothing.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::layout::Position;

use super::action::{Action, Effect};
use super::input::Input;
use super::keyboard::{Heard, Keyboard};
use super::record_loader::Reader;
use super::state::{Exit, Overlay, State};
use super::theme::Theme;
use super::update::update;
use super::waker::Wake;
use super::{Files, Ui, panes};
use crate::base::sanitize;
use crate::event::Level;
use crate::event::status::{Notice, new_notices};
use crate::privacy::audit::Place;

/// Between two frames, unless a key is pressed.
const FRAME: Duration = Duration::from_millis(33);
/// Between two frames that show nothing but how far the counting is.
const SLOW_FRAME: Duration = Duration::from_millis(250);
/// Between two frames while nothing but a countdown changes.
const SECOND: Duration = Duration::from_secs(1);
/// Reading for the screen between two looks at the keyboard.
const FILL: Duration = Duration::from_millis(25);
/// Counting and searching between two looks at the keyboard.
const SLICE: Duration = Duration::from_millis(8);
/// Keys taken before a frame is drawn; the others are taken after it.
const KEYS: usize = 256;

/// Runs the screen on any terminal. `keys` is where its bytes come from; `suspend` gives the terminal back
/// to the shell and returns when it is ours again.
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
    let wake = Wake::start(ui.log.changes(), ui.status.clone(), ui.stop.clone(), supervisor)?;
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
        wake,
        reader: Reader::default(),
        state,
        theme,
        suspend,
        drawn: started.checked_sub(FRAME).unwrap_or(started),
        due: None,
        log_changed: false,
    };
    let exit = screen.run();
    leave(screen.terminal);
    exit
}

/// Dropped with a hidden cursor it would show that itself, and panic where standard error is gone too.
fn leave<B: Backend>(mut terminal: Terminal<B>) {
    if terminal.show_cursor().is_err() {
        std::mem::forget(terminal);
    }
}

struct Loop<'a, F, B: Backend> {
    ui: Ui<F>,
    terminal: Terminal<B>,
    keyboard: Keyboard,
    wake: Wake,
    reader: Reader,
    state: State,
    theme: Theme,
    suspend: &'a mut dyn FnMut() -> std::io::Result<()>,
    drawn: Instant,
    /// When the next frame is to be drawn; `None`: what is on the screen is true.
    due: Option<Instant>,
    log_changed: bool,
}

impl<F: Files, B: Backend> Loop<'_, F, B> {
    fn run(&mut self) -> std::io::Result<Exit> {
        // The first frame waits for nothing but the ends of the files.
        self.take_status();
        self.take_log();
        self.fill();
        self.due = Some(Instant::now());
        let mut found = Vec::new();
        loop {
            if let Some(exit) = self.draw_if_due() {
                return Ok(exit);
            }
            let works = self.work();
            let timeout = match found.is_empty() {
                true => self.timeout(works),
                false => Some(Duration::ZERO),
            };
            let heard = self.keyboard.wait(&self.wake, timeout, &mut found)?;
            self.tick();
            if let Some(exit) = self.take_wakes()? {
                return Ok(exit);
            }
            let next = if heard == Heard::Gone { found.len() } else { found.len().min(KEYS) };
            for input in found.drain(..next) {
                if let Some(exit) = self.input(input)? {
                    return Ok(exit);
                }
            }
            if heard == Heard::Gone {
                return Ok(Exit::TerminalGone);
            }
        }
    }

    fn timeout(&self, works: bool) -> Option<Duration> {
        if works {
            return Some(Duration::ZERO);
        }
        let message =
            self.state.messages.shown().map(|message| message.until.since(self.state.now));
        let frame = self.due.map(|due| due.saturating_duration_since(Instant::now()));
        // A millisecond more, so that the moment has passed when we look.
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
        // The next frame takes the size, which may be another one by then.
        let size = self.terminal.size().map_or(self.state.size, |size| (size.width, size.height));
        if size != self.state.size {
            self.draw_within(FRAME);
        }
    }

    fn take_wakes(&mut self) -> std::io::Result<Option<Exit>> {
        let happened = self.wake.take();
        if happened.stop() {
            return Ok(Some(Exit::Stopped));
        }
        if happened.suspend()
            && let Some(exit) = self.effect(Effect::Suspend)?
        {
            return Ok(Some(exit));
        }
        if happened.window() {
            self.draw_within(FRAME);
        }
        if happened.status() {
            self.take_status();
            self.draw_within(FRAME);
        }
        if happened.log() {
            self.log_changed = true;
            self.draw_within(FRAME);
        }
        Ok(None)
    }

    fn take_status(&mut self) {
        let status = self.ui.status.borrow_and_update().clone();
        new_notices(&self.state.status.notices, &status.notices).for_each(write_down);
        self.act(Action::Status(status));
    }

    fn take_log(&mut self) {
        self.log_changed = false;
        if let Some(action) = self.reader.refresh(&self.ui.log.files(), self.state.now) {
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
        // What the next key means may depend on what this one brings.
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
                    self.act(Action::NotTaken);
                }
            }
            Effect::Open => self.open(),
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

    /// Somebody waits for it, at a key.
    fn open(&mut self) {
        let Some(row) = self.state.detailed() else { return };
        let Some(disclosure) = self.ui.options.disclosure.clone() else { return };
        let (event, position) = (row.entry.event(), row.entry.position);
        let file = event.batch.path.to_string_lossy();
        let place = match &self.ui.options.shown {
            Some(shown) => Place { file: shown, offset: None },
            None => Place { file: &file, offset: Some(event.record.start) },
        };
        let opened = disclosure.open(event.text(), place);
        self.act(Action::Opened(position, opened));
    }

    /// For actions that want nothing done.
    fn act(&mut self, action: Action) {
        let effects = update(&mut self.state, action);
        debug_assert!(effects.is_empty(), "{effects:?}");
    }

    /// Reads what the screen lacks, but not for long.
    fn fill(&mut self) {
        let until = Instant::now() + FILL;
        while !Reader::is_background(&self.state) && Instant::now() < until {
            let Some(action) = self.reader.step(&self.state) else { return };
            self.act(action);
        }
    }

    /// Reads on for a few milliseconds; `false` when nothing is left to do.
    fn work(&mut self) -> bool {
        let until = Instant::now() + SLICE;
        while Instant::now() < until {
            let for_the_screen = !Reader::is_background(&self.state);
            let Some(action) = self.reader.step(&self.state) else { return false };
            self.act(action);
            self.draw_within(if for_the_screen { FRAME } else { SLOW_FRAME });
        }
        true
    }

    /// The next frame comes at the latest when `wait` has passed since the last one.
    fn draw_within(&mut self, wait: Duration) {
        let due = self.drawn + wait;
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
        self.drawn = Instant::now();
        self.ui.options.frames.fetch_add(1, Ordering::Relaxed);
        let (state, theme, keymap) = (&self.state, &self.theme, &self.ui.options.keymap);
        // Not `Terminal::draw`: that would look at the size once more, and the state would be laid out for another.
        let mut frame = self.terminal.get_frame();
        let cursor = panes::draw(frame.buffer_mut(), state, keymap, theme).map(Position::from);
        self.terminal.apply_buffer_with_cursor(cursor).is_err().then_some(Exit::TerminalGone)
    }

    /// The next frame draws everything. Not `Terminal::clear`: that asks the terminal where its cursor is, and
    /// fails where no answer comes within two seconds.
    fn clear(&mut self) -> Result<(), B::Error> {
        let area = self.terminal.get_frame().area();
        self.terminal.resize(area)
    }
}

/// Into our own log: the screen has room for one of them at a time.
fn write_down(notice: &Notice) {
    let text = sanitize::line(&notice.text);
    match notice.level {
        Level::Error | Level::Fatal => tracing::error!("{text}"),
        Level::Warning => tracing::warn!("{text}"),
        _ => tracing::info!("{text}"),
    }
}
