use crate::format::test_output::{check, show};

#[test]
fn the_layouts_of_common_loggers_are_parsed() {
    check(
        "generic",
        &[
            ("2023-11-14 10:23:01 [ERROR] disk full", "2023-11-14T10:23:01Z error | [disk full]"),
            // log4j, logback, Spring
            (
                "2023-11-14 10:23:01,462 [main] WARN  com.foo.Bar - cold start",
                "2023-11-14T10:23:01.462Z warning | thread=main logger=com.foo.Bar [cold start]",
            ),
            (
                "2023-11-14 10:23:01,462 INFO [main] com.foo.Bar: started",
                "2023-11-14T10:23:01.462Z info | thread=main logger=com.foo.Bar [started]",
            ),
            (
                "10:23:01.462 [main] DEBUG c.f.Bar - x",
                "2024-03-18T10:23:01.462Z debug | thread=main logger=c.f.Bar [x]",
            ),
            (
                "2023-11-14T10:23:01.462+01:00  INFO 1234 --- [           main] c.e.App    : Started App",
                "2023-11-14T09:23:01.462Z info | process=1234 thread=main logger=c.e.App [Started App]",
            ),
            (
                "2015-07-29 19:29:27,299 - WARN  [SendWorker:188978561024:Q$S@679] - Interrupted while",
                "2015-07-29T19:29:27.299Z warning | thread=SendWorker:188978561024:Q$S@679 [Interrupted while]",
            ),
            // .NET, Serilog
            (
                "2023-11-14 10:23:01.462 +00:00 [INF] Now listening",
                "2023-11-14T10:23:01.462Z info | [Now listening]",
            ),
            // Go
            ("2023/11/14 10:23:01 listening on :80", "2023-11-14T10:23:01Z - | [listening on :80]"),
            (
                "2023/11/14 10:23:01 error opening file",
                "2023-11-14T10:23:01Z - | [error opening file]",
            ),
            ("2023/11/14 10:23:01 ERROR x", "2023-11-14T10:23:01Z error | [x]"),
            // glog, klog
            (
                "E1114 10:23:01.123456    1234 file.go:12] no such pod",
                "2023-11-14T10:23:01.123456Z error | thread=1234 logger=file.go:12 [no such pod]",
            ),
            // env_logger, tracing
            (
                "[2023-11-14T10:23:01Z WARN  app::net] slow",
                "2023-11-14T10:23:01Z warning | logger=app::net [slow]",
            ),
            (
                "2023-11-14T10:23:01.462118Z  INFO app::net: connected peer=1",
                "2023-11-14T10:23:01.462118Z info | logger=app::net [connected peer=1]",
            ),
            (
                "\u{1b}[2m2023-11-14T10:23:01.462118Z\u{1b}[0m \u{1b}[31mERROR\u{1b}[0m \u{1b}[2mapp\u{1b}[0m: x",
                "2023-11-14T10:23:01.462118Z error | logger=app [x]",
            ),
            // Android, Hadoop, Spark, OpenStack
            (
                "03-17 16:13:38.811  1702  2395 D WindowManager: x",
                "2024-03-17T16:13:38.811Z debug | process=1702 logger=WindowManager [x]",
            ),
            (
                "081109 212403 35 INFO dfs.FSNamesystem: BLOCK* x",
                "2008-11-09T21:24:03Z info | process=35 logger=dfs.FSNamesystem [BLOCK* x]",
            ),
            (
                "17/06/09 20:10:58 ERROR storage.X: y",
                "2017-06-09T20:10:58Z error | logger=storage.X [y]",
            ),
            (
                "nova-api.log.1.2017 2017-05-16 00:00:10.279 25743 INFO nova.api [req-1 2 - -] z",
                "2017-05-16T00:00:10.279Z info | process=25743 thread=req-1 2 - - logger=nova.api [z]",
            ),
            // Level first
            ("[WARN ] 2023-11-14 10:23:01 x", "2023-11-14T10:23:01Z warning | [x]"),
            ("ERROR [2023-11-14 10:23:01,462] x", "2023-11-14T10:23:01.462Z error | [x]"),
            (
                "2015-04-24T21:09:29.296 25376]INFO:mod:x",
                "2015-04-24T21:09:29.296Z info | process=25376 [mod:x]",
            ),
        ],
    );
}

#[test]
fn a_word_of_the_message_is_not_a_level() {
    for (line, expected) in [
        ("2023-11-14 10:23:01 terror in the streets", "-"),
        ("2023-11-14 10:23:01 errorCode=5", "-"),
        ("2023-11-14 10:23:01 got a FATAL from the peer", "-"),
        ("2023-11-14 10:23:01 [worker-1] said ERROR twice", "-"),
        ("2023-11-14 10:23:01 INFORMATIVE x", "-"),
        ("2023-11-14 10:23:01 12 errors", "-"),
        ("2023-11-14 10:23:01 I am here", "-"),
        ("2023-11-14 10:23:01 [INFO] ERROR in the text", "info"),
    ] {
        let shown = show("generic", line);
        assert_eq!(shown.split(' ').nth(1), Some(expected), "{line}");
    }
}
