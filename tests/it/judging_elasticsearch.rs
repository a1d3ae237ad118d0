//! An Elasticsearch that judges each document as the test says; it keeps what it takes by index and id.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The reply to one item; `None`: it is created, or there already.
type Judge = Box<dyn FnMut(&str, &Value) -> Option<Value> + Send>;

#[derive(Clone)]
pub struct JudgingElasticsearch {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    documents: Mutex<BTreeMap<(String, String), Value>>,
    judge: Mutex<Judge>,
    /// Items of each request, in the order of their arrival.
    requests: Mutex<Vec<usize>>,
}

impl JudgingElasticsearch {
    /// Answers as long as the process lives.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let judge: Judge = Box::new(|_, _| None);
        let shared = Arc::new(Shared {
            documents: Mutex::default(),
            judge: Mutex::new(judge),
            requests: Mutex::default(),
        });
        let server = JudgingElasticsearch { url, shared };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = serving.clone();
                std::thread::spawn(move || server.serve(stream.unwrap()));
            }
        });
        server
    }

    /// From now on every item is answered by this: index and document → status and error, or `None`.
    pub fn judge(&self, judge: impl FnMut(&str, &Value) -> Option<Value> + Send + 'static) {
        *self.shared.judge.lock().unwrap() = Box::new(judge);
    }

    /// A document that does not fit its index.
    pub fn refuse(status: u16, kind: &str, reason: &str) -> Option<Value> {
        Some(json!({"status": status, "error": {"type": kind, "reason": reason}}))
    }

    /// Index, and document.
    pub fn documents(&self) -> Vec<(String, Value)> {
        let documents = self.shared.documents.lock().unwrap();
        documents.iter().map(|((index, _), document)| (index.clone(), document.clone())).collect()
    }

    pub fn requests(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(body) = request(&mut reader) {
            let reply = self.bulk(&body).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                reply.len()
            );
            // Whoever asked may be killed.
            if stream.write_all((head + &reply).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn bulk(&self, body: &str) -> Value {
        let mut lines = body.lines().filter(|line| !line.is_empty());
        let mut items = Vec::new();
        while let (Some(action), Some(document)) = (lines.next(), lines.next()) {
            let action: Value = serde_json::from_str(action).unwrap();
            let document: Value = serde_json::from_str(document).unwrap();
            let text = |name: &str| action["create"][name].as_str().unwrap().to_owned();
            items.push(self.create(text("_index"), text("_id"), document));
        }
        self.shared.requests.lock().unwrap().push(items.len());
        let odd = items.iter().any(|item| item["create"].get("error").is_some());
        json!({"errors": odd, "items": items})
    }

    fn create(&self, index: String, id: String, document: Value) -> Value {
        let answer = (self.shared.judge.lock().unwrap())(&index, &document);
        if let Some(answer) = answer {
            return json!({"create": answer});
        }
        let mut documents = self.shared.documents.lock().unwrap();
        let there = documents.insert((index, id), document).is_some();
        let kind = "version_conflict_engine_exception";
        match there {
            true => json!({"create": {"status": 409, "error": {"type": kind, "reason": "there"}}}),
            false => json!({"create": {"status": 201}}),
        }
    }
}

/// The body of the next request; `None` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let head = line.trim_end().to_ascii_lowercase();
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if head.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).unwrap())
}
