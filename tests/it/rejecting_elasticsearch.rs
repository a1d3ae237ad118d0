//! A fake Elasticsearch that creates or rejects each document as a test decides, and answers other requests, such as
//! those about aliases and templates. It keeps documents by index and id.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The reply to one item; `None`: it is created, or it already exists.
type ItemReply = Box<dyn FnMut(&str, &Value) -> Option<Value> + Send>;

/// The reply to a request that is not a bulk: its first line and body → status and body.
type OtherReply = Box<dyn FnMut(&str, &str) -> (u16, Value) + Send>;

#[derive(Clone)]
pub struct RejectingElasticsearch {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    documents: Mutex<BTreeMap<(String, String), Value>>,
    item_reply: Mutex<ItemReply>,
    other: Mutex<OtherReply>,
    /// The number of items of each request, in order of arrival.
    requests: Mutex<Vec<usize>>,
    rolling: Mutex<ResolvedNames>,
}

/// Names that are aliases or data streams.
#[derive(Default)]
struct ResolvedNames {
    names: BTreeMap<String, RollingName>,
    /// Names that become data streams with their first event.
    templates: Vec<String>,
    /// Requests to resolve names are rejected.
    is_secret: bool,
    /// The number of requests to resolve names.
    asked: usize,
}

struct RollingName {
    is_stream: bool,
    /// The number of the write index.
    number: u32,
}

impl ResolvedNames {
    /// The index that receives an event for this name.
    fn index(&mut self, name: &str) -> String {
        if self.templates.iter().any(|template| template == name) {
            self.names.entry(name.to_owned()).or_insert(RollingName { is_stream: true, number: 1 });
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

impl RollingName {
    fn index(&self, name: &str) -> String {
        let hidden = if self.is_stream { ".ds-" } else { "" };
        format!("{hidden}{name}-{:06}", self.number)
    }
}

impl RejectingElasticsearch {
    /// Runs until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let item_reply: ItemReply = Box::new(|_, _| None);
        let shared = Arc::new(Shared {
            documents: Mutex::default(),
            item_reply: Mutex::new(item_reply),
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

    /// Sets the function that answers each item from now on: index and document → status and error, or `None`.
    pub fn reply_to_items(
        &self,
        reply: impl FnMut(&str, &Value) -> Option<Value> + Send + 'static,
    ) {
        *self.shared.item_reply.lock().unwrap() = Box::new(reply);
    }

    /// Sets the function that answers all other requests: `PUT /path` and body → status and body.
    pub fn reply_to_others(&self, other: impl FnMut(&str, &str) -> (u16, Value) + Send + 'static) {
        *self.shared.other.lock().unwrap() = Box::new(other);
    }

    pub fn alias(&self, name: &str) {
        let backing = RollingName { is_stream: false, number: 1 };
        self.shared.rolling.lock().unwrap().names.insert(name.to_owned(), backing);
    }

    /// The first event for this name creates a data stream.
    pub fn template(&self, name: &str) {
        self.shared.rolling.lock().unwrap().templates.push(name.to_owned());
    }

    pub fn roll_over(&self, name: &str) {
        self.shared.rolling.lock().unwrap().names.get_mut(name).unwrap().number += 1;
    }

    /// From now on requests to resolve names are rejected.
    pub fn refuse_to_resolve_names(&self) {
        self.shared.rolling.lock().unwrap().is_secret = true;
    }

    /// The number of requests to resolve names so far.
    pub fn resolve_requests(&self) -> usize {
        self.shared.rolling.lock().unwrap().asked
    }

    /// The reply that rejects a document.
    pub fn rejection(status: u16, kind: &str, reason: &str) -> Option<Value> {
        Some(json!({"status": status, "error": {"type": kind, "reason": reason}}))
    }

    /// All documents, each with its index.
    pub fn documents(&self) -> Vec<(String, Value)> {
        let documents = self.shared.documents.lock().unwrap();
        documents.iter().map(|((index, _), document)| (index.clone(), document.clone())).collect()
    }

    /// Deletes matching documents; returns their number.
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
            // The client may have been killed.
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
        let answer = (self.shared.item_reply.lock().unwrap())(&index, &document);
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
