use super::*;

#[track_caller]
fn check(name: &str, expected: Option<&str>) {
    assert_eq!(Month::in_name(name).map(|month| month.to_string()).as_deref(), expected, "{name}");
}

#[test]
fn the_month_of_a_name_in_every_usual_spelling() {
    for name in [
        "logs_2021_Apr.txt",
        "2021_April.key",
        "logs_2021_APRIL.txt",
        "2021-apr",
        "april-2021.log.gz",
        "Apr2021",
        "2021Apr.log",
        "2021-04",
        "app-2021-04-15.log",
        "app.2021.04.log",
        "web1_2021_04_2022_05.log",
        "apr 2021",
        "2021_Apr_2022_May",
    ] {
        check(name, Some("2021_April"));
    }
    check("sept-1999", Some("1999_September"));
    check("2021_may", Some("2021_May"));
}

/// Every month that an event can have is found again by its name.
#[test]
fn every_displayed_month_parses_back() {
    let (first, last) = (Month::of(Timestamp::MIN), Month::of(Timestamp::MAX));
    assert_eq!(first.to_string(), "1677_September");
    for index in first.index()..=last.index() {
        let month = Month::from_index(index);
        assert_eq!(Month::typed(&month.to_string()), Some(month));
    }
    // In a log file name, such a year is not recognised.
    assert_eq!(Month::in_name("app-1812-05.log"), None);
    for (name, missing) in [
        ("logs_2021_Foo.txt", true),
        ("logs_2021_13.txt", true),
        ("logs_2021_Apr.txt", false),
        ("app.log", false),
    ] {
        assert_eq!(Month::is_missing_in(name), missing, "{name}");
    }
}

#[test]
fn a_file_name_without_a_month_has_none() {
    for name in [
        "",
        "app.log",
        "2021",
        "april.log",
        "market_2021.log",
        "2021/x/04",
        "app-20210415.log",
        "202104",
        "2021-4",
        "2021-13",
        "2021-00",
        "2021--04",
        "1812_Apr",
        "9999-04",
        "2021_Apropos",
        "sept_0000",
        "２０２１_Apr",
    ] {
        check(name, None);
    }
}

#[test]
fn a_typed_month_is_the_whole_text() {
    let typed = |text| Month::typed(text).map(|month| month.to_string());
    assert_eq!(typed("2021_April").as_deref(), Some("2021_April"));
    assert_eq!(typed("2021-04").as_deref(), Some("2021_April"));
    assert_eq!(typed("always").as_deref(), Some("always"));
    assert_eq!(typed("2021-04-15"), None);
    assert_eq!(typed("logs_2021_Apr"), None);
    assert_eq!(typed(""), None);
}

#[test]
fn a_moment_belongs_to_its_month_in_utc() {
    let of = |text: &str| {
        let time: jiff::Timestamp = text.parse().unwrap();
        Month::of(Timestamp::from_seconds(time.as_second()))
    };
    assert_eq!(of("2021-04-01T00:00:00Z").index(), 2021 * 12 + 3);
    assert_eq!(of("2021-04-30T23:59:59Z").to_string(), "2021_April");
    assert_eq!(of("2021-05-01T01:00:00+02:00").to_string(), "2021_April");
    assert_eq!(Month::of(Timestamp::MIN).to_string(), "1677_September");
    assert_eq!(Month::of(Timestamp::MAX).to_string(), "2262_April");
    for index in [0, 24_255, u16::MAX - 1, u16::MAX] {
        assert_eq!(Month::from_index(index).index(), index);
        assert!(!Month::from_index(index).to_string().is_empty());
    }
}
