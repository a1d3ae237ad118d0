use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::Connection;
use super::*;

#[test]
fn a_long_retry_after_is_limited() {
    for (asked, wait) in [
        ("0", Some(0)),
        ("7", Some(7)),
        (" 300 ", Some(300)),
        ("86400", Some(300)),
        ("9999999999999999999", Some(300)),
        ("99999999999999999999999", None),
        ("-1", None),
        ("Fri, 20 Nov 2026 10:00:00 GMT", None),
    ] {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(asked))]);
        assert_eq!(retry_after(&headers), wait.map(Duration::from_secs), "{asked}");
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

/// A server that gives this answer to every request, and reports how many arrived.
async fn server(answer: impl Into<Vec<u8>>) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (answer, asked) = (answer.into(), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, counted) = (answer.clone(), counted.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A connection without a request is the probe of the address.
                if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    counted.fetch_add(1, Ordering::SeqCst);
                    _ = stream.write_all(&answer).await;
                }
            });
        }
    });
    (url, asked)
}

fn client(url: &Url) -> super::super::Client {
    super::super::Client::new(Connection {
        urls: vec![url.clone()],
        login: Login::Anonymous,
        ca_file: None,
        ca_fingerprint: None,
    })
}

fn request(method: Method, largest_reply: usize) -> Request<'static> {
    Request {
        method,
        path: "_bulk",
        query: &[("filter_path", "errors")],
        body: matches!(method, Method::Post).then(|| Bytes::from_static(b"{}\n")),
        content_type: "application/x-ndjson",
        gzip: false,
        time_out: Duration::from_secs(20),
        largest_reply,
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_its_target_is_named() {
    for status in [301, 302, 303, 307, 308] {
        for method in [Method::Get, Method::Post, Method::Put, Method::Delete] {
            let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            let (other, reached) = server(ok).await;
            let location = format!("http://user:secret@{}/x?y=1", other.authority());
            let answer =
                format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let (url, asked) = server(answer).await;
            let failure = client(&url).send(&request(method, 1_000)).await.unwrap_err();
            let expected =
                format!("{url} redirects to {other}x ({status}); nothing was sent there");
            let text = failure.to_string();
            assert!(text.starts_with(&expected) && text.contains("address in urls"), "{text}");
            assert!(matches!(failure, Failure::Redirected(_)) && failure.needs_a_person());
            assert_eq!((asked.load(Ordering::SeqCst), reached.load(Ordering::SeqCst)), (1, 0));
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_path_or_without_target_is_reported() {
    for (header, expected) in [
        ("location: /login?next=_bulk\r\n", "login ("),
        ("location: http://other\u{9b}31mx/\r\n", "(302)"),
        ("", "an unspecified address ("),
    ] {
        let answer = format!("HTTP/1.1 302 X\r\n{header}content-length: 0\r\n\r\n");
        let (url, _) = server(answer).await;
        let text = client(&url).send(&request(Method::Post, 1_000)).await.unwrap_err().to_string();
        assert!(text.contains(expected) && !text.contains('\u{9b}'), "{text}");
    }
}

/// With and without a length, in one piece and in many.
#[tokio::test]
async fn a_reply_is_read_up_to_a_limit() {
    let chunked = |pieces: usize| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        head + &"64\r\n".to_owned().add(&"x".repeat(100)).add("\r\n").repeat(pieces) + "0\r\n\r\n"
    };
    let whole = |bytes: usize| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    for (answer, bytes) in [
        (chunked(10), Some(1_000)),
        (chunked(11), None),
        (chunked(100_000), None),
        (chunked(0), Some(0)),
        (whole(1_000), Some(1_000)),
        (whole(1_001), None),
    ] {
        let (url, _) = server(answer).await;
        match (client(&url).send(&request(Method::Post, 1_000)).await, bytes) {
            (Ok(reply), Some(bytes)) => assert_eq!(reply.body, "x".repeat(bytes)),
            (Err(Failure::Broken(text)), None) => {
                assert!(text.contains("sent a reply of more than"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_api_key_is_sent_in_base64_in_either_form() {
    let encoded = "VnVhQ2ZHY0JDZGJrUW06dWkybHAyYXhUTm1zeWFrdzl0dk5udw==";
    for given in [encoded, "VuaCfGcBCdbkQm:ui2lp2axTNmsyakw9tvNnw"] {
        assert_eq!(encoded_key(given), Ok(encoded.to_owned()), "{given}");
    }
    for wrong in [":secret", "secret:", "secret blank", "secretä:b"] {
        let failure = encoded_key(wrong).unwrap_err();
        assert!(failure.to_string().contains("`id:key`"), "{failure}");
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }
}
