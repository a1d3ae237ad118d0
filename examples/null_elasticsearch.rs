//! An Elasticsearch that takes everything and keeps nothing: what delivery costs us, without a server's own time.
//!
//! `cargo run --release --example null_elasticsearch -- PORT`, then point a sink at `http://127.0.0.1:PORT`.
//! Prints the events and bytes it was sent every second; bodies may be packed by gzip.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static EVENTS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
/// Without gzip.
static UNPACKED: AtomicU64 = AtomicU64::new(0);

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(19_200u16);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    std::thread::spawn(|| {
        let mut before = 0;
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let events = EVENTS.load(Ordering::Relaxed);
            if events != before {
                let sent = BYTES.load(Ordering::Relaxed);
                let unpacked = UNPACKED.load(Ordering::Relaxed);
                println!("{events} events, {sent} bytes sent, {unpacked} unpacked");
            }
            before = events;
        }
    });
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

/// One connection: requests with a Content-Length, one after the other.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
    let (mut sent, mut unpacked) = (Vec::new(), Vec::new());
    loop {
        let (mut length, mut packed) = (0, false);
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            packed |= line == "content-encoding: gzip";
            if line.is_empty() {
                break;
            }
        }
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
        EVENTS.fetch_add(items as u64, Ordering::Relaxed);
        BYTES.fetch_add(length as u64, Ordering::Relaxed);
        UNPACKED.fetch_add(body.len() as u64, Ordering::Relaxed);
        let item = r#"{"create":{"status":201}},"#;
        let mut reply = String::with_capacity(40 + items * item.len());
        reply.push_str(r#"{"errors":false,"items":["#);
        for _ in 0..items {
            reply.push_str(item);
        }
        if items > 0 {
            reply.pop();
        }
        reply.push_str("]}");
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{reply}",
            reply.len()
        )?;
    }
}
