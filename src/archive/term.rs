//! Encodes the fields of an event (JSON leaves) as index terms: the only place that defines how a field's value is
//! indexed.
//!
//! A term is the field's name in canonical form ([`FieldName::canonical`]), a NUL, one byte for the kind of value, and
//! the value:
//!
//! | byte | value | used for |
//! |---|---|---|
//! | `t` | the text in simple lower case | all texts except those under `n` |
//! | `n` | f64, 8 bytes that sort like numbers | whole numbers of at most 15 digits, written as Rust formats them |
//! | `m` | the same | all other numbers, in addition to their text |
//! | `i` | 16 bytes, IPv4 as `::ffff:a.b.c.d` | addresses, in addition to their text |
//!
//! So one look-up finds all spellings of a name, and ranges, networks, existence queries and wildcards are ranges of
//! terms.

use crate::query::token::{lower, lower_text};
use crate::query::value::{address, number};
use crate::query::{Bound, FieldName};

/// The kind of value, with its byte in the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Address = b'i',
    Other = b'm',
    Whole = b'n',
    Text = b't',
}

/// Longest name indexed, in bytes. A name in a query has at most 4,096 characters: a longer one cannot be searched for.
const LONGEST_NAME: usize = 4 * 4096;

/// Calls `each` with every term for one value, given as text, of the field at `path`. `buffer` is scratch space.
pub fn each_term(path: &str, text: &str, buffer: &mut Vec<u8>, each: &mut dyn FnMut(&[u8])) {
    let mut under = |name: &str, as_is: bool| {
        buffer.clear();
        match as_is {
            true => buffer.extend_from_slice(name.as_bytes()),
            false => push_comparable(name, buffer),
        }
        if buffer.len() <= LONGEST_NAME {
            buffer.push(0);
            value_terms(text, buffer, each);
        }
    };
    under(path, false);
    // The other names that `FieldName::matches` accepts.
    match path {
        "host.name" => under("host", true),
        "service.name" => under("service", true),
        _ => {
            if let Some(own) = path.strip_prefix("fields.") {
                under(own, false);
            }
        }
    }
}

fn push_comparable(name: &str, buffer: &mut Vec<u8>) {
    for character in crate::query::comparable(name) {
        push(character, buffer);
    }
}

fn push(character: char, buffer: &mut Vec<u8>) {
    if character.is_ascii() {
        buffer.push(character as u8);
    } else {
        buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn value_terms(text: &str, buffer: &mut Vec<u8>, each: &mut dyn FnMut(&[u8])) {
    let name = buffer.len();
    if let Some(number) = number(text) {
        let kind = if is_whole(text) { Kind::Whole } else { Kind::Other };
        buffer.push(kind as u8);
        buffer.extend_from_slice(&number_bytes(number));
        each(buffer);
        if kind == Kind::Whole {
            return;
        }
        buffer.truncate(name);
    } else if let Some(address) = address(text) {
        buffer.push(Kind::Address as u8);
        buffer.extend_from_slice(&address.to_be_bytes());
        each(buffer);
        buffer.truncate(name);
    }
    buffer.push(Kind::Text as u8);
    for character in text.chars() {
        push(lower(character), buffer);
    }
    each(buffer);
}

/// Whether [`whole_text`] of this number gives exactly this text, so that the text itself need not be indexed.
pub fn is_whole(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number).as_bytes();
    digits.len() <= 15 && number != "-0" && digits.iter().all(u8::is_ascii_digit)
}

/// The text of a number under [`Kind::Whole`].
pub fn whole_text(number: f64) -> String {
    format!("{number}")
}

/// Eight bytes that sort like the numbers; −0 equals 0.
pub fn number_bytes(number: f64) -> [u8; 8] {
    let bits = (number + 0.0).to_bits();
    let sortable = if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits };
    sortable.to_be_bytes()
}

/// The reverse of [`number_bytes`]; `None` unless there are 8 bytes.
pub fn number_of(bytes: &[u8]) -> Option<f64> {
    let sortable = u64::from_be_bytes(bytes.try_into().ok()?);
    let bits = if sortable >> 63 == 1 { sortable ^ (1 << 63) } else { !sortable };
    Some(f64::from_bits(bits))
}

/// The term of this text in the field with this name.
pub fn of_text(name: &FieldName, text: &str) -> Vec<u8> {
    let mut term = prefix_of(name, Kind::Text);
    term.extend_from_slice(lower_text(text).as_bytes());
    term
}

/// The name at the beginning of a term.
pub fn name(term: &[u8]) -> &[u8] {
    term.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The prefix of all terms of a name.
pub fn prefix(name: &FieldName) -> Vec<u8> {
    let mut term = name.canonical().into_bytes();
    term.push(0);
    term
}

/// The prefix of all terms of a name with values of one kind.
pub fn prefix_of(name: &FieldName, kind: Kind) -> Vec<u8> {
    let mut term = prefix(name);
    term.push(kind as u8);
    term
}

/// The first term of the numbers between two bounds, and the first term after them.
pub fn number_range(name: &FieldName, kind: Kind, low: Bound, high: Bound) -> (Vec<u8>, Vec<u8>) {
    let prefix = prefix_of(name, kind);
    let at = |number: f64| [prefix.as_slice(), &number_bytes(number)].concat();
    let behind = |number: f64| [prefix.as_slice(), &number_bytes(number), &[0]].concat();
    let first = match low {
        Bound::None => prefix.clone(),
        Bound::Including(number) => at(number),
        Bound::Excluding(number) => behind(number),
    };
    let end = match high {
        Bound::None => [prefix.as_slice(), &[0xff; 9]].concat(),
        Bound::Including(number) => behind(number),
        Bound::Excluding(number) => at(number),
    };
    (first, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(path: &str, text: &str) -> Vec<Vec<u8>> {
        let mut terms = Vec::new();
        each_term(path, text, &mut Vec::new(), &mut |term| terms.push(term.to_vec()));
        terms
    }

    #[test]
    fn a_leaf_is_indexed_under_the_name_that_is_compared() {
        assert_eq!(terms("CLIENT ID", "Bob"), [b"clientid\0tbob".to_vec()]);
        assert_eq!(terms("host.name", "W"), [b"host.name\0tw".to_vec(), b"host\0tw".to_vec()]);
        assert_eq!(
            terms("fields.message", "x"),
            [b"fields.message\0tx".to_vec(), b"message\0tx".to_vec()]
        );
        assert!(terms(&"x".repeat(20_000), "1").is_empty());
    }

    #[test]
    fn numbers_and_addresses_are_indexed_with_their_text_unless_the_text_is_plain() {
        let kinds = |text: &str| -> String {
            terms("a", text).iter().map(|term| char::from(term[2])).collect()
        };
        assert_eq!(kinds("1500"), "n");
        assert_eq!(kinds("-3"), "n");
        assert_eq!(kinds("1500.0"), "mt");
        assert_eq!(kinds("1e3"), "mt");
        assert_eq!(kinds("-0"), "mt");
        assert_eq!(kinds("0.5"), "mt");
        assert_eq!(kinds("9007199254740993"), "mt");
        assert_eq!(whole_text(-123_456_789_012_345.0), "-123456789012345");
        assert_eq!(kinds("10.0.0.1"), "it");
        assert_eq!(kinds("abc"), "t");
        assert_eq!(kinds(""), "t");
    }

    #[test]
    fn number_bytes_sort_like_numbers() {
        let numbers = [f64::MIN, -1e9, -1.5, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1.5, 1e9, f64::MAX];
        let mut sorted = numbers.map(number_bytes);
        sorted.sort_unstable();
        assert_eq!(sorted, numbers.map(number_bytes));
        assert!(numbers.iter().all(|number| number_of(&number_bytes(*number)) == Some(*number)));
        assert_eq!(number_bytes(-0.0), number_bytes(0.0));
    }
}
