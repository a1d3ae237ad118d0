//! One address of a cluster: its connections, and its back-off while it does not answer.

use std::fmt;
use std::sync::Mutex;

use elasticsearch::http::Url;
use tokio::time::Instant;

use super::connect::open;
use super::credential_files::read_blocking;
use super::transport::Transport;
use super::{Connection, Failure, tls};
use crate::base::backoff::Backoff;

pub(super) struct Node {
    url: Url,
    state: Mutex<State>,
}

struct State {
    transport: Option<Transport>,
    backoff: Backoff,
    /// No request is sent before this.
    down_until: Option<Instant>,
    /// The last request succeeded: the next one needs no probe.
    works: bool,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

impl Node {
    pub fn new((index, url): (usize, &Url)) -> Self {
        let state = State {
            transport: None,
            backoff: Backoff::new(index as u64 * 977 + 13),
            down_until: None,
            works: false,
        };
        Node { url: url.clone(), state: Mutex::new(state) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of a node panics")
    }

    pub fn is_up(&self) -> bool {
        self.state().down_until.is_none_or(|until| until <= Instant::now())
    }

    pub fn mark_up(&self) {
        let mut state = self.state();
        state.backoff.reset();
        (state.down_until, state.works) = (None, true);
    }

    pub fn mark_down(&self) {
        let mut state = self.state();
        let wait = state.backoff.next_wait();
        (state.down_until, state.works) = (Some(Instant::now() + wait), false);
    }

    /// Credentials and certificates are read again for the next request.
    pub fn forget_credentials(&self) {
        self.state().transport = None;
    }

    pub async fn transport(&self, connection: &Connection) -> Result<Transport, Failure> {
        if let Some(transport) = &self.state().transport {
            return Ok(transport.clone());
        }
        let trusted = tls::trusted(connection, &self.url).await?;
        let (url, login) = (self.url.clone(), connection.login.clone());
        let made = read_blocking(move || Transport::new(&url, &login, trusted));
        let transport = made.await?;
        self.state().transport = Some(transport.clone());
        Ok(transport)
    }

    /// Checks whether a server accepts connections at the address, unless the last request succeeded. This fails faster
    /// than a request, and with a clearer message.
    pub async fn probe(&self) -> Result<(), Failure> {
        if self.state().works {
            return Ok(());
        }
        open(&self.url).await.map(drop)
    }
}
