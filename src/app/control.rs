//! The socket on which the owner of a state directory answers: `control.sock`, mode 0600, one JSON object a
//! line. A request is a [`Request`]; the answer is a [`Reply`].
//!
//! Only the owner of the files can connect; nothing secret is ever sent.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::event::{Command, Status};

/// Longest request line, in bytes: a client that sends more is cut off.
const LONGEST_REQUEST: u64 = 64 * 1024;
/// A client that sends nothing for so long is forgotten.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    Status,
    Do { command: Command },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    Status { version: String, process: u32, status: Box<Status> },
    Done,
    Refused { reason: String },
}

pub fn socket_path(state_directory: &Path) -> PathBuf {
    state_directory.join("control.sock")
}

/// Answers until it is told to stop; removes the socket then.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    status: watch::Receiver<Arc<Status>>,
    commands: mpsc::Sender<Command>,
}

impl Server {
    /// Call it only while holding the state's lock: a socket that is there already is a dead owner's.
    pub fn bind(
        state_directory: &Path,
        status: watch::Receiver<Arc<Status>>,
        commands: mpsc::Sender<Command>,
    ) -> io::Result<Server> {
        let path = socket_path(state_directory);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The directory is 0700, so nobody else can connect before the mode is set.
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Server { listener, path, status, commands })
    }

    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                connection = self.listener.accept() => match connection {
                    Ok((stream, _)) => self.spawn_answers(stream, stop.clone()),
                    Err(error) => {
                        tracing::warn!(%error, "control socket: cannot accept");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                },
            }
        }
        let _ = std::fs::remove_file(&self.path);
    }

    fn spawn_answers(&self, stream: UnixStream, stop: CancellationToken) {
        let status = self.status.clone();
        let commands = self.commands.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = answer(stream, status, commands) => {}
            }
        });
    }
}

async fn answer(
    stream: UnixStream,
    status: watch::Receiver<Arc<Status>>,
    commands: mpsc::Sender<Command>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LONGEST_REQUEST);
        let reading = limited.read_until(b'\n', &mut line);
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(result) => result?,
        };
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => reply_to(request, &status, &commands).await,
            Err(error) => Reply::Refused { reason: format!("not understood: {error}") },
        };
        let mut body = serde_json::to_vec(&reply).map_err(io::Error::other)?;
        body.push(b'\n');
        tokio::time::timeout(PATIENCE, write.write_all(&body)).await??;
    }
}

async fn reply_to(
    request: Request,
    status: &watch::Receiver<Arc<Status>>,
    commands: &mpsc::Sender<Command>,
) -> Reply {
    match request {
        Request::Status => Reply::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            status: Box::new(Status::clone(&status.borrow())),
        },
        Request::Do { command } => match commands.send(command).await {
            Ok(()) => Reply::Done,
            Err(_) => Reply::Refused { reason: "the engine is stopping".to_owned() },
        },
    }
}

/// Asks the owner of `state_directory`. Blocking; at most a few seconds.
pub fn ask(state_directory: &Path, request: &Request) -> io::Result<Reply> {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket_path(state_directory))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    serde_json::from_str(&answer).map_err(io::Error::other)
}
