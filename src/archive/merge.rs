//! The merge policy: only segments whose events were read on the same day are merged, so that retention can drop whole
//! segments.
//!
//! Segments of the newest day are merged as they grow (tantivy's logarithmic policy); the small segments of each
//! earlier day are merged into as few as possible.
//! A merge needs 16 bytes of memory per event, so it never creates a segment of more than a million events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};
use tantivy::{Index, SegmentReader};

use super::schema::DAY_NAME;

/// Maximum number of events in a segment made by a merge.
const MAX_MERGED: u32 = 1_000_000;
/// Segments of this size or more are not merged.
const MIN_UNMERGED: u32 = MAX_MERGED / 2;

/// Merges the segments of each day separately.
#[derive(Debug)]
pub(super) struct ByDay {
    index: Index,
    within_a_day: LogMergePolicy,
    /// The last day in each segment, once determined.
    days: Mutex<HashMap<SegmentId, i64>>,
}

impl ByDay {
    pub fn new(index: Index) -> Self {
        let mut within_a_day = LogMergePolicy::default();
        within_a_day.set_max_docs_before_merge(MIN_UNMERGED as usize);
        within_a_day.set_del_docs_ratio_before_merge(0.3);
        ByDay { index, within_a_day, days: Mutex::default() }
    }

    /// The last day in the segment. `None` if it cannot be read: it is then not merged.
    fn day(&self, segment: &SegmentMeta) -> Option<i64> {
        let mut days = self.days.lock().expect("no holder panics");
        if let Some(day) = days.get(&segment.id()) {
            return Some(*day);
        }
        let day = last_day(&self.index, segment)?;
        days.insert(segment.id(), day);
        Some(day)
    }

    fn forget_removed(&self, segments: &[SegmentMeta]) {
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
        self.forget_removed(segments);
        let mut by_day: BTreeMap<i64, Vec<SegmentMeta>> = BTreeMap::new();
        for segment in segments {
            if let Some(day) = self.day(segment) {
                by_day.entry(day).or_default().push(segment.clone());
            }
        }
        let Some((_, today)) = by_day.pop_last() else { return Vec::new() };
        let as_they_grow = self.within_a_day.compute_merge_candidates(&today);
        let sizes: HashMap<SegmentId, u32> =
            today.iter().map(|segment| (segment.id(), segment.num_docs())).collect();
        let size = |id: &SegmentId| sizes.get(id).copied().unwrap_or(MAX_MERGED);
        let mut candidates: Vec<MergeCandidate> = as_they_grow
            .into_iter()
            .flat_map(|candidate| bounded(candidate.0.iter().map(|id| (*id, size(id)))))
            .collect();
        candidates.extend(by_day.into_values().flat_map(|day| merge_day(&day)));
        candidates
    }
}

fn merge_day(segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
    let small = segments.iter().filter(|segment| segment.num_docs() < MIN_UNMERGED);
    bounded(small.map(|segment| (segment.id(), segment.num_docs())))
}

/// Groups of segments, in order, with at most [`MAX_MERGED`] events each.
fn bounded(segments: impl Iterator<Item = (SegmentId, u32)>) -> Vec<MergeCandidate> {
    let mut groups: Vec<(Vec<SegmentId>, u32)> = vec![(Vec::new(), 0)];
    for (id, size) in segments {
        match groups.last_mut() {
            Some((group, sum)) if *sum + size <= MAX_MERGED => {
                group.push(id);
                *sum += size;
            }
            _ => groups.push((vec![id], size)),
        }
    }
    groups.retain(|(group, _)| group.len() > 1);
    groups.into_iter().map(|(group, _)| MergeCandidate(group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_merge_exceeds_the_largest_size() {
        let ids: Vec<SegmentId> = (0..6).map(|_| SegmentId::generate_random()).collect();
        let sizes = [400_000, 500_000, 100_000, 450_000, 700_000, 1];
        let groups = bounded(ids.iter().copied().zip(sizes));
        let groups: Vec<Vec<SegmentId>> = groups.into_iter().map(|group| group.0).collect();
        assert_eq!(groups, [ids[..3].to_vec(), ids[4..].to_vec()]);
        assert!(bounded(ids[..1].iter().map(|id| (*id, 1))).is_empty());
    }
}
