use super::*;

fn read(pieces: &[&[u8]]) -> Vec<Input> {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut found);
    }
    if decoder.is_waiting() {
        decoder.settle(&mut found);
    }
    found
}

fn keys(text: &str) -> Vec<Input> {
    text.split(' ').map(|name| Input::Key(name.parse().expect("a key"))).collect()
}

#[test]
fn keys_are_read_however_the_bytes_arrive() {
    let bytes = b"j\x1b[5~\x1b[B\x04\xc3\xa4\x1b[1;5C\x1bOH\x1b[Z\r";
    let expected = keys("j pgup down ctrl-d ä ctrl-right home shift-tab enter");
    assert_eq!(read(&[bytes]), expected);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), expected);
}

#[test]
fn a_lone_escape_is_the_key() {
    assert_eq!(read(&[b"\x1b"]), keys("esc"));
    assert_eq!(read(&[b"\x1b", b"q"]), keys("alt-q"));
    assert_eq!(read(&[b"\x1b\x1b"]), keys("esc esc"));
}

#[test]
fn a_paste_is_not_keys() {
    let found = read(&[b"a\x1b[200~ERROR S Q s\x1b[20", b"1~b"]);
    let mut expected = keys("a");
    expected.push(Input::Paste("ERROR S Q s".to_owned()));
    expected.extend(keys("b"));
    assert_eq!(found, expected);
}

#[test]
fn an_endless_paste_is_capped() {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    decoder.feed(b"\x1b[200~", &mut found);
    for _ in 0..100 {
        decoder.feed(&[b'x'; 4096], &mut found);
    }
    decoder.feed(b"\x1b[201~", &mut found);
    let [Input::Paste(text)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(text.len(), LONGEST_PASTE);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_or_stay_for_ever(bytes: Vec<u8>) {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        decoder.feed(&bytes, &mut found);
        decoder.settle(&mut found);
        proptest::prop_assert!(found.len() <= bytes.len() + 1);
    }
}
