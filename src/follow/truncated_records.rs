//! Records that are longer than what is kept of one: how many there were, and how much of them goes to nobody.

use std::path::Path;
use std::sync::Mutex;

use crate::base::{bytes, sanitize};
use crate::event::{Flags, Record};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) struct CutOff {
    pub records: u64,
    /// Of the file, line ends included; where that is UTF-16, as UTF-8 would be shorter.
    pub bytes: u64,
}

impl CutOff {
    /// Of the records that begin at `from` or later.
    pub fn of(records: &[Record], from: u64) -> CutOff {
        let mut all = CutOff::default();
        for record in records {
            if record.flags.contains(Flags::TRUNCATED) && record.start >= from {
                let bytes = (record.end - record.start).saturating_sub(u64::from(record.len));
                all.add(CutOff { records: 1, bytes });
            }
        }
        all
    }

    pub fn add(&mut self, other: CutOff) {
        self.records += other.records;
        self.bytes += other.bytes;
    }

    pub fn notice(self, path: &Path) -> String {
        let records = match self.records {
            1 => "a record is longer".to_owned(),
            records => format!("{} records are longer", bytes::count(records)),
        };
        format!(
            "{}: {records} than 1.0 MiB: {} bytes beyond that stay in the log only; searches and sinks do not get them \
             (log.truncated marks such events); let its program write shorter lines if they matter",
            sanitize::line(&path.to_string_lossy()),
            bytes::count(self.bytes)
        )
    }

    /// It is told of the first, and then whenever there are ten times as many.
    pub fn is_news(self, before: CutOff) -> bool {
        self.records > 0
            && self.records.ilog10() != before.records.checked_ilog10().unwrap_or(u32::MAX)
    }
}

/// What readers of a file have met and the follower has not taken yet.
#[derive(Debug, Default)]
pub(in crate::follow) struct Met(Mutex<CutOff>);

impl Met {
    pub fn add(&self, cut: CutOff) {
        self.0.lock().expect("no holder of the cuts panics").add(cut);
    }

    pub fn take(&self) -> CutOff {
        std::mem::take(&mut *self.0.lock().expect("no holder of the cuts panics"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_of_the_first_and_at_ten_times_as_many() {
        let of = |records| CutOff { records, bytes: 1 };
        let news: Vec<u64> = (1..=1000).filter(|n| of(*n).is_news(of(n - 1))).collect();
        assert_eq!(news, [1, 10, 100, 1000]);
    }
}
