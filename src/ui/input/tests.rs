use super::*;

fn read(pieces: &[&[u8]]) -> Vec<Input> {
    let mut decoder = Decoder::default();
    let mut inputs = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut inputs);
    }
    if decoder.is_waiting() {
        decoder.finish_escape(&mut inputs);
    }
    inputs
}

fn keys(text: &str) -> Vec<Input> {
    text.split(' ').map(|name| Input::Key(name.parse().expect("a key"))).collect()
}

#[test]
fn keys_are_decoded_however_the_bytes_are_split() {
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
fn a_paste_is_not_read_as_keys() {
    let inputs = read(&[b"a\x1b[200~ERROR S Q s\x1b[20", b"1~b"]);
    let mut expected = keys("a");
    expected.push(Input::Paste("ERROR S Q s".to_owned()));
    expected.extend(keys("b"));
    assert_eq!(inputs, expected);
}

#[test]
fn an_endless_paste_is_capped() {
    let mut decoder = Decoder::default();
    let mut inputs = Vec::new();
    decoder.feed(b"\x1b[200~", &mut inputs);
    for _ in 0..100 {
        decoder.feed(&[b'x'; 4096], &mut inputs);
    }
    decoder.feed(b"\x1b[201~", &mut inputs);
    let [Input::Paste(text)] = &inputs[..] else { panic!("{inputs:?}") };
    assert_eq!(text.len(), MAX_PASTE_BYTES);
}

proptest::proptest! {
    #[test]
    fn no_bytes_cause_a_panic_or_stay_buffered(bytes: Vec<u8>) {
        let mut decoder = Decoder::default();
        let mut inputs = Vec::new();
        decoder.feed(&bytes, &mut inputs);
        decoder.finish_escape(&mut inputs);
        proptest::prop_assert!(inputs.len() <= bytes.len() + 1);
    }
}
