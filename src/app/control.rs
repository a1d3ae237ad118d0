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
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::dead_letters::{LetterDesk, LetterOrder, LettersSorted};
use crate::base::{OnPanic, Supervisor, sanitize};
use crate::event::{Command, Status};

/// Longest request line, in bytes: a client that sends more is cut off.
const LONGEST_REQUEST: u64 = 64 * 1024;
/// Connections at once; further ones are refused and asked to try again.
const MOST_CONNECTIONS: usize = 32;
/// A client that sends nothing for so long is forgotten.
const PATIENCE: Duration = Duration::from_secs(30);
/// An asker is told so often how far a long answer is.
const HEARTBEAT: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    Status,
    Do {
        command: Command,
    },
    /// Answered by any number of [`Reply::Progress`], then by [`Reply::Letters`].
    Letters {
        order: LetterOrder,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    Status {
        version: String,
        process: u32,
        status: Box<Status>,
    },
    Done,
    /// Of what was asked for, in bytes; at least so often that nobody takes us for dead.
    Progress {
        done: u64,
        all: u64,
    },
    Letters {
        sorted: LettersSorted,
    },
    Refused {
        reason: String,
    },
}

pub fn socket_path(state_directory: &Path) -> PathBuf {
    state_directory.join("control.sock")
}

/// Answers until it is told to stop; removes the socket then.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    office: Office,
    supervisor: Supervisor,
}

/// Names of this part and of one connection in failure messages.
pub const PART: &str = "control socket";
const ANSWER: &str = "answer on the control socket";

/// What answers are made of.
#[derive(Clone)]
struct Office {
    status: watch::Receiver<Arc<Status>>,
    commands: mpsc::Sender<Command>,
    letters: Arc<LetterDesk>,
}

impl Office {
    async fn obey(&self, command: Command) -> Reply {
        let sinks: Vec<String> =
            self.status.borrow().sinks.iter().map(|sink| sink.name.clone()).collect();
        let is_unknown = |name: &&str| !sinks.iter().any(|sink| sink == name);
        // Before the first status nobody knows which there are.
        if let Some(name) = command.sink().filter(is_unknown)
            && !sinks.is_empty()
        {
            let name = sanitize::line(name);
            let reason = format!("no sink is called {name}; there is {}", sinks.join(", "));
            return Reply::Refused { reason };
        }
        match self.commands.send(command).await {
            Ok(()) => Reply::Done,
            Err(_) => Reply::Refused { reason: "the engine is stopping".to_owned() },
        }
    }
}

impl Server {
    /// Call it only while holding the state's lock: a socket that is there already is a dead owner's.
    pub fn bind(
        state_directory: &Path,
        status: watch::Receiver<Arc<Status>>,
        commands: mpsc::Sender<Command>,
        letters: Arc<LetterDesk>,
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
        let office = Office { status, commands, letters };
        Ok(Server { listener, path, office, supervisor })
    }

    /// After a panic it can be run again: the socket stays.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                connection = self.listener.accept() => match connection {
                    Ok((stream, _)) => match places.clone().try_acquire_owned() {
                        Ok(place) => self.spawn_answers(stream, stop.clone(), place),
                        Err(_) => refuse(&stream),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "control socket: cannot accept");
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
        place: OwnedSemaphorePermit,
    ) {
        let office = self.office.clone();
        let mut stream = Some(stream);
        let answering = move || {
            let (stream, office) = (stream.take(), office.clone());
            async move {
                if let Some(stream) = stream {
                    let _ = answer(stream, office).await;
                }
            }
        };
        let answered = self.supervisor.clone().task(ANSWER, OnPanic::GoOn, stop.clone(), answering);
        tokio::spawn(async move {
            let _until_it_ends = place;
            tokio::select! {
                () = stop.cancelled() => {}
                () = answered => {}
            }
        });
    }
}

/// Waits for nobody: where the answer does not fit, the connection just ends.
fn refuse(stream: &UnixStream) {
    let reason = format!("{MOST_CONNECTIONS} others are connected; try again in a moment");
    if let Ok(mut body) = serde_json::to_vec(&Reply::Refused { reason }) {
        body.push(b'\n');
        let _ = stream.try_write(&body);
    }
}

async fn answer(stream: UnixStream, office: Office) -> io::Result<()> {
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
        if line.last() != Some(&b'\n') {
            let reason = match line.len() as u64 == LONGEST_REQUEST {
                true => format!("the request is longer than {LONGEST_REQUEST} bytes"),
                false => "the request ends without a line end".to_owned(),
            };
            // What follows is the rest of it, and no request.
            return send(&mut write, &Reply::Refused { reason }).await;
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => reply_to(request, &office, &mut write).await?,
            Err(error) => Reply::Refused { reason: format!("not understood: {error}") },
        };
        send(&mut write, &reply).await?;
    }
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut body = serde_json::to_vec(reply).map_err(io::Error::other)?;
    body.push(b'\n');
    tokio::time::timeout(PATIENCE, write.write_all(&body)).await?
}

/// Ends early, with nothing lost, when the asker goes away or the engine stops: then this is dropped.
async fn letters(
    order: LetterOrder,
    office: &Office,
    write: &mut OwnedWriteHalf,
) -> io::Result<Reply> {
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (told, progress) = watch::channel((0, 0));
    let desk = office.letters.clone();
    let mut job = tokio::task::spawn_blocking(move || {
        let mut tell = |done, all| {
            told.send_replace((done, all));
        };
        desk.obey(&order, Handle::current(), stop, &mut tell)
    });
    loop {
        let done = tokio::select! {
            done = &mut job => done,
            () = tokio::time::sleep(HEARTBEAT) => {
                let (done, all) = *progress.borrow();
                send(write, &Reply::Progress { done, all }).await?;
                continue;
            }
        };
        return Ok(match done.map_err(io::Error::other)? {
            Ok(sorted) => Reply::Letters { sorted },
            Err(reason) => Reply::Refused { reason },
        });
    }
}

async fn reply_to(
    request: Request,
    office: &Office,
    write: &mut OwnedWriteHalf,
) -> io::Result<Reply> {
    Ok(match request {
        Request::Status => Reply::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            status: Box::new(Status::clone(&office.status.borrow())),
        },
        Request::Do { command } => office.obey(command).await,
        Request::Letters { order } => letters(order, office, write).await?,
    })
}

/// No engine listens: none runs, or one was killed.
pub fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Asks the owner of `state_directory`; `progress` is told how far a long answer is. Blocking; fails when the
/// owner says nothing for some seconds.
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
