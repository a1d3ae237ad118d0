//! Interprets the text of a field as a number or an IP address, in the same way for all formats and for both the files
//! and the archive.

use std::net::IpAddr;

use serde_json::value::RawValue;

use crate::base::json::is_number;
use crate::event::Value;

/// Longest value that can be compared, in UTF-16 units (as in Elasticsearch's `ignore_above`): longer values count as
/// absent.
pub const LONGEST_VALUE: usize = 8191;

pub fn too_long(text: &str) -> bool {
    text.len() > LONGEST_VALUE && text.encode_utf16().count() > LONGEST_VALUE
}

/// The number in `text`, if it is a JSON number and finite as f64.
pub fn number(text: &str) -> Option<f64> {
    is_number(text).then(|| text.parse().ok())?.filter(|number: &f64| number.is_finite())
}

/// Whether both are numbers with equal values, compared by their digits: 64-bit ids differ where f64 values are equal.
pub fn same_number(one: &str, other: &str) -> bool {
    is_number(one) && is_number(other) && {
        let (one, other) = (Decimal::of(one), Decimal::of(other));
        one.negative == other.negative
            && one.point == other.point
            && one.digits().eq(other.digits())
    }
}

/// A JSON number as 0.DIGITS × 10^point: DIGITS have no leading or trailing 0, and zero has no digits.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    point: i64,
}

impl<'a> Decimal<'a> {
    fn of(number: &'a str) -> Self {
        let unsigned = number.strip_prefix('-').unwrap_or(number);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let (whole, fraction, point) = match (whole, fraction) {
            ("0", "") => return Decimal { negative: false, whole: "", fraction: "", point: 0 },
            ("0", fraction) => {
                let digits = fraction.trim_start_matches('0');
                ("", digits, -((fraction.len() - digits.len()) as i64))
            }
            (whole, "") => (whole.trim_end_matches('0'), "", whole.len() as i64),
            (whole, fraction) => (whole, fraction, whole.len() as i64),
        };
        // With an exponent beyond i64, only zero is still finite as f64.
        let shift = exponent.parse().unwrap_or(i64::MIN);
        let negative = number.starts_with('-');
        Decimal { negative, whole, fraction, point: point.saturating_add(shift) }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes())
    }
}

/// The IP address in `text`, as 128 bits: IPv4 as `::ffff:a.b.c.d`.
pub fn address(text: &str) -> Option<u128> {
    let first = *text.as_bytes().first()?;
    if text.len() > 45 || !(first.is_ascii_hexdigit() || first == b':') {
        return None;
    }
    text.parse().ok().map(address_bits)
}

/// First and last address of a network, in the form of [`address`].
pub fn network_bounds(address: IpAddr, prefix: u8) -> (u128, u128) {
    let prefix = match address {
        IpAddr::V4(_) => prefix.min(32) + 96,
        IpAddr::V6(_) => prefix.min(128),
    };
    let hosts = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let bits = address_bits(address);
    (bits & !hosts, bits | hosts)
}

fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Calls `each` with the comparable texts of a value: per element of an array, nothing for null, objects and values
/// that are too long.
pub fn each_text(value: &Value<'_>, each: &mut dyn FnMut(&str)) {
    match value {
        Value::Text(text) => each_if_short(text, each),
        Value::Json(text) => match text.as_bytes().first() {
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
                for element in elements {
                    each_text(&Value::Json(element.get()), each);
                }
            }
            Some(b'"') => {
                if let Ok(text) = serde_json::from_str::<String>(text) {
                    each_if_short(&text, each);
                }
            }
            None | Some(b'{' | b'n') => {}
            Some(_) => each_if_short(text, each),
        },
    }
}

fn each_if_short(text: &str, each: &mut dyn FnMut(&str)) {
    if !too_long(text) {
        each(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_json_grammar() {
        for (text, expected) in
            [("0", 0.0), ("-1.5", -1.5), ("1e3", 1000.0), ("1E+2", 100.0), ("0.25", 0.25)]
        {
            assert_eq!(number(text), Some(expected), "{text}");
            assert!(serde_json::from_str::<f64>(text).is_ok(), "{text}");
        }
        for text in
            ["", "-", "01", "1.", ".5", "+1", "1e", "1e999", "NaN", "inf", "0x1", "1.2.3", "1 "]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_equal_to_the_last_digit_whatever_their_spelling() {
        for spellings in [
            vec!["1000", "1e3", "1E+3", "1000.0", "100e1", "0.1e4", "10000e-1"],
            vec!["0.05", "5e-2", "0.0500", "0.005e1"],
            vec!["0", "-0", "0.00", "0e5", "-0.0e-99999999999999999999"],
            vec!["-1.5", "-15e-1"],
            vec!["1763556497161513790", "1763556497161513790.0", "176355649716151379e1"],
            vec!["1763556497161513791"],
            vec!["0.1"],
            vec!["0.10000000000000000001"],
            vec!["9007199254740992"],
            vec!["9007199254740993"],
            vec!["1e-400", "10e-401"],
        ] {
            for one in &spellings {
                assert!(spellings.iter().all(|other| same_number(one, other)), "{one}");
                assert!(!same_number(one, "x") && !same_number("7", one), "{one}");
                for other in ["1763556497161513792", "0.1000", "9007199254740994"] {
                    let expected = spellings == ["0.1"] && other == "0.1000";
                    assert_eq!(same_number(one, other), expected, "{one} {other}");
                }
            }
        }
        assert!(!same_number("9007199254740992", "9007199254740993"));
        assert!(!same_number("1.5", "-1.5"));
    }

    #[test]
    fn addresses_of_both_families_share_one_space() {
        assert_eq!(address("10.0.0.1"), address("::ffff:10.0.0.1"));
        assert_eq!(address("10.0.0"), None);
        assert_eq!(address("beef"), None);
        let (low, high) = network_bounds("10.1.2.3".parse().unwrap(), 8);
        assert_eq!((Some(low), Some(high)), (address("10.0.0.0"), address("10.255.255.255")));
        let all = network_bounds("::".parse().unwrap(), 0);
        assert_eq!(all, (0, u128::MAX));
        let one = network_bounds("::1".parse().unwrap(), 128);
        assert_eq!(one, (1, 1));
    }

    #[test]
    fn arrays_are_their_elements_and_null_is_absent() {
        let texts = |json: &str| {
            let mut texts = Vec::new();
            each_text(&Value::Json(json), &mut |text| texts.push(text.to_owned()));
            texts
        };
        assert_eq!(texts(r#"["a", 1, null, [true], {"b": 2}]"#), ["a", "1", "true"]);
        assert!(texts("null").is_empty());
        assert!(texts("[]").is_empty());
        assert_eq!(texts("1.0"), ["1.0"]);
        let long = "x".repeat(LONGEST_VALUE + 1);
        each_text(&Value::Text(long.into()), &mut |_| panic!("too long is absent"));
    }
}
