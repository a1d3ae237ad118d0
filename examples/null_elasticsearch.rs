//! An Elasticsearch that takes everything and keeps nothing: what delivery costs us, without a server's own time.
//!
//! `cargo run --release --example null_elasticsearch -- PORT`, then point a sink at `http://127.0.0.1:PORT`.
//! Prints the events and bytes it was sent every second; bodies may be packed by gzip.

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
            server.delays.lock().expect("no thread breaks").clear();
        }
        before = events;
    }
}
