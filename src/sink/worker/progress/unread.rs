//! Finds the generations with unread bytes and the offsets at which to continue reading.

use std::collections::BTreeSet;

use super::Progress;
use crate::follow::Reading;
use crate::sink::worker::batch_encoder::ReadPosition;
use crate::sink::worker::generation_progress::GenerationProgress;
use crate::sink::worker::totals::Flag;

impl Progress {
    /// Fixes the end of the pass: the current ends of all generations with unread bytes.
    pub(in crate::sink::worker) fn fix_ends(&mut self) {
        let flags = [Flag::Readable, Flag::Waiting, Flag::UnreadInRound];
        let unread: BTreeSet<usize> =
            flags.iter().flat_map(|flag| self.totals.of(*flag)).copied().collect();
        self.change_all(unread.into_iter().collect(), |progress| {
            progress.reading.until = progress.reading.end;
            progress.reading.look_again();
        });
    }

    /// The generations that may have something to read, with the offsets at which to continue.
    pub(in crate::sink::worker) fn positions(&self, round: bool) -> Vec<ReadPosition> {
        let position = |(index, progress): (usize, &GenerationProgress)| {
            let Reading { until, end, .. } = progress.reading;
            let reading = progress.reading.up_to(if round { until } else { end });
            let position = || ReadPosition {
                slot: index,
                reading,
                done: progress.prefix.clone(),
                encoded_until: progress.encoded_until,
            };
            reading.is_due().then(position)
        };
        self.flagged(Flag::Readable).filter_map(position).collect()
    }

    /// Whether every generation has been read up to the end of the pass, or to its last complete record.
    pub(in crate::sink::worker) fn is_read(&self) -> bool {
        self.flagged(Flag::UnreadInRound).all(|(_, progress)| progress.reading.is_through())
    }

    /// Lets waiting generations be read again: a cut may have ended an unfinished record meanwhile.
    pub(in crate::sink::worker) fn recheck_waiting(&mut self) {
        let waiting = self.totals.of(Flag::Waiting).iter().copied().collect();
        self.change_all(waiting, |progress| progress.reading.look_again());
    }

    pub(in crate::sink::worker) fn any_waiting(&self) -> bool {
        !self.totals.of(Flag::Waiting).is_empty()
    }

    /// Whether the last read of some generation failed.
    pub(in crate::sink::worker) fn any_failing(&self) -> bool {
        let mut unread = self.flagged(Flag::Readable).chain(self.flagged(Flag::Waiting));
        unread.any(|(_, progress)| progress.reading.fails())
    }
}
