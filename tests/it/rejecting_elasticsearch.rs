//! An Elasticsearch that judges each document as the test says, and answers what else it is asked; it keeps what
//! it takes by index and id.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The reply to one item; `None`: it is created, or there already.
type Judge = Box<dyn FnMut(&str, &Value) -> Option<Value> + Send>;

/// The reply to a request that is no bulk: its first line and body → status and body.
type Other = Box<dyn FnMut(&str, &str) -> (u16, Value) + Send>;

#[derive(Clone)]
pub struct RejectingElasticsearch {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    documents: Mutex<BTreeMap<(String, String), Value>>,
    judge: Mutex<Judge>,
    other: Mutex<Other>,
    /// Items of each request, in the order of their arrival.
    requests: Mutex<Vec<usize>>,
    rolling: Mutex<Rolling>,
}

/// Names that are no indexes.
#[derive(Default)]
struct Rolling {
    names: BTreeMap<String, Backing>,
    /// What becomes a data stream with its first event.
    templates: Vec<String>,
    /// Nobody may ask what a name is.
    is_secret: bool,
    /// How often somebody did.
    asked: usize,
}

struct Backing {
    is_stream: bool,
    /// The number of the index that is written to.
    number: u32,
}

impl Rolling {
    /// The index that takes an event for this name.
    fn index(&mut self, name: &str) -> String {
        if self.templates.iter().any(|template| template == name) {
            self.names.entry(name.to_owned()).or_insert(Backing { is_stream: true, number: 1 });
        }
        match self.names.get(name) {
            Some(backing) => backing.index(name),
            None => name.to_owned(),
        }
    }

    fn resolve(&mut self, names: &str) -> (u16, Value) {
        self.asked += 1;
        if self.is_secret {
            let error = json!({"type": "security_exception", "reason": "no"});
            return (403, json!({"error": error, "status": 403}));
        }
        let (mut indices, mut aliases, mut streams) = (Vec::new(), Vec::new(), Vec::new());
        for name in names.split(',') {
            match self.names.get(name) {
                Some(backing) if backing.is_stream => streams.push(json!({"name": name})),
                Some(backing) => {
                    aliases.push(json!({"name": name, "indices": [backing.index(name)]}));
                }
                None if self.templates.iter().any(|template| template == name) => {}
                None => indices.push(json!({"name": name})),
            }
        }
        (200, json!({"indices": indices, "aliases": aliases, "data_streams": streams}))
    }
}

impl Backing {
    fn index(&self, name: &str) -> String {
        let hidden = if self.is_stream { ".ds-" } else { "" };
        format!("{hidden}{name}-{:06}", self.number)
    }
}

impl RejectingElasticsearch {
    /// Answers as long as the process lives.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let judge: Judge = Box::new(|_, _| None);
        let shared = Arc::new(Shared {
            documents: Mutex::default(),
            judge: Mutex::new(judge),
            other: Mutex::new(Box::new(|_, _| (405, json!({})))),
            requests: Mutex::default(),
            rolling: Mutex::default(),
        });
        let server = RejectingElasticsearch { url, shared };
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

    /// What else is asked of it is answered by this: `PUT /path` and body → status and body.
    pub fn other(&self, other: impl FnMut(&str, &str) -> (u16, Value) + Send + 'static) {
        *self.shared.other.lock().unwrap() = Box::new(other);
    }

    pub fn alias(&self, name: &str) {
        let backing = Backing { is_stream: false, number: 1 };
        self.shared.rolling.lock().unwrap().names.insert(name.to_owned(), backing);
    }

    /// A data stream of this name begins with the first event for it.
    pub fn template(&self, name: &str) {
        self.shared.rolling.lock().unwrap().templates.push(name.to_owned());
    }

    pub fn roll_over(&self, name: &str) {
        self.shared.rolling.lock().unwrap().names.get_mut(name).unwrap().number += 1;
    }

    /// From now on nobody is told what a name stands for.
    pub fn keep_names_secret(&self) {
        self.shared.rolling.lock().unwrap().is_secret = true;
    }

    /// How often somebody asked what names stand for.
    pub fn asked(&self) -> usize {
        self.shared.rolling.lock().unwrap().asked
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

    /// Takes these away; says how many.
    pub fn remove(&self, mut gone: impl FnMut(&Value) -> bool) -> usize {
        let mut documents = self.shared.documents.lock().unwrap();
        let before = documents.len();
        documents.retain(|_, document| !gone(document));
        before - documents.len()
    }

    pub fn requests(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((asked, body)) = request(&mut reader) {
            let (status, reply) = if asked.starts_with("POST /_bulk") {
                (200, self.bulk(&body))
            } else if let Some(names) = asked.strip_prefix("GET /_resolve/index/") {
                let names = names.split('?').next().unwrap();
                self.shared.rolling.lock().unwrap().resolve(names)
            } else {
                (self.shared.other.lock().unwrap())(&asked, &body)
            };
            let reply = reply.to_string();
            let head = format!(
                "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
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
        let index = self.shared.rolling.lock().unwrap().index(&index);
        let mut documents = self.shared.documents.lock().unwrap();
        let there = documents.insert((index.clone(), id), document).is_some();
        let kind = "version_conflict_engine_exception";
        let error = json!({"type": kind, "reason": "there"});
        match there {
            true => json!({"create": {"_index": index, "status": 409, "error": error}}),
            false => json!({"create": {"_index": index, "status": 201}}),
        }
    }
}

/// `PUT /path` and body of the next request; `None` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut length, mut line) = (0, String::new());
    let mut asked = String::new();
    reader.read_line(&mut asked).ok().filter(|read| *read > 0)?;
    asked.truncate(asked.rfind(" HTTP").unwrap());
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
    Some((asked, String::from_utf8(body).unwrap()))
}
