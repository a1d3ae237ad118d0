//! HTTP client for Elasticsearch and OpenSearch, with a list of nodes, each with its own back-off. Its requests
//! look like those of the official client.
//!
//! No request is sent before the caller's first one: no product check and no version check, so that compatible servers
//! and users with few privileges work too. A request goes to one node; the next node is tried only if no connection was
//! possible, so no request is sent twice without the caller knowing.

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
use super::secret::SecretSource;

/// The longest reply that the callers expect.
pub const LARGEST_REPLY: usize = 64 * 1024 * 1024;

/// How to reach a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `http` or `https`, without user and password.
    pub urls: Vec<Url>,
    pub login: Login,
    /// PEM: authorities that may sign the server's certificate, besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of a certificate in the server's chain, as the server prints it at its first start.
    pub ca_fingerprint: Option<[u8; 32]>,
}

impl Connection {
    /// Credentials or certificates may be in files or variables, which can change although the settings do not.
    pub fn names_files(&self) -> bool {
        self.login != Login::Anonymous || self.ca_file.is_some()
    }
}

/// The credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Anonymous,
    Password {
        username: String,
        password: SecretSource,
    },
    /// `id:key`, or the same in base64, as the server shows it under `encoded`.
    ApiKey(SecretSource),
}

/// Sends requests to the nodes of one cluster. Its connections are kept and reused.
pub struct Client {
    connection: Connection,
    nodes: Vec<Node>,
    /// Counts requests, so that the nodes take turns.
    turn: AtomicUsize,
}

/// The reply of a server.
#[derive(Debug)]
pub struct Reply {
    /// Name of the server, for messages.
    pub server: String,
    pub status: u16,
    pub body: Bytes,
    /// How long the server asks to wait; at most five minutes.
    pub retry_after: Option<Duration>,
}

/// A request to a server.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: Method,
    /// Without a leading slash, percent-encoded where needed.
    pub path: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub body: Option<Bytes>,
    pub content_type: &'static str,
    /// The body is compressed with gzip.
    pub gzip: bool,
    /// For the whole exchange.
    pub time_out: Duration,
    /// A longer reply, in bytes, is not read to its end and counts as no reply.
    pub largest_reply: usize,
}

impl Client {
    /// Opens no connection; the files in `connection` are read when they are needed.
    pub fn new(connection: Connection) -> Self {
        let nodes = connection.urls.iter().enumerate().map(Node::new).collect();
        Client { connection, nodes, turn: AtomicUsize::new(0) }
    }

    /// Makes the next request read credentials and certificates again.
    pub fn forget_credentials(&self) {
        for node in &self.nodes {
            node.forget_credentials();
        }
    }

    /// One exchange with the first reachable node. Any status is a reply.
    pub async fn send(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        let mut last = None;
        for node in self.in_turn() {
            match self.exchange(node, request).await {
                Ok(reply) => {
                    node.mark_up();
                    return Ok(reply);
                }
                Err(failure) => {
                    node.mark_down();
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

    /// The nodes to try, in this order; the first one is another node at each call. Nodes in back-off are included only
    /// if all nodes are in back-off.
    fn in_turn(&self) -> Vec<&Node> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len().max(1);
        let (behind, ahead) = self.nodes.split_at(first);
        let all: Vec<&Node> = ahead.iter().chain(behind).collect();
        let up: Vec<&Node> = all.iter().copied().filter(|node| node.is_up()).collect();
        if up.is_empty() { all } else { up }
    }

    async fn exchange(&self, node: &Node, request: &Request<'_>) -> Result<Reply, Failure> {
        let transport = node.transport(&self.connection).await?;
        node.probe().await?;
        transport.exchange(&node.to_string(), request).await
    }
}
