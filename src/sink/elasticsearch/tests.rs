use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::sink::Outcome;

/// Accepts every bulk of one connection after the other: all items are created.
async fn server(items: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let created = vec![r#"{"create":{"status":201}}"#; items].join(",");
    let answer = format!(r#"{{"errors":false,"items":[{created}]}}"#);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let mut read = BufReader::new(read);
            while let Some(length) = head(&mut read).await {
                read.read_exact(&mut vec![0; length]).await.unwrap();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
                write.write_all((head + &answer).as_bytes()).await.unwrap();
            }
        }
    });
    url
}

/// The length of the body that follows.
async fn head(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        read.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        match line.to_ascii_lowercase().strip_prefix("content-length:") {
            Some(number) => length = number.trim().parse().unwrap(),
            None if line == "\r\n" => return Some(length),
            None => {}
        }
    }
}

fn sink(url: &str, compress: bool) -> ElasticsearchSink {
    let settings = test_server::settings(url);
    ElasticsearchSink::new(Settings { compress, allow_rollover: true, ..settings })
}

/// More than fits into a socket at once.
fn items() -> Items {
    let mut items = Items::default();
    for number in 0..1_000 {
        let line = "a line of a log; ".repeat(120);
        let action = format!(r#"{{"create":{{"_index":"x","_id":"{number}"}}}}"#);
        items.push(format!("{action}\n{{\"message\":\"{line}\"}}\n").as_bytes());
    }
    items
}

#[tokio::test]
async fn a_bulk_is_sent_from_the_buffer_of_its_events_which_is_returned() {
    for compress in [false, true] {
        let sink = sink(&server(1_000).await, compress);
        let mut items = items();
        let (buffer, bytes) = (items.body.as_ptr(), items.body.len());
        for _ in 0..10 {
            let (back, delivery) = sink.deliver(items).await;
            let Delivery::Each(outcomes) = delivery else { panic!("{delivery:?}") };
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done));
            assert_eq!((back.body.as_ptr(), back.body.len()), (buffer, bytes));
            assert_eq!(back.request_bytes() < bytes, compress);
            items = back;
        }
    }
}

#[tokio::test]
async fn events_that_cannot_be_sent_are_returned() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let sink = sink(&format!("http://{closed}"), false);
    let items = items();
    let sent = items.body.clone();
    let (back, delivery) = sink.deliver(items).await;
    assert!(matches!(delivery, Delivery::Down(SinkError::Unavailable(_))), "{delivery:?}");
    assert_eq!((back.len(), back.body), (1_000, sent));
}
