//! The metrics endpoint: `[metrics] listen`, off by default. `GET /metrics` answers in the Prometheus text format,
//! `GET /healthz` with 200 while the engine and all of its parts and workers are running.
//!
//! Read-only, without log content: only names of sources, sinks and rules, and numbers. Slow clients are disconnected,
//! and oversized requests rejected. At most [`CONNECTIONS`] are open; a further one closes the oldest, so that idle
//! connections cannot block others.

mod families;
mod process;
mod text_format;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::{OnPanic, Supervisor};
use crate::event::Status;
use crate::event::status::EngineState;

/// Maximum number of open connections. Requests are answered immediately, so connections are short.
const CONNECTIONS: usize = 64;
/// Time limit per connection, from accept to the last byte.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest request, in bytes.
const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// Names, in failure messages, of this part of the engine and of the task that answers one request.
const PART: &str = "metrics endpoint";
const ANSWER: &str = "answer of the metrics endpoint";

/// A running endpoint.
#[derive(Debug)]
pub struct MetricsEndpoint {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl MetricsEndpoint {
    pub async fn start(
        address: SocketAddr,
        status: watch::Receiver<Arc<Status>>,
        supervisor: Supervisor,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> io::Result<MetricsEndpoint> {
        let server = Server::bind(address, status, supervisor.clone()).await?;
        let (server, until) = (Arc::new(server), stop.clone());
        let run = move || server.clone().run(until.clone());
        let task = tasks.spawn(supervisor.task(PART, OnPanic::Restart, stop.clone(), run));
        Ok(MetricsEndpoint { address, stop, task })
    }

    /// Whether it is running at this address.
    pub fn serves(&self, address: SocketAddr) -> bool {
        self.address == address && !self.task.is_finished()
    }

    /// Returns when the address is free again.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// The server behind a [`MetricsEndpoint`]; answers until it is stopped.
#[derive(Debug)]
struct Server {
    listener: TcpListener,
    status: watch::Receiver<Arc<Status>>,
    supervisor: Supervisor,
}

impl Server {
    async fn bind(
        address: SocketAddr,
        status: watch::Receiver<Arc<Status>>,
        supervisor: Supervisor,
    ) -> io::Result<Server> {
        Ok(Server { listener: TcpListener::bind(address).await?, status, supervisor })
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        // Oldest first.
        let mut open: VecDeque<(CancellationToken, JoinHandle<()>)> = VecDeque::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    open.retain(|(_, task)| !task.is_finished());
                    if open.len() >= CONNECTIONS
                        && let Some((oldest, _)) = open.pop_front()
                    {
                        oldest.cancel();
                    }
                    let close = stop.child_token();
                    let task = tokio::spawn(self.clone().answer_watched(stream, close.clone()));
                    open.push_back((close, task));
                    // Gives this request a chance to be answered before the next connection.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "metrics: cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn answer_watched(self: Arc<Self>, stream: TcpStream, stop: CancellationToken) {
        let (supervisor, until) = (self.supervisor.clone(), stop.clone());
        let mut stream = Some(stream);
        let answer = move || {
            let (this, stream, stop) = (self.clone(), stream.take(), until.clone());
            async move {
                let Some(stream) = stream else { return };
                let answer = answer(stream, &this.status, &this.supervisor);
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = tokio::time::timeout(CONNECTION_TIMEOUT, answer) => {}
                }
            }
        };
        supervisor.task(ANSWER, OnPanic::Continue, stop, answer).await;
    }
}

/// Answers one request per connection.
async fn answer(
    mut stream: TcpStream,
    status: &watch::Receiver<Arc<Status>>,
    supervisor: &Supervisor,
) -> io::Result<()> {
    let reply = match head(&mut stream).await? {
        // Health comes directly from the supervisor, because the task that updates the status may be down.
        Some(head) => reply(&head, &status.borrow().clone(), supervisor),
        None => Reply::plain("431 Request Header Fields Too Large", "the request is too long"),
    };
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.status,
        reply.content_type,
        reply.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(reply.body.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing a connection with unread bytes resets it, and the answer may be lost.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Reads the head of the request; `None` if it is too long.
async fn head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
        if head.len() > MAX_REQUEST_BYTES {
            return Ok(None);
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(head))
}

struct Reply {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Reply {
    fn plain(status: &'static str, text: &str) -> Reply {
        Reply { status, content_type: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }
}

fn reply(head: &[u8], status: &Status, supervisor: &Supervisor) -> Reply {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    match (method, path) {
        (b"GET", b"/metrics") => Reply {
            status: "200 OK",
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: families::page(status, &supervisor.failures()),
        },
        (b"GET", b"/healthz") if !status.broken.is_empty() => {
            let text = format!("broken: sink {}", status.broken.join(", "));
            Reply::plain("503 Service Unavailable", &text)
        }
        (b"GET", b"/healthz") if !supervisor.down().is_empty() => {
            let text = format!("broken: {}", supervisor.down().join(", "));
            Reply::plain("503 Service Unavailable", &text)
        }
        (b"GET", b"/healthz") if status.engine == EngineState::Running => {
            Reply::plain("200 OK", "running")
        }
        (b"GET", b"/healthz") => {
            Reply::plain("503 Service Unavailable", families::engine_state(&status.engine))
        }
        (_, b"/metrics" | b"/healthz") => {
            Reply::plain("405 Method Not Allowed\r\nallow: GET", "only GET is supported")
        }
        _ => Reply::plain("404 Not Found", "not found; try /metrics or /healthz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_that_never_end_their_request_do_not_block_others() {
        let status = Status { engine: EngineState::Running, ..Status::default() };
        let (_sender, receiver) = watch::channel(Arc::new(status));
        let local = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(local, receiver, Supervisor::default()).await.unwrap();
        let address = server.listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::new(server).run(stop.clone()));
        let mut held = Vec::new();
        for _ in 0..300 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // It may already be disconnected.
            _ = stream.write_all(b"GET /heal").await;
            held.push(stream);
        }
        let request = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(Duration::from_secs(60), request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        stop.cancel();
        task.await.unwrap();
    }

    #[test]
    fn healthz_is_200_only_while_the_engine_and_its_workers_are_running() {
        let running = || Status { engine: EngineState::Running, ..Status::default() };
        let broken = Status { broken: vec!["es".to_owned()], ..running() };
        let health = |status: &Status| {
            let supervisor = Supervisor::default();
            let reply = reply(b"GET /healthz HTTP/1.1\r\n\r\n", status, &supervisor);
            (reply.status, reply.body)
        };
        assert_eq!(health(&running()), ("200 OK", "running\n".to_owned()));
        let unavailable = "503 Service Unavailable";
        assert_eq!(health(&broken), (unavailable, "broken: sink es\n".to_owned()));
        assert_eq!(health(&Status::default()), (unavailable, "starting\n".to_owned()));
        let supervisor = Supervisor::default();
        supervisor.failed("rules", OnPanic::Restart, &"broken");
        let reply = reply(b"GET /healthz HTTP/1.1\r\n\r\n", &running(), &supervisor);
        assert_eq!((reply.status, &*reply.body), (unavailable, "broken: rules\n"));
        let page = families::page(&running(), &supervisor.failures());
        assert!(page.contains("logwarden_part_failures_total{part=\"rules\"} 1"), "{page}");
    }
}
