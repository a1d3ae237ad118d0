use super::*;

fn april() -> MonthKey {
    let slot = Slot::parse("2021_April").unwrap();
    MonthKey::new(slot, Timestamp(1_617_235_200_123_456_789), Zeroizing::new([7; 32]))
}

#[test]
fn a_key_reads_back_as_it_was_written() {
    let key = april();
    let line = key.write();
    assert!(line.starts_with("lwkey1.") && line.ends_with('\n'));
    assert!((line.len() as u64) < LONGEST);
    for text in [line.as_str(), line.trim_end(), &line.replace('\n', "\r\n")] {
        let read = MonthKey::read(text.as_bytes(), key.slot()).unwrap();
        assert_eq!((read.id(), read.month()), (key.id(), key.month()));
        assert_eq!(read.created(), Timestamp::from_seconds(1_617_235_200));
        assert_eq!(read.master(), key.master());
    }
}

#[test]
fn any_changed_key_text_is_invalid() {
    let key = april();
    let line = key.write();
    for at in 0..line.len() - 1 {
        for bit in 0..8 {
            let mut bytes = line.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            assert!(MonthKey::read(&bytes, key.slot()).is_err(), "byte {at}, bit {bit}");
        }
        let cut = &line.as_bytes()[..at];
        assert!(MonthKey::read(cut, key.slot()).is_err(), "cut at {at}");
    }
    for more in ["A", "\n", "=", " ", "\n\n"] {
        let longer = format!("{}{more}", line.as_str());
        assert!(MonthKey::read(longer.as_bytes(), key.slot()).is_err(), "{more:?}");
    }
    let long = format!("{PREFIX}{}", "A".repeat(10_000));
    assert!(MonthKey::read(long.as_bytes(), key.slot()).is_err());
}

#[test]
fn a_key_of_a_newer_kind_is_reported_as_such() {
    let key = april();
    let line = key.write();
    let mut bytes = URL_SAFE_NO_PAD.decode(line.trim_end().strip_prefix(PREFIX).unwrap()).unwrap();
    bytes[0] = 1;
    let end = bytes.len() - 4;
    let sum = checksum(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum);
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let problem = MonthKey::read(text.as_bytes(), key.slot()).unwrap_err();
    assert_eq!(problem, KeyFileError::Newer(1));
}

#[test]
fn a_key_is_never_shown() {
    let shown = format!("{:?} {:#?}", april(), april());
    assert!(shown.contains("[REDACTED]"), "{shown}");
    assert!(!shown.contains("7, 7") && !shown.contains("0707"), "{shown}");
}

#[test]
fn an_id_reads_back_as_it_is_shown() {
    let id = april().id();
    assert_eq!(KeyId::parse(&id.to_string()), Some(id));
    for wrong in
        ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "+123456789abcdef"]
    {
        assert_eq!(KeyId::parse(wrong), None, "{wrong}");
    }
}
