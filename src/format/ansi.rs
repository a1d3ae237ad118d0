//! Removes colour and other terminal control sequences (CSI) from the beginning of a line, for the parsers of times and
//! levels.
//!
//! The text that is shown or delivered is not changed here.

/// The beginning of a line without CSI sequences, and the offset of each remaining byte in the line.
pub struct Stripped {
    bytes: [u8; Stripped::REACH],
    offsets: [u16; Stripped::REACH],
    len: usize,
    end: u16,
}

impl Stripped {
    /// Times and levels are within this number of bytes from the beginning of a line.
    const REACH: usize = 256;

    /// `None` if the beginning of the line contains no sequence: the usual case, detected without copying.
    pub fn of(line: &[u8]) -> Option<Self> {
        let reach = &line[..line.len().min(Self::REACH)];
        memchr::memchr(0x1b, reach)?;
        let mut stripped =
            Stripped { bytes: [0; Self::REACH], offsets: [0; Self::REACH], len: 0, end: 0 };
        let mut at = 0;
        while at < line.len() && stripped.len < Self::REACH && at < 4 * Self::REACH {
            let skip = sequence(&line[at..]);
            if skip > 0 {
                at += skip;
                continue;
            }
            stripped.bytes[stripped.len] = line[at];
            stripped.offsets[stripped.len] = at as u16;
            stripped.len += 1;
            at += 1;
        }
        stripped.end = at as u16;
        Some(stripped)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Offset in the line of the stripped byte `at`.
    pub fn offset_in_line(&self, at: usize) -> usize {
        usize::from(if at < self.len { self.offsets[at] } else { self.end })
    }
}

/// Length of the CSI sequence at the beginning of `text`; 0 if there is none (ECMA-48, 5.4).
fn sequence(text: &[u8]) -> usize {
    let [0x1b, b'[', rest @ ..] = text else { return 0 };
    let inner = rest.iter().take(32).take_while(|byte| (0x20..=0x3f).contains(*byte)).count();
    match rest.get(inner) {
        Some(0x40..=0x7e) => inner + 3,
        _ => 0,
    }
}
