//! Parses decimal digits as small numbers.

/// A number of one to nine digits.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    (!digits.is_empty() && digits.len() <= 9 && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0')))
}

/// The digit at this index.
#[inline]
pub(super) fn digit(text: &[u8], at: usize) -> Option<u32> {
    text.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// The number of two digits that begins at this index.
#[inline]
pub(super) fn two(text: &[u8], at: usize) -> Option<u32> {
    let pair = text.get(at..at + 2)?;
    let (tens, ones) = (pair[0].wrapping_sub(b'0'), pair[1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}
