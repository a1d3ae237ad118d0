//! Elasticsearch and OpenSearch over the official client: a list of nodes, each with its own back-off.
//!
//! Nothing is asked of a server before the first request proper: neither a product check nor its version, so
//! that small servers and users with few rights do. A request goes to one node; the next one is tried only
//! where the connection could not be made, so nothing is sent twice behind the caller's back.

mod failure;
mod node;
mod tls;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::auth::Credentials;
use elasticsearch::http::headers::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
pub use elasticsearch::http::{Method, Url};

pub use self::failure::Failure;
use self::node::Node;
use super::secret::SecretPlace;

/// A reply above this is not one of ours. Known only where the server names a length: the official client collects
/// a reply whole and hands out no part of it (elastic/elasticsearch-rs#246), so a chunked one is bounded by the
/// time-out alone.
const LARGEST_REPLY: usize = 64 * 1024 * 1024;
/// However long a server, or what stands before it, asks to wait: it is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

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
    /// `id:key` in base64, as the server hands it out.
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
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
        if request.packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let query = (!request.query.is_empty()).then_some(request.query);
        let sending = transport.send(
            request.method,
            request.path,
            headers,
            query,
            request.body.clone(),
            Some(request.time_out),
        );
        let response =
            sending.await.map_err(|error| Failure::of(&error, node, request.time_out))?;
        let status = response.status_code().as_u16();
        let retry_after = asked_to_wait(response.headers());
        if response.content_length().is_some_and(|length| length > LARGEST_REPLY as u64) {
            return Err(Failure::Broken(format!("{node} answers with more than 64 MiB")));
        }
        let body = response.bytes().await;
        let body = body.map_err(|error| Failure::of(&error, node, request.time_out))?;
        Ok(Reply { server: node.to_string(), status, body, retry_after })
    }
}

/// In seconds; a date is nobody's wish here, and its clock may be another.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

impl Login {
    /// Read anew: a password that was changed is taken up.
    fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        let read = |place: &SecretPlace| place.read().map_err(Failure::Settings);
        Ok(match self {
            Login::Nobody => None,
            Login::Password { username, password } => {
                let password = read(password)?;
                Some(Credentials::Basic(username.clone(), password.expose().to_owned()))
            }
            Login::ApiKey(place) => {
                let key = read(place)?;
                if !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
                    let text = "the API key is not one in base64, as the server hands it out";
                    return Err(Failure::Settings(text.to_owned()));
                }
                Some(Credentials::EncodedApiKey(key.expose().to_owned()))
            }
        })
    }
}

#[cfg(test)]
mod tests;
