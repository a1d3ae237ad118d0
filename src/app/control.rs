//! The control socket of the engine: `control.sock` in the state directory, mode 0600, one JSON object per line. A
//! request is a [`Request`]; the answer is a [`Reply`].
//!
//! Only the owner of the state directory can connect; nothing secret is ever sent.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::dead_letters::{DeadLetterOrder, DeadLetterResult, DeadLetterService};
use crate::base::{OnPanic, Supervisor, sanitize};
use crate::event::{Command, Status};

/// Longest request line, in bytes; a longer one ends the connection.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// Concurrent connections; further ones are refused and asked to retry.
const MAX_CONNECTIONS: usize = 32;
/// A client that sends nothing for this long is disconnected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval of progress replies during a long request.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// A request of a client, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    Status,
    Do {
        command: Command,
    },
    /// Answered by any number of [`Reply::Progress`] and then by [`Reply::Letters`].
    Letters {
        order: DeadLetterOrder,
    },
}

/// The answer of the engine, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    Status {
        version: String,
        process: u32,
        status: Box<Status>,
    },
    Done,
    /// Progress in bytes; sent often enough that the client does not time out.
    Progress {
        done: u64,
        all: u64,
    },
    Letters {
        #[serde(rename = "sorted")]
        result: DeadLetterResult,
    },
    Refused {
        reason: String,
    },
}

pub fn socket_path(state_directory: &Path) -> PathBuf {
    state_directory.join("control.sock")
}

/// The engine's end of the socket. It answers requests until it is stopped, and then removes the socket.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    control: ControlState,
    supervisor: Supervisor,
}

/// Name of this part in failure messages.
pub const PART: &str = "control socket";
/// Name of the task that serves one connection in failure messages.
const ANSWER: &str = "answer on the control socket";

/// Everything needed to answer requests.
#[derive(Clone)]
struct ControlState {
    status: watch::Receiver<Arc<Status>>,
    commands: mpsc::Sender<Command>,
    letters: Arc<DeadLetterService>,
}

impl ControlState {
    async fn execute(&self, command: Command) -> Reply {
        let sinks: Vec<String> =
            self.status.borrow().sinks.iter().map(|sink| sink.name.clone()).collect();
        let is_unknown = |name: &&str| !sinks.iter().any(|sink| sink == name);
        // Before the first status the sinks are not known.
        if let Some(name) = command.sink().filter(is_unknown)
            && !sinks.is_empty()
        {
            let name = sanitize::line(name);
            let reason = format!("unknown sink: {name}; configured sinks: {}", sinks.join(", "));
            return Reply::Refused { reason };
        }
        match self.commands.send(command).await {
            Ok(()) => Reply::Done,
            Err(_) => {
                let reason = "the engine is stopping and takes no more commands".to_owned();
                Reply::Refused { reason }
            }
        }
    }
}

impl Server {
    /// Creates the socket and replaces an existing one. Call it only while holding the state's lock: an existing socket
    /// then belongs to a process that has ended.
    pub fn bind(
        state_directory: &Path,
        status: watch::Receiver<Arc<Status>>,
        commands: mpsc::Sender<Command>,
        letters: Arc<DeadLetterService>,
        supervisor: Supervisor,
    ) -> io::Result<Server> {
        let path = socket_path(state_directory);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The directory is 0700, so nobody else can connect before the mode is set.
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let control = ControlState { status, commands, letters };
        Ok(Server { listener, path, control, supervisor })
    }

    /// Answers requests until `stop`, then removes the socket. Can be run again after a panic: the socket stays then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                connection = self.listener.accept() => match connection {
                    Ok((stream, _)) => match permits.clone().try_acquire_owned() {
                        Ok(permit) => self.spawn_answers(stream, stop.clone(), permit),
                        Err(_) => refuse(&stream),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "control socket: cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                },
            }
        }
        let _ = std::fs::remove_file(&self.path);
    }

    fn spawn_answers(
        &self,
        stream: UnixStream,
        stop: CancellationToken,
        permit: OwnedSemaphorePermit,
    ) {
        let control = self.control.clone();
        let mut stream = Some(stream);
        let answering = move || {
            let (stream, control) = (stream.take(), control.clone());
            async move {
                if let Some(stream) = stream {
                    let _ = answer(stream, control).await;
                }
            }
        };
        let answered =
            self.supervisor.clone().task(ANSWER, OnPanic::Continue, stop.clone(), answering);
        tokio::spawn(async move {
            let _until_it_ends = permit;
            tokio::select! {
                () = stop.cancelled() => {}
                () = answered => {}
            }
        });
    }
}

/// Refuses a connection without waiting: if the reply does not fit into the send buffer, none is sent.
fn refuse(stream: &UnixStream) {
    let reason = format!(
        "the control socket has too many connections ({MAX_CONNECTIONS}); retry in a moment"
    );
    if let Ok(mut body) = serde_json::to_vec(&Reply::Refused { reason }) {
        body.push(b'\n');
        let _ = stream.try_write(&body);
    }
}

async fn answer(stream: UnixStream, control: ControlState) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(MAX_REQUEST_BYTES);
        let reading = limited.read_until(b'\n', &mut line);
        match tokio::time::timeout(IDLE_TIMEOUT, reading).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(result) => result?,
        };
        if line.last() != Some(&b'\n') {
            let reason = match line.len() as u64 == MAX_REQUEST_BYTES {
                true => format!("the request is longer than {MAX_REQUEST_BYTES} bytes"),
                false => "the request does not end with a line feed".to_owned(),
            };
            // No further request is read: the bytes that follow belong to this one.
            return send(&mut write, &Reply::Refused { reason }).await;
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => reply_to(request, &control, &mut write).await?,
            Err(error) => Reply::Refused { reason: format!("invalid request: {error}") },
        };
        send(&mut write, &reply).await?;
    }
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut body = serde_json::to_vec(reply).map_err(io::Error::other)?;
    body.push(b'\n');
    tokio::time::timeout(IDLE_TIMEOUT, write.write_all(&body)).await?
}

/// Executes a request for dead letters. Stops early, without loss, when the client disconnects or the engine stops: the
/// guard is dropped then.
async fn dead_letters(
    order: DeadLetterOrder,
    control: &ControlState,
    write: &mut OwnedWriteHalf,
) -> io::Result<Reply> {
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (sender, progress) = watch::channel((0, 0));
    let service = control.letters.clone();
    let mut job = tokio::task::spawn_blocking(move || {
        let mut report = |done, all| {
            sender.send_replace((done, all));
        };
        service.execute(&order, Handle::current(), stop, &mut report)
    });
    loop {
        let done = tokio::select! {
            done = &mut job => done,
            () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                let (done, all) = *progress.borrow();
                send(write, &Reply::Progress { done, all }).await?;
                continue;
            }
        };
        return Ok(match done.map_err(io::Error::other)? {
            Ok(result) => Reply::Letters { result },
            Err(reason) => Reply::Refused { reason },
        });
    }
}

async fn reply_to(
    request: Request,
    control: &ControlState,
    write: &mut OwnedWriteHalf,
) -> io::Result<Reply> {
    Ok(match request {
        Request::Status => Reply::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            status: Box::new(Status::clone(&control.status.borrow())),
        },
        Request::Do { command } => control.execute(command).await,
        Request::Letters { order } => dead_letters(order, control, write).await?,
    })
}

/// Whether this error of [`ask`] means that no engine is listening: none was started, or it has ended.
pub fn is_not_running(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Sends a request to the engine of `state_directory`; `progress` is called during a long request. Blocking; fails if
/// the engine does not answer for 5 seconds.
pub fn ask(
    state_directory: &Path,
    request: &Request,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Reply> {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket_path(state_directory))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut answer = String::new();
        stream.read_line(&mut answer)?;
        match serde_json::from_str(&answer).map_err(io::Error::other)? {
            Reply::Progress { done, all } => progress(done, all),
            reply => return Ok(reply),
        }
    }
}
