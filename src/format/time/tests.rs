use jiff::tz::TimeZone;

use super::*;

fn context(zone: &str, day: &str) -> Context {
    let zone = TimeZone::get(zone).expect("a zone of the bundled database");
    let day: jiff::Timestamp = format!("{day}T00:00:00Z").parse().expect("a day");
    let day = Timestamp::from_seconds(day.as_second());
    Context::new(zone, day.day(), day)
}

fn show(time: Option<Timestamp>) -> String {
    let Some(time) = time else { return "none".to_string() };
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).expect("in range").to_string()
}

fn check(text: &str, expected: &str, left: &str) {
    let context = context("UTC", "2024-06-01");
    let Some((stamp, end)) = read(text.as_bytes()) else {
        assert_eq!("none", expected, "{text}");
        return;
    };
    assert_eq!((show(stamp.resolve(&context)).as_str(), &text[end..]), (expected, left), "{text}");
}

#[test]
fn all_written_forms_are_parsed() {
    for (text, expected, left) in [
        ("2023-11-14 10:23:01,462 - x", "2023-11-14T10:23:01.462Z", " - x"),
        ("2023-11-14T10:23:01.446123Z", "2023-11-14T10:23:01.446123Z", ""),
        ("2023-11-14T10:23:01+02:00 x", "2023-11-14T08:23:01Z", " x"),
        ("2023-11-14 10:23:01 +0200 x", "2023-11-14T08:23:01Z", " x"),
        ("2023-11-14 10:23:01.5-08 x", "2023-11-14T18:23:01.5Z", " x"),
        ("2023-11-14 10:23:01 UTC [7] x", "2023-11-14T10:23:01Z", " [7] x"),
        ("2023-11-14 10:23:01 INFO x", "2023-11-14T10:23:01Z", " INFO x"),
        ("2023-11-14 10:23:01 -1 x", "2023-11-14T10:23:01Z", " -1 x"),
        ("2015-04-24T21:08:10.313913FOO err", "2015-04-24T21:08:10.313913Z", " err"),
        ("2012-025T10:22:40,672:DEBUG", "2012-01-25T10:22:40.672Z", ":DEBUG"),
        ("2023/11/14 10:23:01 x", "2023-11-14T10:23:01Z", " x"),
        ("2023-1-4 9:05:00 x", "2023-01-04T09:05:00Z", " x"),
        ("14/Nov/2023:10:23:01 +0100] x", "2023-11-14T09:23:01Z", "] x"),
        ("14-Nov-2023 10:23:01.123 x", "2023-11-14T10:23:01.123Z", " x"),
        ("14.11.2023 10:23:01 x", "2023-11-14T10:23:01Z", " x"),
        ("11/14/2023 1:23:01 PM x", "2023-11-14T13:23:01Z", " x"),
        ("17/06/09 20:10:58 x", "2017-06-09T20:10:58Z", " x"),
        ("161209 14:18:57 x", "2016-12-09T14:18:57Z", " x"),
        ("191015  9:46:45 x", "2019-10-15T09:46:45Z", " x"),
        ("081110 220658 x", "2008-11-10T22:06:58Z", " x"),
        ("20231114T102301Z x", "2023-11-14T10:23:01Z", " x"),
        ("20231114-10:23:01:462|x", "2023-11-14T10:23:01.462Z", "|x"),
        ("Nov 14 10:23:01 host", "2023-11-14T10:23:01Z", " host"),
        ("Nov  4 10:23:01 host", "2023-11-04T10:23:01Z", " host"),
        ("Feb 29 10:23:01 host", "2024-02-29T10:23:01Z", " host"),
        ("Jun  2 10:23:01 host", "2024-06-02T10:23:01Z", " host"),
        ("Jun  3 10:23:01 host", "2023-06-03T10:23:01Z", " host"),
        ("Nov 14 2023 10:23:01 host", "2023-11-14T10:23:01Z", " host"),
        ("Nov 14, 2023 1:23:01 AM x", "2023-11-14T01:23:01Z", " x"),
        ("Sun Dec 04 20:34:20 2005] x", "2005-12-04T20:34:20Z", "] x"),
        ("Mon Dec 26 16:15:55.103786 2016] x", "2016-12-26T16:15:55.103786Z", "] x"),
        ("Tue, 14 Nov 2023 10:23:01 GMT", "2023-11-14T10:23:01Z", ""),
        ("30 May 12:52:42.131 * x", "2024-05-30T12:52:42.131Z", " * x"),
        ("27 Dec 2018 11:19:18.874 * x", "2018-12-27T11:19:18.874Z", " * x"),
        ("03-17 16:13:38.811  1702", "2024-03-17T16:13:38.811Z", "  1702"),
        ("10:23:01.462 [main]", "2024-06-01T10:23:01.462Z", " [main]"),
        ("1700000000.123 x", "2023-11-14T22:13:20.123Z", " x"),
        ("1700000000123 x", "2023-11-14T22:13:20.123Z", " x"),
        ("@40000000433225833b6e1a8c x", "2005-09-22T03:31:05.9970715Z", " x"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", ""),
        ("2023-02-29 10:23:01", "none", ""),
        ("2023-11-14", "none", ""),
        ("2023-11-14 10:23:01abc", "none", ""),
        ("10:23 x", "none", ""),
        ("1.2.3.4 - -", "none", ""),
        ("12345", "none", ""),
    ] {
        check(text, expected, left);
    }
}

#[test]
fn times_in_a_fold_follow_the_order_of_the_file_and_times_in_a_gap_move_forward() {
    let mut context = context("Europe/Berlin", "2023-12-01");
    let time = |text: &str, context: &Context| {
        let (stamp, _) = read(text.as_bytes()).expect("a time");
        show(stamp.resolve(context))
    };
    assert_eq!(time("2023-10-29 02:30:00", &context), "2023-10-29T00:30:00Z");
    context.last = read(b"2023-10-29T00:45:00Z").and_then(|(stamp, _)| stamp.resolve(&context));
    assert_eq!(time("2023-10-29 02:30:00", &context), "2023-10-29T01:30:00Z");
    assert_eq!(time("2023-10-29 02:30:00 CEST", &context), "2023-10-29T00:30:00Z");
    assert_eq!(time("2023-03-26 02:30:00", &context), "2023-03-26T01:30:00Z");
    assert_eq!(time("2023-07-01 12:00:00", &context), "2023-07-01T10:00:00Z");
}

#[test]
fn a_missing_date_is_the_last_date_or_the_next_after_midnight() {
    let mut context = context("UTC", "2024-06-01");
    context.last = Some(Timestamp::from_seconds(1_700_000_000)); // 2023-11-14T22:13:20Z
    let time = |text: &str| {
        let (stamp, _) = read(text.as_bytes()).expect("a time");
        show(stamp.resolve(&context))
    };
    assert_eq!(time("22:14:00"), "2023-11-14T22:14:00Z");
    assert_eq!(time("21:00:00"), "2023-11-14T21:00:00Z");
    assert_eq!(time("00:05:00"), "2023-11-15T00:05:00Z");
}

#[test]
fn large_numbers_are_times() {
    let context = context("UTC", "2024-06-01");
    for (text, expected) in [
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("1700000000.5", "2023-11-14T22:13:20.5Z"),
        ("1700000000123", "2023-11-14T22:13:20.123Z"),
        ("1700000000123456", "2023-11-14T22:13:20.123456Z"),
        ("1700000000123456789", "2023-11-14T22:13:20.123456789Z"),
        ("1.7e9", "2023-11-14T22:13:20Z"),
        ("17", "none"),
        ("99999999999999999999", "none"),
        ("-5", "none"),
    ] {
        let time = epoch(text.as_bytes()).and_then(|stamp| stamp.resolve(&context));
        assert_eq!(show(time), expected, "{text}");
    }
}
