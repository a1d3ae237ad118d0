//! Elasticsearch and OpenSearch by the requests of the official client: a list of nodes, each with its own back-off.
//!
//! Nothing is asked of a server before the first request proper: neither a product check nor its version, so
//! that small servers and users with few rights do. A request goes to one node; the next one is tried only
//! where the connection could not be made, so nothing is sent twice behind the caller's back.

mod connect;
mod credential_files;
mod failure;
mod node;
mod tls;
mod transport;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
pub use elasticsearch::http::{Method, Url};

pub use self::failure::Failure;
use self::node::Node;
use super::secret::SecretPlace;

/// No reply of ours is longer.
pub const LARGEST_REPLY: usize = 64 * 1024 * 1024;

/// How to reach a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `http` or `https`, without user and password.
    pub urls: Vec<Url>,
    pub login: Login,
    /// PEM: who may sign the server's certificate, beside the authorities that everybody trusts.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of a certificate in the server's chain, as the server prints it at its first start.
    pub ca_fingerprint: Option<[u8; 32]>,
}

impl Connection {
    /// Something of it lies outside the settings.
    pub fn names_files(&self) -> bool {
        self.login != Login::Nobody || self.ca_file.is_some()
    }
}

/// Who we say we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Nobody,
    Password {
        username: String,
        password: SecretPlace,
    },
    /// `id:key`, or the same in base64, as the server hands it out under `encoded`.
    ApiKey(SecretPlace),
}

/// Cheap to share; connections are kept and used again.
pub struct Client {
    connection: Connection,
    nodes: Vec<Node>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

/// What a server said.
#[derive(Debug)]
pub struct Reply {
    /// Who said it, for messages.
    pub server: String,
    pub status: u16,
    pub body: Bytes,
    /// How long it asks to wait; at most five minutes.
    pub retry_after: Option<Duration>,
}

/// What is asked of a server.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: Method,
    /// Without a leading slash, percent-encoded where needed.
    pub path: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub body: Option<Bytes>,
    pub content_type: &'static str,
    /// The body is packed by gzip.
    pub packed: bool,
    /// Of the whole exchange.
    pub time_out: Duration,
    /// A reply above this, in bytes, is not read to its end, and counts as none.
    pub largest_reply: usize,
}

impl Client {
    /// Opens no connection; the files that `connection` names are read when they are needed.
    pub fn new(connection: Connection) -> Self {
        let nodes = connection.urls.iter().enumerate().map(Node::new).collect();
        Client { connection, nodes, turn: AtomicUsize::new(0) }
    }

    /// Files and passwords are read again for the next request.
    pub fn forget_credentials(&self) {
        for node in &self.nodes {
            node.forget();
        }
    }

    /// One exchange with the first node that can be reached. Any status is a reply.
    pub async fn send(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        let mut last = None;
        for node in self.in_turn() {
            match self.exchange(node, request).await {
                Ok(reply) => {
                    node.works();
                    return Ok(reply);
                }
                Err(failure) => {
                    node.failed();
                    let sent = failure.may_have_arrived();
                    last = Some(failure);
                    if sent {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| Failure::Settings("no URL is configured".to_owned())))
    }

    /// Those that work, each first in its turn; those in back-off only where all of them are.
    fn in_turn(&self) -> Vec<&Node> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len().max(1);
        let (behind, ahead) = self.nodes.split_at(first);
        let all: Vec<&Node> = ahead.iter().chain(behind).collect();
        let up: Vec<&Node> = all.iter().copied().filter(|node| node.is_up()).collect();
        if up.is_empty() { all } else { up }
    }

    async fn exchange(&self, node: &Node, request: &Request<'_>) -> Result<Reply, Failure> {
        let transport = node.transport(&self.connection).await?;
        node.reach().await?;
        transport.exchange(&node.to_string(), request).await
    }
}
