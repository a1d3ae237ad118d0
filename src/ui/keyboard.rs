//! Waits for keys: poll(2) on the terminal and the wake pipe, then a read that cannot block.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::input::{Decoder, Input};

/// An escape that stands alone for so long is the Esc key.
const ESCAPE_WAITS: Duration = Duration::from_millis(30);

#[derive(Debug)]
pub struct Keyboard {
    terminal: OwnedFd,
    decoder: Decoder,
}

/// What the wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Keys, somebody else, or nothing in time.
    Something,
    /// The terminal is gone: hung up, closed, or broken.
    Gone,
}

impl Keyboard {
    pub fn new(terminal: OwnedFd) -> Self {
        Keyboard { terminal, decoder: Decoder::default() }
    }

    /// `None`: waits for as long as nothing happens.
    pub fn wait(
        &mut self,
        wake: &impl AsFd,
        timeout: Option<Duration>,
        found: &mut Vec<Input>,
    ) -> io::Result<Heard> {
        let waiting = self.decoder.is_waiting();
        let timeout = match (waiting, timeout) {
            (true, Some(timeout)) => Some(timeout.min(ESCAPE_WAITS)),
            (true, None) => Some(ESCAPE_WAITS),
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
            // Keys that were pressed before the end still count, but nothing waits for more.
            return Ok(self.read(found));
        }
        if flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(Heard::Gone);
        }
        if waiting && flags.is_empty() {
            self.decoder.settle(found);
        }
        Ok(Heard::Something)
    }

    fn read(&mut self, found: &mut Vec<Input>) -> Heard {
        let mut bytes = [0u8; 4096];
        match rustix::io::read(&self.terminal, &mut bytes) {
            Ok(0) => Heard::Gone,
            Ok(count) => {
                self.decoder.feed(&bytes[..count], found);
                Heard::Something
            }
            Err(Errno::INTR | Errno::AGAIN) => Heard::Something,
            Err(_) => Heard::Gone,
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().min(3600) as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
