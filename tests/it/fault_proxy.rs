//! A proxy that simulates network failures: the server's answers to bulks are slowed down, withheld or cut. All other
//! requests pass unchanged.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The treatment of the server's answers to bulks, on every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// One byte per second.
    Slow,
    /// No byte is forwarded.
    Silence,
    /// A connection ends after this many bytes.
    Cut(usize),
}

/// Cheap to clone; its threads end with the process.
#[derive(Clone)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
    sent: Arc<AtomicU64>,
}

impl FaultProxy {
    pub fn in_front_of(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let proxy =
            FaultProxy { address, fault: Arc::new(Mutex::new(Fault::None)), sent: Arc::default() };
        let accepting = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(server) else { continue };
                accepting.join(client, server);
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Bytes that clients have sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        let (from_client, to_client) = (client.try_clone().unwrap(), client);
        let (from_server, to_server) = (server.try_clone().unwrap(), server);
        let (up, down) = (self.clone(), self.clone());
        let bulk = Arc::new(AtomicBool::new(false));
        let is_bulk = bulk.clone();
        std::thread::spawn(move || up.requests(from_client, to_server, &bulk));
        std::thread::spawn(move || down.answers(from_server, to_client, &is_bulk));
    }

    /// Sets `bulk` if the last request was a bulk. The client sends no further request before the answer.
    fn requests(&self, mut from: TcpStream, mut to: TcpStream, bulk: &AtomicBool) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.sent.fetch_add(count as u64, Ordering::Relaxed);
            let asked = &buffer[..count];
            if asked.starts_with(b"GET ") || asked.starts_with(b"POST ") {
                bulk.store(asked.starts_with(b"POST /_bulk"), Ordering::SeqCst);
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    fn answers(&self, mut from: TcpStream, mut to: TcpStream, bulk: &AtomicBool) {
        let mut buffer = [0; 16 * 1024];
        let mut passed = 0;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut left = &buffer[..count];
            while !left.is_empty() {
                let is_bulk = bulk.load(Ordering::SeqCst);
                let part = if is_bulk { self.wait_for_passage(passed) } else { usize::MAX };
                let part = part.min(left.len());
                if part == 0 || to.write_all(&left[..part]).is_err() {
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
                passed += if is_bulk { part } else { 0 };
                left = &left[part..];
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    /// The number of bytes that may pass now; 0: the connection ends. Polls often, as the fault can end at any time.
    fn wait_for_passage(&self, passed: usize) -> usize {
        let asked = Instant::now();
        loop {
            match *self.fault.lock().unwrap() {
                Fault::None => return usize::MAX,
                Fault::Slow if asked.elapsed() >= Duration::from_secs(1) => return 1,
                Fault::Slow | Fault::Silence => {}
                Fault::Cut(after) => return after.saturating_sub(passed),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
