//! Figures for a monitoring system: `[metrics] listen`, off unless it is set. `GET /metrics` answers in the text
//! format of Prometheus, `GET /healthz` with 200 while the engine and every part and worker of it run.
//!
//! It only tells. No log content is in it: names of sources, sinks and rules, and numbers. Whoever is slow or asks
//! for too much is cut off; however many come, [`CONNECTIONS`] are open at once: the next one takes the place of that
//! which has been open for longest, so that nobody who only holds connections keeps others from an answer.

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

/// Requests are answered at once; most connections end before the next begins.
const CONNECTIONS: usize = 64;
/// Of one exchange, from the connection to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request, in bytes.
const LONGEST_REQUEST: usize = 8 * 1024;

/// Names of this part and of one exchange in failure messages.
const PART: &str = "metrics endpoint";
const ANSWER: &str = "answer of the metrics endpoint";

/// An endpoint at work.
#[derive(Debug)]
pub struct Offer {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Offer {
    pub async fn begin(
        address: SocketAddr,
        status: watch::Receiver<Arc<Status>>,
        supervisor: Supervisor,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> io::Result<Offer> {
        let endpoint = Endpoint::bind(address, status, supervisor.clone()).await?;
        let (endpoint, until) = (Arc::new(endpoint), stop.clone());
        let run = move || endpoint.clone().run(until.clone());
        let task = tasks.spawn(supervisor.task(PART, OnPanic::Restart, stop.clone(), run));
        Ok(Offer { address, stop, task })
    }

    pub fn stands_at(&self, address: SocketAddr) -> bool {
        self.address == address && !self.task.is_finished()
    }

    /// Returns when its address is free.
    pub async fn withdraw(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// Answers until it is told to stop.
#[derive(Debug)]
struct Endpoint {
    listener: TcpListener,
    status: watch::Receiver<Arc<Status>>,
    supervisor: Supervisor,
}

impl Endpoint {
    async fn bind(
        address: SocketAddr,
        status: watch::Receiver<Arc<Status>>,
        supervisor: Supervisor,
    ) -> io::Result<Endpoint> {
        Ok(Endpoint { listener: TcpListener::bind(address).await?, status, supervisor })
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        // The oldest first.
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
                        && let Some((cut, _)) = open.pop_front()
                    {
                        cut.cancel();
                    }
                    let cut = stop.child_token();
                    let task = tokio::spawn(self.clone().answered(stream, cut.clone()));
                    open.push_back((cut, task));
                    // What it asks for comes before the next one.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "metrics: cannot accept");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn answered(self: Arc<Self>, stream: TcpStream, stop: CancellationToken) {
        let (supervisor, until) = (self.supervisor.clone(), stop.clone());
        let mut stream = Some(stream);
        let answer = move || {
            let (this, stream, stop) = (self.clone(), stream.take(), until.clone());
            async move {
                let Some(stream) = stream else { return };
                let answer = answer(stream, &this.status, &this.supervisor);
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = tokio::time::timeout(PATIENCE, answer) => {}
                }
            }
        };
        supervisor.task(ANSWER, OnPanic::GoOn, stop, answer).await;
    }
}

/// One exchange a connection.
async fn answer(
    mut stream: TcpStream,
    status: &watch::Receiver<Arc<Status>>,
    supervisor: &Supervisor,
) -> io::Result<()> {
    let reply = match head(&mut stream).await? {
        // Asked directly: what makes the status may be what is down.
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
    // A connection that is closed with something unread is reset, and the answer may be lost.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The head of the request; `None` where it is too long.
async fn head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
        if head.len() > LONGEST_REQUEST {
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
            Reply::plain("405 Method Not Allowed\r\nallow: GET", "only GET")
        }
        _ => Reply::plain("404 Not Found", "there are /metrics and /healthz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_that_never_end_their_request_keep_nobody_from_an_answer() {
        let status = Status { engine: EngineState::Running, ..Status::default() };
        let (_sender, receiver) = watch::channel(Arc::new(status));
        let local = "127.0.0.1:0".parse().unwrap();
        let endpoint = Endpoint::bind(local, receiver, Supervisor::default()).await.unwrap();
        let address = endpoint.listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::new(endpoint).run(stop.clone()));
        let mut held = Vec::new();
        for _ in 0..300 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // It may be cut off by now.
            _ = stream.write_all(b"GET /heal").await;
            held.push(stream);
        }
        let asked = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        let said = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
        stop.cancel();
        task.await.unwrap();
    }

    #[test]
    fn all_is_well_only_where_the_engine_and_its_workers_run() {
        let running = || Status { engine: EngineState::Running, ..Status::default() };
        let broken = Status { broken: vec!["es".to_owned()], ..running() };
        let told = |status: &Status| {
            let supervisor = Supervisor::default();
            let reply = reply(b"GET /healthz HTTP/1.1\r\n\r\n", status, &supervisor);
            (reply.status, reply.body)
        };
        assert_eq!(told(&running()), ("200 OK", "running\n".to_owned()));
        let unavailable = "503 Service Unavailable";
        assert_eq!(told(&broken), (unavailable, "broken: sink es\n".to_owned()));
        assert_eq!(told(&Status::default()), (unavailable, "starting\n".to_owned()));
        let supervisor = Supervisor::default();
        supervisor.failed("rules", OnPanic::Restart, &"broken");
        let reply = reply(b"GET /healthz HTTP/1.1\r\n\r\n", &running(), &supervisor);
        assert_eq!((reply.status, &*reply.body), (unavailable, "broken: rules\n"));
        let page = families::page(&running(), &supervisor.failures());
        assert!(page.contains("logwarden_part_failures_total{part=\"rules\"} 1"), "{page}");
    }
}
