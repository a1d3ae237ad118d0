use crate::format::test_output::{check, show};

#[test]
fn common_and_combined_lines_with_additional_columns_are_parsed() {
    check(
        "access",
        &[
            (
                r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326"#,
                "2000-10-10T20:55:36Z - | ip=127.0.0.1 user=frank method=GET path=/a?b=c \
                 protocol=HTTP/1.0 status:200 bytes:2326",
            ),
            (
                r#"::1 - - [10/Oct/2000:13:55:36 +0000] "POST / HTTP/1.1" 499 - "http://x/" "curl/8 \"q\"""#,
                "2000-10-10T13:55:36Z - | ip=::1 method=POST path=/ protocol=HTTP/1.1 status:499 \
                 referer=http://x/ user_agent=curl/8 \\\"q\\\"",
            ),
            (
                r#"www.example.org:80 10.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "-" 91 0.001"#,
                "2000-10-10T13:55:36Z - | vhost=www.example.org:80 ip=10.0.0.1 method=GET path=/ \
                 protocol=HTTP/1.1 status:200 bytes:5 more=91 0.001",
            ),
            (
                r#"10.0.0.1, 10.0.0.2 - - [10/Oct/2000:13:55:36 +0000] "-" 408 0"#,
                "2000-10-10T13:55:36Z - | ip=10.0.0.1, 10.0.0.2 status:408 bytes:0",
            ),
            (
                r#"127.0.0.1 - - [14/Nov/2023 10:23:01] "GET / HTTP/1.1" 200 -"#,
                "2023-11-14T10:23:01Z - | ip=127.0.0.1 method=GET path=/ protocol=HTTP/1.1 status:200",
            ),
            (
                r#"10.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "\x16\x03\x01" 400 226"#,
                "2000-10-10T13:55:36Z - | ip=10.0.0.1 request=\\x16\\x03\\x01 status:400 bytes:226",
            ),
            (
                r#"[16/Oct/2019:11:53:47 +0200] 81.2.69.143 TLSv1.2 AES128 "GET /x HTTP/1.1" 80"#,
                "2019-10-16T09:53:47Z - | ip=81.2.69.143 tls_protocol=TLSv1.2 tls_cipher=AES128 \
                 method=GET path=/x protocol=HTTP/1.1 bytes:80",
            ),
        ],
    );
}

#[test]
fn a_malformed_line_is_a_message() {
    for line in [
        r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /"#,
        r#"127.0.0.1 - - [10/Oct/2000 "GET / HTTP/1.0" 200 1"#,
        r#"- [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1"#,
        r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / \"#,
    ] {
        assert_eq!(show("access", line), format!("- - | [{line}]"));
    }
}
