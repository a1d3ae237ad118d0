//! A fake Elasticsearch that answers whole requests as a test scripts it. It keeps documents by id, as `create` does,
//! and records every attempt.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

/// One bulk request.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The number of attempts before it.
    pub number: usize,
    pub at: Instant,
    /// The size of the body.
    pub bytes: usize,
    pub ids: Vec<String>,
    /// The value of the `Authorization` header.
    pub login: String,
}

/// The answer to one attempt. [`Answer::default`]: accepts and confirms everything.
#[derive(Default)]
pub struct Answer {
    pub take: Acceptance,
    /// 0 stands for 200.
    pub status: u16,
    /// Complete header lines.
    pub headers: &'static str,
    /// Sent instead of the true reply.
    pub body: Option<String>,
    /// Called once the last byte of the answer was sent.
    pub then: Option<AfterReply>,
}

#[derive(Default)]
pub enum Acceptance {
    #[default]
    All,
    Nothing,
    /// By position in the bulk; each of the others gets a 429.
    Some(Vec<bool>),
}

pub type AfterReply = Box<dyn FnOnce() + Send>;
type Script = Box<dyn FnMut(&Attempt) -> Answer + Send>;

/// Cheap to clone; all clones are the same server.
#[derive(Clone)]
pub struct FakeElasticsearch {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// Keyed by id.
    documents: HashMap<String, String>,
    attempts: Vec<Attempt>,
    script: Script,
}

impl FakeElasticsearch {
    /// Accepts everything until a test sets another script.
    pub fn start() -> Self {
        let fake = FakeElasticsearch::prepared();
        fake.launch();
        fake
    }

    /// Reserves an address on which nothing listens until [`Self::launch`].
    pub fn prepared() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            documents: HashMap::new(),
            attempts: Vec::new(),
            script: Box::new(|_| Answer::default()),
        };
        FakeElasticsearch {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Its threads end with the process.
    pub fn launch(&self) {
        let listener = TcpListener::bind(self.address).unwrap();
        let fake = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let fake = fake.clone();
                // Many tests end the client in the middle of a request, so errors are ignored.
                std::thread::spawn(move || drop(fake.serve(stream.unwrap())));
            }
        });
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the script for all requests from now on.
    pub fn answer(&self, script: impl FnMut(&Attempt) -> Answer + Send + 'static) {
        self.shared.lock().unwrap().script = Box::new(script);
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().unwrap().attempts.clone()
    }

    pub fn documents(&self) -> Vec<Value> {
        let shared = self.shared.lock().unwrap();
        shared.documents.values().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    pub fn count(&self) -> usize {
        self.shared.lock().unwrap().documents.len()
    }

    /// One connection: requests with a Content-Length, one after the other.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some((asked, login, body)) = request(&mut reader)? {
            let (reply, then) = match asked.starts_with("POST /_bulk") {
                true => self.reply(login, &body),
                false => (resolved(&asked), None),
            };
            stream.write_all(&reply)?;
            if let Some(then) = then {
                then();
            }
        }
        Ok(())
    }

    fn reply(&self, login: String, body: &[u8]) -> (Vec<u8>, Option<AfterReply>) {
        let items = items(body);
        let mut shared = self.shared.lock().unwrap();
        let attempt = Attempt {
            number: shared.attempts.len(),
            at: Instant::now(),
            bytes: body.len(),
            ids: items.iter().map(|(id, _)| id.clone()).collect(),
            login,
        };
        let answer = (shared.script)(&attempt);
        shared.attempts.push(attempt);
        let truth = shared.take(items, &answer.take);
        let body = answer.body.unwrap_or(truth);
        let status = if answer.status == 0 { 200 } else { answer.status };
        let (headers, length) = (answer.headers, body.len());
        let head =
            format!("HTTP/1.1 {status} so\r\n{headers}content-length: {length}\r\n\r\n{body}");
        (head.into_bytes(), answer.then)
    }
}

impl Shared {
    /// The reply of Elasticsearch with the filter `errors,items.*.status,items.*.error`.
    fn take(&mut self, items: Vec<(String, String)>, take: &Acceptance) -> String {
        let mut errors = false;
        let mut replies = Vec::with_capacity(items.len());
        for (place, (id, document)) in items.into_iter().enumerate() {
            let wanted = match take {
                Acceptance::All => true,
                Acceptance::Nothing => false,
                Acceptance::Some(places) => places[place],
            };
            let item = match self.documents.entry(id) {
                _ if !wanted => {
                    r#"{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}}"#
                }
                Entry::Occupied(_) => {
                    r#"{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}}"#
                }
                Entry::Vacant(free) => {
                    free.insert(document);
                    r#"{"create":{"status":201}}"#
                }
            };
            errors |= item.contains("error");
            replies.push(item);
        }
        format!(r#"{{"errors":{errors},"items":[{}]}}"#, replies.join(","))
    }
}

/// Resolves every name as an index.
fn resolved(asked: &str) -> Vec<u8> {
    if asked.starts_with("GET / ") {
        return b"HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n".to_vec();
    }
    let names = asked.strip_prefix("GET /_resolve/index/").expect("no other request is expected");
    let names = names.split('?').next().unwrap().split(',');
    let indices: Vec<Value> = names.map(|name| json!({ "name": name })).collect();
    let body = json!({ "indices": indices }).to_string();
    format!("HTTP/1.1 200 so\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The next request line, its credentials and its body; `None` at the end of the connection.
fn request(
    reader: &mut BufReader<TcpStream>,
) -> std::io::Result<Option<(String, String, Vec<u8>)>> {
    let (mut length, mut login) = (0, String::new());
    let mut asked = String::new();
    if reader.read_line(&mut asked)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                login = value.to_owned();
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((asked, login, body)))
}

/// The id and document of each `create`.
fn items(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).expect("JSON is UTF-8");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let item = |pair: &[&str]| {
        let action: Value = serde_json::from_str(pair[0]).unwrap();
        (action["create"]["_id"].as_str().unwrap().to_owned(), pair[1].to_owned())
    };
    lines.chunks(2).map(item).collect()
}
