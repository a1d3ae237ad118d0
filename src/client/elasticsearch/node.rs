//! One address of a cluster: its connections, and its back-off while it does not answer.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use elasticsearch::http::Url;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::transport::Transport;
use super::{Connection, Failure, tls};
use crate::base::backoff::Backoff;

/// A connection that takes longer is none.
const CONNECT: Duration = Duration::from_secs(5);

/// Files of passwords and certificates that take longer cannot be read now.
const READ: Duration = Duration::from_secs(15);

pub(super) struct Node {
    url: Url,
    state: Mutex<State>,
}

struct State {
    transport: Option<Transport>,
    backoff: Backoff,
    /// Not asked before.
    down_until: Option<Instant>,
    /// Its last exchange went well: the next one needs no look at the address.
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

    pub fn works(&self) {
        let mut state = self.state();
        state.backoff.reset();
        (state.down_until, state.works) = (None, true);
    }

    pub fn failed(&self) {
        let mut state = self.state();
        let wait = state.backoff.next_wait();
        (state.down_until, state.works) = (Some(Instant::now() + wait), false);
    }

    /// Credentials and certificates are read again.
    pub fn forget(&self) {
        self.state().transport = None;
    }

    pub async fn transport(&self, connection: &Connection) -> Result<Transport, Failure> {
        if let Some(transport) = &self.state().transport {
            return Ok(transport.clone());
        }
        let trusted = tls::trusted(connection, &self.url).await?;
        let (url, login) = (self.url.clone(), connection.login.clone());
        let made = off_the_async_threads(move || Transport::new(&url, &login, trusted));
        let transport = made.await?;
        self.state().transport = Some(transport.clone());
        Ok(transport)
    }

    /// Looks whether anybody answers at the address: says quickly and plainly that nobody does.
    pub async fn reach(&self) -> Result<(), Failure> {
        if self.state().works {
            return Ok(());
        }
        dial(&self.url).await.map(drop)
    }
}

/// A bare connection to the address of a URL.
pub(super) async fn dial(url: &Url) -> Result<TcpStream, Failure> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(9200);
    match timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Failure::Unreachable(format!("cannot reach {url} ({error})"))),
        Err(_) => {
            let seconds = CONNECT.as_secs();
            Err(Failure::Unreachable(format!("{url} does not answer within {seconds} s")))
        }
    }
}

/// For what reads files: a file system may take its time, or not answer at all.
pub(super) async fn off_the_async_threads<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let cannot = |reason: &str| {
        Failure::Settings(format!("cannot read the files of passwords and certificates ({reason})"))
    };
    match timeout(READ, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(cannot("by a fault in Logwarden")),
        Err(_) => Err(cannot("their file system does not answer")),
    }
}
