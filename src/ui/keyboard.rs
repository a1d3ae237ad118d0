//! Waits for keys and wake-ups with poll(2), then reads the terminal without blocking.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::input::{Decoder, Input};

/// An escape byte that no other byte follows for this long is the Esc key.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(30);

#[derive(Debug)]
pub struct Keyboard {
    terminal: OwnedFd,
    decoder: Decoder,
}

/// State of the terminal after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalState {
    /// Usable: the wait ended with keys, a wake-up or the timeout.
    Open,
    /// Hung up, closed or broken.
    Gone,
}

impl Keyboard {
    pub fn new(terminal: OwnedFd) -> Self {
        Keyboard { terminal, decoder: Decoder::default() }
    }

    /// Waits for input, a wake-up or the timeout (`None`: without limit). Appends the input to `inputs`.
    pub fn wait(
        &mut self,
        wake: &impl AsFd,
        timeout: Option<Duration>,
        inputs: &mut Vec<Input>,
    ) -> io::Result<TerminalState> {
        let waiting = self.decoder.is_waiting();
        let timeout = match (waiting, timeout) {
            (true, Some(timeout)) => Some(timeout.min(ESCAPE_TIMEOUT)),
            (true, None) => Some(ESCAPE_TIMEOUT),
            (false, timeout) => timeout,
        };
        let flags = {
            let mut fds = [
                PollFd::new(&self.terminal, PollFlags::IN),
                PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
            ];
            let timeout = timeout.map(timespec);
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            fds[0].revents()
        };
        if flags.contains(PollFlags::IN) {
            // Keys that were pressed before the hang-up still count.
            return Ok(self.read(inputs));
        }
        if flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(TerminalState::Gone);
        }
        if waiting && flags.is_empty() {
            self.decoder.finish_escape(inputs);
        }
        Ok(TerminalState::Open)
    }

    fn read(&mut self, inputs: &mut Vec<Input>) -> TerminalState {
        let mut bytes = [0u8; 4096];
        match rustix::io::read(&self.terminal, &mut bytes) {
            Ok(0) => TerminalState::Gone,
            Ok(count) => {
                self.decoder.feed(&bytes[..count], inputs);
                TerminalState::Open
            }
            Err(Errno::INTR | Errno::AGAIN) => TerminalState::Open,
            Err(_) => TerminalState::Gone,
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().min(3600) as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
