//! Decides when the follower thread scans (searches the directories for files), sweeps (works on files that need
//! attention) and expires rows. All times are uptimes.

use std::time::Duration;

/// Time between two sweeps while a file was written recently.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// Longest time between two sweeps, and until a stop request is noticed.
pub(in crate::follow) const MAX_SLEEP: Duration = Duration::from_secs(1);
/// Shortest time between two scans, with watched directories and with polling, and longest for slow scans.
const SCAN_WATCHED: Duration = Duration::from_secs(1);
const SCAN_POLLED: Duration = Duration::from_millis(250);
const MAX_SCAN_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two complete scans, which ignore directory times, if all directories are on local file systems.
const COMPLETE_SCAN_LOCAL: Duration = Duration::from_secs(10);
/// Time between two checks for generations whose files have been missing for long.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(in crate::follow) struct Schedule {
    next_scan: Duration,
    /// Until this time a scan may rely on directory times, unless a complete one is requested.
    next_complete_scan: Duration,
    /// A hint can bring the next scan forward to this time at the earliest.
    earliest_scan: Duration,
    next_sweep: Duration,
    next_expiry: Duration,
}

impl Schedule {
    pub fn scan_is_due(&self, now: Duration) -> bool {
        now >= self.next_scan
    }

    /// Schedules a scan after a hint that names appeared, disappeared or changed.
    pub fn hint_scan(&mut self) {
        self.scan_at(self.earliest_scan);
    }

    /// Schedules a complete scan at this time, unless a scan is due earlier, which is then complete.
    pub fn scan_at(&mut self, when: Duration) {
        self.next_scan = self.next_scan.min(when);
        self.require_complete_scan();
    }

    /// Makes the next scan ignore directory times, because it must find files again, or new ones.
    pub fn require_complete_scan(&mut self) {
        self.next_complete_scan = Duration::ZERO;
    }

    /// Whether all paths must be scanned, regardless of directory times.
    pub fn scan_must_be_complete(&self, now: Duration) -> bool {
        now >= self.next_complete_scan
    }

    /// Records a finished scan. However many hints arrive, half of the time stays for reading.
    pub fn record_scan(&mut self, began: Duration, now: Duration, polled: bool) {
        let took = now.saturating_sub(began);
        let pause = if polled { SCAN_POLLED } else { SCAN_WATCHED };
        self.next_scan = now + (took * 100).clamp(pause, MAX_SCAN_INTERVAL);
        self.earliest_scan = now + took;
    }

    /// Records a complete scan. `local`: notifications and directory times show every change in all directories.
    pub fn record_complete_scan(&mut self, now: Duration, local: bool) {
        self.next_complete_scan = now + if local { COMPLETE_SCAN_LOCAL } else { MAX_SCAN_INTERVAL };
    }

    pub fn sweep_is_due(&self, now: Duration) -> bool {
        now >= self.next_sweep
    }

    pub fn sweep_now(&mut self) {
        self.next_sweep = Duration::ZERO;
    }

    /// Records a finished sweep. `next_check`: when the next file is due.
    pub fn record_sweep(&mut self, now: Duration, next_check: Option<Duration>) {
        let next = next_check.unwrap_or(now + MAX_SLEEP);
        self.next_sweep = next.clamp(now + SWEEP_INTERVAL, now + MAX_SLEEP);
    }

    /// `true` once per hour.
    pub fn expiry_is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next_expiry;
        if due {
            self.next_expiry = now + EXPIRY_INTERVAL;
        }
        due
    }

    /// Next time at which a sweep or scan is due; with `--once` there are no scans.
    pub fn next_due(&self, once: bool) -> Duration {
        if once { self.next_sweep } else { self.next_sweep.min(self.next_scan) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_slow_scan_leaves_half_of_the_time_for_reading() {
        let mut schedule = Schedule::default();
        schedule.record_scan(Duration::ZERO, 30 * MS, false);
        schedule.hint_scan();
        assert!(!schedule.scan_is_due(59 * MS));
        assert!(schedule.scan_is_due(60 * MS));
        schedule.record_scan(60 * MS, 90 * MS, false);
        assert!(!schedule.scan_is_due(3_089 * MS));
        assert!(schedule.scan_is_due(3_090 * MS));
    }

    #[test]
    fn a_scan_is_complete_after_a_hint_or_some_time() {
        let mut schedule = Schedule::default();
        assert!(schedule.scan_must_be_complete(Duration::ZERO));
        schedule.record_complete_scan(Duration::ZERO, true);
        assert!(
            !schedule.scan_must_be_complete(9_999 * MS)
                && schedule.scan_must_be_complete(10_000 * MS)
        );
        schedule.record_complete_scan(Duration::ZERO, false);
        assert!(
            !schedule.scan_must_be_complete(4_999 * MS)
                && schedule.scan_must_be_complete(5_000 * MS)
        );
        schedule.hint_scan();
        assert!(schedule.scan_must_be_complete(MS));
    }

    #[test]
    fn a_sweep_runs_when_a_file_is_due_but_not_at_once_and_at_least_every_second() {
        let mut schedule = Schedule::default();
        schedule.record_sweep(Duration::ZERO, Some(Duration::ZERO));
        assert!(!schedule.sweep_is_due(249 * MS) && schedule.sweep_is_due(250 * MS));
        schedule.record_sweep(Duration::ZERO, None);
        assert!(!schedule.sweep_is_due(999 * MS) && schedule.sweep_is_due(1_000 * MS));
    }
}
