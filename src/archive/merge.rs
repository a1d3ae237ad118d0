//! Which segments become one: only such as were read on the same day, so that retention drops whole segments.
//!
//! Today's are merged as they grow (by tantivy's logarithmic policy); a day that is over becomes one segment.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};
use tantivy::{Index, SegmentReader};

use super::schema::DAY_NAME;

/// Larger segments are left as they are.
const LARGEST: u32 = 10_000_000;

#[derive(Debug)]
pub(super) struct ByDay {
    index: Index,
    within_a_day: LogMergePolicy,
    /// The last day in each segment, once it was looked up.
    days: Mutex<HashMap<SegmentId, i64>>,
}

impl ByDay {
    pub fn new(index: Index) -> Self {
        let mut within_a_day = LogMergePolicy::default();
        within_a_day.set_max_docs_before_merge(LARGEST as usize);
        within_a_day.set_del_docs_ratio_before_merge(0.3);
        ByDay { index, within_a_day, days: Mutex::default() }
    }

    /// `None` where the segment cannot be read: it is then left alone.
    fn day(&self, segment: &SegmentMeta) -> Option<i64> {
        let mut days = self.days.lock().expect("no holder panics");
        if let Some(day) = days.get(&segment.id()) {
            return Some(*day);
        }
        let day = last_day(&self.index, segment)?;
        days.insert(segment.id(), day);
        Some(day)
    }

    fn forget_others(&self, segments: &[SegmentMeta]) {
        let mut days = self.days.lock().expect("no holder panics");
        if days.len() > 4 * segments.len() + 1000 {
            days.retain(|id, _| segments.iter().any(|segment| segment.id() == *id));
        }
    }
}

fn last_day(index: &Index, segment: &SegmentMeta) -> Option<i64> {
    let reader = SegmentReader::open(&index.segment(segment.clone())).ok()?;
    Some(reader.fast_fields().i64(DAY_NAME).ok()?.max_value())
}

impl MergePolicy for ByDay {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        self.forget_others(segments);
        let mut by_day: BTreeMap<i64, Vec<SegmentMeta>> = BTreeMap::new();
        for segment in segments {
            if let Some(day) = self.day(segment) {
                by_day.entry(day).or_default().push(segment.clone());
            }
        }
        let Some((_, today)) = by_day.pop_last() else { return Vec::new() };
        let mut candidates = self.within_a_day.compute_merge_candidates(&today);
        candidates.extend(by_day.into_values().filter_map(whole_day));
        candidates
    }
}

fn whole_day(segments: Vec<SegmentMeta>) -> Option<MergeCandidate> {
    let small: Vec<&SegmentMeta> =
        segments.iter().filter(|segment| segment.num_docs() < LARGEST / 2).collect();
    (small.len() > 1).then(|| MergeCandidate(small.into_iter().map(SegmentMeta::id).collect()))
}
