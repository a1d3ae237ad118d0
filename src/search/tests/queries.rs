//! A corpus of JSON lines, and random queries that mostly match some of it.

use std::net::IpAddr;

use super::*;

pub const EVENTS: usize = 1000;
/// The time of the first event, in seconds; one event per second.
pub const FIRST: i64 = 1_714_557_600;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const WORDS: [&str; 14] = [
    "connection",
    "refused",
    "timed",
    "out",
    "order",
    "for",
    "Größe",
    "İstanbul",
    "user",
    "12",
    "the",
    "日本語",
    "x²",
    "Retry",
];
const LEVELS: [&str; 6] = ["debug", "info", "warn", "error", "fatal", "INFO"];
const ADDRESSES: [&str; 5] = ["10.1.2.3", "10.200.0.9", "192.168.0.1", "2001:db8::1", "none"];
const USERS: [&str; 6] = ["Anna", "bob", "", "ÄRGER", "bob smith", "7"];
const NUMBERS: [&str; 13] = [
    "0",
    "1500",
    "1500.0",
    "-0.5",
    "1e3",
    "404",
    "200",
    "-7",
    "0.25",
    "0.250",
    // Three numbers with the same f64 value.
    "1763556497161513790",
    "1763556497161513791",
    "1763556497161513791.5",
];

pub fn corpus() -> Vec<u8> {
    let mut random = Random(0x5eed);
    let mut text = Vec::new();
    for number in 0..EVENTS {
        write_event(&mut random, number, &mut text);
    }
    text
}

fn write_event(random: &mut Random, number: usize, text: &mut Vec<u8>) {
    let time = jiff::Timestamp::from_second(FIRST + number as i64).unwrap();
    write!(text, r#"{{"time":"{time}","level":"{}""#, random.one(&LEVELS)).unwrap();
    if random.below(6) > 0 {
        let words: Vec<&str> = (0..1 + random.below(7)).map(|_| random.one(&WORDS)).collect();
        write!(text, r#","message":"{}""#, words.join([" ", " - ", ", "][random.below(3)]))
            .unwrap();
    }
    let mut field = |name: &str, value: String| {
        if random.below(3) > 0 {
            write!(text, r#","{name}":{value}"#).unwrap();
        }
    };
    let mut other = Random(number as u64 + 99);
    field("ip", format!("{:?}", other.one(&ADDRESSES)));
    field("user", format!("{:?}", other.one(&USERS)));
    field("status", ["200", "404", "500", "\"E12\"", "null"][other.below(5)].to_owned());
    field("bytes", other.one(&NUMBERS).to_owned());
    field("ratio", format!("{:?}", other.one(&NUMBERS)));
    field("CLIENT ID", format!("\"C{}\"", other.below(30)));
    field("tags", ["[\"Red\",\"green blue\",7]", "[]", "[null]"][other.below(3)].to_owned());
    field("http", format!(r#"{{"status":{},"a.b":"deep"}}"#, other.one(&NUMBERS)));
    field("flag", ["true", "false"][other.below(2)].to_owned());
    field("fields", r#""inner""#.to_owned());
    if number.is_multiple_of(97) {
        write!(text, r#","long":"{}""#, "y".repeat(9000)).unwrap();
    }
    text.extend_from_slice(b"}\n");
}

pub fn random(seed: u64) -> Expr {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    tree(&mut random, 3)
}

fn tree(random: &mut Random, depth: usize) -> Expr {
    if depth == 0 {
        return leaf(random);
    }
    match random.below(6) {
        0 => Expr::Not(Box::new(tree(random, depth - 1))),
        1 | 2 => Expr::And((0..2 + random.below(2)).map(|_| tree(random, depth - 1)).collect()),
        3 => Expr::Or((0..2 + random.below(2)).map(|_| tree(random, depth - 1)).collect()),
        _ => leaf(random),
    }
}

fn leaf(random: &mut Random) -> Expr {
    match random.below(8) {
        0..3 => Expr::Words((0..1 + random.below(3)).map(|_| token(random)).collect()),
        3 => {
            let (one, two) = (level(random), level(random));
            Expr::Level { low: one.min(two), high: one.max(two) }
        }
        4 => {
            let low = FIRST + random.below(EVENTS) as i64;
            let high = low + 1 + random.below(500) as i64;
            let (low, high) = (Timestamp::from_seconds(low), Timestamp::from_seconds(high));
            Expr::Time {
                low: (random.below(3) > 0).then_some(low),
                high: (random.below(3) > 0).then_some(high),
            }
        }
        _ => field(random),
    }
}

fn level(random: &mut Random) -> Level {
    Level::ALL[random.below(7)]
}

fn token(random: &mut Random) -> Token {
    let word: String = crate::query::token::lower_text(random.one(&WORDS));
    match random.below(5) {
        0 => Token::Wildcard(Pattern("*".to_owned())),
        1 => Token::Wildcard(holes(random, &word)),
        _ => Token::Exact(word),
    }
}

/// The text with some characters replaced by wildcards.
fn holes(random: &mut Random, text: &str) -> Pattern {
    let mut pattern = String::new();
    for letter in text.chars() {
        match random.below(5) {
            0 => pattern.push('?'),
            1 if !pattern.ends_with('*') => pattern.push('*'),
            _ => pattern.push(letter),
        }
    }
    Pattern(pattern)
}

fn field(random: &mut Random) -> Expr {
    let (name, value): (&str, &str) = match random.below(10) {
        0 => ("ip", random.one(&ADDRESSES)),
        1 => ("USER", random.one(&USERS)),
        2 => ("status", random.one(&["200", "404", "e12", "2e2"])),
        3 => ("bytes", random.one(&NUMBERS)),
        4 => ("ratio", random.one(&NUMBERS)),
        5 => ("client_id", random.one(&["c1", "C12", "c29", "c30"])),
        6 => ("tags", random.one(&["red", "Green Blue", "7", "blue"])),
        7 => (random.one(&["http.status", "http.a_b"]), random.one(&["1500", "DEEP", "0"])),
        8 => (random.one(&["host", "host.name", "service", "Service.Name"]), "shop"),
        _ => (random.one(&["fields.fields", "fields", "flag", "long"]), "true"),
    };
    let test = match random.below(8) {
        0 => Test::Exists,
        1 => Test::Wildcard(holes(random, &crate::query::token::lower_text(value))),
        2 => Test::Range { low: bound(random), high: bound(random) },
        3 => {
            let address: IpAddr =
                random.one(&["10.0.0.0", "192.168.0.0", "2001:db8::"]).parse().unwrap();
            Test::Network { address, prefix: 8 * random.below(4) as u8 }
        }
        4 if crate::query::value::number(value).is_some() => Test::Number(value.to_owned()),
        _ => Test::Equals(value.to_owned()),
    };
    Expr::Field { name: FieldName(name.to_owned()), test }
}

fn bound(random: &mut Random) -> Bound {
    let number: f64 = random.one(&NUMBERS).parse().unwrap();
    match random.below(4) {
        0 => Bound::None,
        1 => Bound::Excluding(number),
        _ => Bound::Including(number),
    }
}
