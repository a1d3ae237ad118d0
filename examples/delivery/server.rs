//! A server that accepts everything: it counts events and bytes, and the delay of lines that contain their write time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The field of a line with its write time, in nanoseconds since the epoch.
pub const WRITTEN: &[u8] = b"\"written\":";

const ITEM: &str = r#"{"create":{"status":201}},"#;

#[derive(Debug, Default)]
pub struct Server {
    pub events: AtomicU64,
    pub bytes: AtomicU64,
    /// Body bytes after decompression.
    pub unpacked: AtomicU64,
    /// Nanoseconds from write to answer, for the lines that contain their write time.
    pub delays: Mutex<Vec<u64>>,
}

impl Server {
    /// Serves in its own threads until the process ends.
    pub fn start(listener: TcpListener) -> Arc<Server> {
        let server = Arc::new(Server::default());
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = shared.clone();
                std::thread::spawn(move || {
                    if let Err(error) = server.serve(stream) {
                        eprintln!("{error}");
                    }
                });
            }
        });
        server
    }

    pub fn count(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// One connection: requests with a Content-Length, one after the other.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
        let (mut sent, mut unpacked) = (Vec::new(), Vec::new());
        while let Some((length, packed)) = head(&mut reader)? {
            sent.resize(length, 0);
            reader.read_exact(&mut sent)?;
            let body = match packed {
                true => {
                    unpacked.clear();
                    flate2::read::GzDecoder::new(&sent[..]).read_to_end(&mut unpacked)?;
                    &unpacked
                }
                false => &sent,
            };
            let items = memchr::memchr_iter(b'\n', body).count() / 2;
            write!(stream, "{}", reply(items))?;
            self.note_delays(body);
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
            self.unpacked.fetch_add(body.len() as u64, Ordering::Relaxed);
            self.events.fetch_add(items as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn note_delays(&self, body: &[u8]) {
        let mut places = memchr::memmem::find_iter(body, WRITTEN).peekable();
        if places.peek().is_none() {
            return;
        }
        let now = nanoseconds();
        let mut delays = self.delays.lock().expect("no thread panics");
        for place in places {
            let digits = body[place + WRITTEN.len()..].iter().take_while(|b| b.is_ascii_digit());
            let written = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            delays.push(now.saturating_sub(written));
        }
    }
}

pub fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Length of the body, and whether it is compressed; `None` at the end of the connection.
fn head(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(usize, bool)>> {
    let (mut length, mut packed) = (0, false);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        packed |= line == "content-encoding: gzip";
        if line.is_empty() {
            return Ok(Some((length, packed)));
        }
    }
}

fn reply(items: usize) -> String {
    let mut body = String::with_capacity(200 + items * ITEM.len());
    body.push_str(r#"{"errors":false,"items":["#);
    for _ in 0..items {
        body.push_str(ITEM);
    }
    if items > 0 {
        body.pop();
    }
    body.push_str("]}");
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
    body.insert_str(0, &format!("{head} {length}\r\n\r\n"));
    body
}
