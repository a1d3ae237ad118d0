//! Reads samples of a file: its first and last lines, for format detection and the decision whether it is text.
//! Also finds the ends of holes and of lines.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::positioned_read::read_full;
use crate::base::timed_fs::File;
use crate::event::Encoding;
use crate::format::nul_run;

/// Error of lseek(2) if there is only a hole after the offset.
const NO_MORE_DATA: i32 = rustix::io::Errno::NXIO.raw_os_error();

/// Bytes of a sample for format detection.
pub(in crate::follow) const SAMPLE: u64 = 64 * 1024;
/// Lines that are enough for format detection.
const SAMPLE_LINES: usize = 100;
/// Bytes that [`last_line_end`] searches.
pub(in crate::follow) const LINE_SEARCH_BYTES: u64 = 1024 * 1024;

/// End of the run of NULs that begins at `from`; `to` if there is nothing else before `to`, and `from` if there is no
/// such run of at least two bytes.
pub(in crate::follow) fn hole_end(file: &File, from: u64, to: u64) -> std::io::Result<u64> {
    let (mut at, mut bytes) = (from, [0; 64 * 1024]);
    while at < to {
        let len = (to - at).min(bytes.len() as u64) as usize;
        let read = read_full(file, &mut bytes[..len], at)?;
        let nuls = nul_run(&bytes[..read]);
        at += nuls as u64;
        if nuls < len {
            break;
        }
        // The file system knows where the next data is.
        at = match file.data_from(at) {
            Ok(data) => data.clamp(at, to),
            Err(error) if error.raw_os_error() == Some(NO_MORE_DATA) => to,
            Err(_) => at,
        };
    }
    // A single NUL may be half of a UTF-16 code unit.
    Ok(if at - from < 2 { from } else { at })
}

/// The first bytes of the file after any hole, as UTF-8, for format detection.
pub(in crate::follow) fn read_sample(
    file: &File,
    size: u64,
    encoding: Encoding,
) -> io::Result<Vec<u8>> {
    // The encoding may not be known yet, so start at an even offset.
    let from = hole_end(file, 0, size)? & !1;
    let mut sample = vec![0; (size - from).min(SAMPLE * encoding.unit()) as usize];
    let read = read_full(file, &mut sample, from)?;
    sample.truncate(read);
    Ok(match encoding.to_utf8(&sample, from) {
        Cow::Borrowed(_) => sample,
        Cow::Owned(text) => text,
    })
}

/// The sample is not text. Text has at most a few control bytes other than line ends, tabs and colours. A run of NULs
/// (a hole) counts as one; bytes of other encodings count as text.
pub(in crate::follow) fn looks_binary(sample: &[u8]) -> bool {
    let is_text = |byte: u8| matches!(byte, 0x07..=0x0d | 0x1b | 0x20..=0x7e | 0x80..);
    let control_runs = sample
        .chunk_by(|one, other| *one == 0 && *other == 0)
        .filter(|run| !is_text(run[0]))
        .count();
    control_runs > 8 && control_runs * 30 > sample.len()
}

/// The sample has enough bytes or lines for format detection.
pub(in crate::follow) fn sample_is_enough(sample: &[u8]) -> bool {
    sample.len() as u64 >= SAMPLE
        || memchr::memchr_iter(b'\n', sample).nth(SAMPLE_LINES - 1).is_some()
}

/// The last lines before `offset`, at most 150 of them and 128 KiB.
pub(in crate::follow) fn sample_before(
    file: &Arc<File>,
    offset: u64,
    encoding: Encoding,
) -> std::io::Result<Vec<u8>> {
    let from = encoding.unit_start(offset.saturating_sub(SAMPLE * 2));
    let mut bytes = vec![0; (offset - from) as usize];
    let read = read_full(file, &mut bytes, from)?;
    let mut sample = encoding.to_utf8(&bytes[..read], from).into_owned();
    // Only the last lines are needed: they are the ones that did not fit the format.
    let lines = memchr::memrchr_iter(b'\n', &sample).nth(150);
    let first = lines.or_else(|| memchr::memchr(b'\n', &sample).filter(|_| from > 0));
    sample.drain(..first.map_or(0, |at| at + 1));
    Ok(sample)
}

/// Offset after the last line end in [from, to), searched in the last MiB.
pub(in crate::follow) fn last_line_end(
    file: &File,
    from: u64,
    to: u64,
    encoding: Encoding,
) -> Option<u64> {
    let lowest = encoding.unit_start(from.max(to.saturating_sub(LINE_SEARCH_BYTES)));
    let mut end = to;
    while end > lowest {
        let begin = lowest.max(encoding.unit_start(end.saturating_sub(64 * 1024)));
        let mut bytes = vec![0; (end - begin) as usize];
        if read_full(file, &mut bytes, begin).ok()? < bytes.len() {
            return None;
        }
        if let Some(after) = encoding.last_line_end(&bytes, begin) {
            return Some(begin + after as u64);
        }
        end = begin;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_encoding_is_text_and_random_bytes_are_not() {
        let mut state = 1u32;
        let random: Vec<u8> = (0..4096)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert!(looks_binary(&random));
        let records: Vec<u8> = (0..500u32).flat_map(u32::to_le_bytes).collect();
        assert!(looks_binary(&records));
        let hole = [vec![0; 100_000], b"2024-05-01 10:00:00 INFO x\n".repeat(40)].concat();
        for text in [
            &b""[..],
            b"\x01\x02\x03",
            &b"gr\xfc\xdfe \x1b[31mred\x1b[0m\r\n".repeat(100),
            &"日本語 größe\n".as_bytes().repeat(100),
            &hole,
        ] {
            assert!(!looks_binary(text), "{:?}", &text[..text.len().min(40)]);
        }
    }
}
