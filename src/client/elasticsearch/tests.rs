use super::*;

#[test]
fn no_server_puts_us_to_sleep_for_long() {
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
        assert_eq!(asked_to_wait(&headers), wait.map(Duration::from_secs), "{asked}");
    }
    assert_eq!(asked_to_wait(&HeaderMap::new()), None);
}
