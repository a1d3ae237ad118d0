use crate::format::test_output::{check, show};

#[test]
fn the_output_of_daemons_is_parsed() {
    check(
        "syslog3164",
        &[
            (
                "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick",
                "2023-10-11T22:14:15Z fatal | facility=auth hostname=mymachine program=su ['su root' failed \
                 for lonvick]",
            ),
            (
                "Feb  9 21:20:50 precise32 sshd[8317]: error: Received disconnect",
                "2024-02-09T21:20:50Z error | hostname=precise32 program=sshd process=8317 [error: Received \
                 disconnect]",
            ),
            (
                "2018-08-14T14:30:02.203151+02:00 linux-sqrz systemd[4179]: Stopped target Paths.",
                "2018-08-14T12:30:02.203151Z - | hostname=linux-sqrz program=systemd process=4179 [Stopped \
                 target Paths.]",
            ),
            (
                "Dec 13 11:51:57 a-mac Google Chrome[85294]: objc[85294]: x",
                "2023-12-13T11:51:57Z - | hostname=a-mac program=Google Chrome process=85294 [objc[85294]: x]",
            ),
            (
                "Dec 13 11:47:06 a-mac com.apple.xpc.launchd[1] (com.apple.quicklook[21581]): Endpoint",
                "2023-12-13T11:47:06Z - | hostname=a-mac program=com.apple.xpc.launchd process=1 [Endpoint]",
            ),
            (
                "Dec 13 11:47:06 host last message repeated 2 times",
                "2023-12-13T11:47:06Z - | hostname=host [last message repeated 2 times]",
            ),
            (
                "<13>Dec 13 11:47:06 host app[1]: {\"level\":\"warn\",\"msg\":\"x\"}",
                "2023-12-13T11:47:06Z warning | facility=user hostname=host program=app process=1 \
                 [{\"level\":\"warn\",\"msg\":\"x\"}]",
            ),
            (
                "Dec 13 11:47:06 host app[1]: terror errorCode=5 ERRORS",
                "2023-12-13T11:47:06Z - | hostname=host program=app process=1 [terror errorCode=5 ERRORS]",
            ),
        ],
    );
}

#[test]
fn sentences_after_a_time_are_not_syslog() {
    for line in ["2023-11-14T10:23:01Z INFO app: x", "2023-11-14T10:23:01Z Starting server: x", "x"]
    {
        assert_eq!(show("syslog3164", line), format!("- - | [{line}]"));
    }
}
