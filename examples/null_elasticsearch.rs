//! An Elasticsearch that accepts everything and stores nothing, to measure delivery without the time of a real server.
//!
//! `cargo run --release --example null_elasticsearch -- PORT`, then point a sink at `http://127.0.0.1:PORT`.
//! Prints the received events and bytes every second; bodies may be compressed with gzip.

#[path = "delivery/server.rs"]
mod server;

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::Duration;

use server::Server;

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(19_200u16);
    let server = Server::start(TcpListener::bind(("127.0.0.1", port))?);
    let mut before = 0;
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let events = server.count();
        if events != before {
            let sent = server.bytes.load(Ordering::Relaxed);
            let unpacked = server.unpacked.load(Ordering::Relaxed);
            println!("{events} events, {sent} bytes sent, {unpacked} unpacked");
            server.delays.lock().expect("no thread panics").clear();
        }
        before = events;
    }
}
