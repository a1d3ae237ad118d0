use crate::format::test_output::{check, show};

#[test]
fn the_examples_of_the_rfc_are_parsed() {
    check(
        "syslog5424",
        &[
            (
                "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed",
                "2003-10-11T22:14:15.003Z fatal | facility=auth hostname=mymachine.example.com program=su \
                 message_id=ID47 ['su root' failed]",
            ),
            (
                r#"<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="A\"p\]"][x@1 a="b"] An event"#,
                "2003-10-11T22:14:15.003Z notice | facility=local4 hostname=h program=evntslog \
                 message_id=ID47 sd_id=exampleSDID@32473 iut=3 eventSource=A\"p] sd_id=x@1 a=b [An event]",
            ),
            (
                r#"2022-08-27T14:22:01.613Z space01 NSX 3106 - [a@6876 comp="edge" level="WARNING"] got {'s': 1}"#,
                "2022-08-27T14:22:01.613Z warning | hostname=space01 program=NSX process=3106 sd_id=a@6876 \
                 comp=edge level=WARNING [got {'s': 1}]",
            ),
            ("<14>1 - - - - - - x", "- info | facility=user [x]"),
            (
                "73 <14>1 2003-10-11T22:14:15Z h a 7 - - \u{feff}level=error msg=x",
                "2003-10-11T22:14:15Z error | facility=user hostname=h program=a process=7 [level=error \
                 msg=x]",
            ),
        ],
    );
}

#[test]
fn malformed_lines_are_messages() {
    for line in [
        "<34>1 2003-10-11T22:14:15.003Z h su -",
        "<34>1 2003-10-11T22:14:15.003Z h su - - [x",
        "<999>1 - - - - - - x",
        "<34>2 - - - - - - x",
    ] {
        assert_eq!(show("syslog5424", line), format!("- - | [{line}]"));
    }
}
