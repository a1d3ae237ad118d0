//! Counts records that are longer than the limit of 1 MiB, and the bytes that were cut off.

use std::path::Path;
use std::sync::Mutex;

use crate::base::{bytes, sanitize};
use crate::event::{Flags, Record};

/// Number of truncated records, and of the bytes that were cut off from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) struct TruncatedRecords {
    pub records: u64,
    /// As they are in the file, including line ends. For UTF-16 this is an estimate, because UTF-8 is shorter.
    pub bytes: u64,
}

impl TruncatedRecords {
    /// Counts the truncated records that begin at `from` or later.
    pub fn of(records: &[Record], from: u64) -> TruncatedRecords {
        let mut all = TruncatedRecords::default();
        for record in records {
            if record.flags.contains(Flags::TRUNCATED) && record.start >= from {
                let bytes = (record.end - record.start).saturating_sub(u64::from(record.len));
                all.add(TruncatedRecords { records: 1, bytes });
            }
        }
        all
    }

    pub fn add(&mut self, other: TruncatedRecords) {
        self.records += other.records;
        self.bytes += other.bytes;
    }

    pub fn notice(self, path: &Path) -> String {
        let records = match self.records {
            1 => "a record is longer".to_owned(),
            records => format!("{} records are longer", bytes::count(records)),
        };
        format!(
            "{}: {records} than 1.0 MiB; the {} bytes beyond that are only in the log, not in \
             searches and sinks (these events have log.truncated); if the bytes matter, write \
             shorter lines",
            sanitize::line(&path.to_string_lossy()),
            bytes::count(self.bytes)
        )
    }

    /// Whether to report now: the first truncated record is reported, and then the 10th, the 100th, and so on.
    pub fn should_report(self, before: TruncatedRecords) -> bool {
        self.records > 0
            && self.records.ilog10() != before.records.checked_ilog10().unwrap_or(u32::MAX)
    }
}

/// Truncated records that readers of a file have found and the follower has not taken yet.
#[derive(Debug, Default)]
pub(in crate::follow) struct FoundTruncatedRecords(Mutex<TruncatedRecords>);

impl FoundTruncatedRecords {
    pub fn add(&self, cut: TruncatedRecords) {
        self.0.lock().expect("no holder of this lock panics").add(cut);
    }

    pub fn take(&self) -> TruncatedRecords {
        std::mem::take(&mut *self.0.lock().expect("no holder of this lock panics"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_truncated_record_is_reported_and_then_each_tenfold_number() {
        let of = |records| TruncatedRecords { records, bytes: 1 };
        let reported: Vec<u64> = (1..=1000).filter(|n| of(*n).should_report(of(n - 1))).collect();
        assert_eq!(reported, [1, 10, 100, 1000]);
    }
}
