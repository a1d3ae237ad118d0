//! For tests: a server that answers requests by their first lines, and settings with its address.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Analyzer, IndexPattern, Settings};
use crate::client::elasticsearch::{Connection, Login, Url};

/// Starts a server and returns its address. `answer` gets method and target of each request and returns status (0: no
/// answer) and body.
pub async fn server(mut answer: impl FnMut(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let Some(line) = text.lines().next() else { continue };
            let (status, body) = answer(line.trim_end_matches(" HTTP/1.1"));
            if status == 0 {
                continue;
            }
            let head = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length:");
            let answer = format!("{head} {}\r\n\r\n{body}", body.len());
            _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// Everything goes into the index `x`.
pub fn settings(url: &str) -> Settings {
    let connection = Connection {
        urls: vec![Url::parse(url).unwrap()],
        login: Login::Anonymous,
        ca_file: None,
        ca_fingerprint: None,
    };
    Settings {
        connection,
        index: IndexPattern::parse("x").unwrap(),
        routes: Vec::new(),
        compress: false,
        allow_rollover: false,
        analyzer: Analyzer::Logwarden,
        keep: None,
    }
}
