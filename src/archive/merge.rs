//! Which segments become one: only such as were read on the same day, so that retention drops whole segments.
//!
//! Today's are merged as they grow (by tantivy's logarithmic policy); of a day that is over few are left. A
//! merge holds 16 bytes in memory for each event, so none makes a segment of more than a million.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};
use tantivy::{Index, SegmentReader};

use super::schema::DAY_NAME;

/// Events of the largest segment that is made by a merge.
const LARGEST: u32 = 1_000_000;
/// Larger segments are left as they are.
const LARGE: u32 = LARGEST / 2;

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
        within_a_day.set_max_docs_before_merge(LARGE as usize);
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
        let as_they_grow = self.within_a_day.compute_merge_candidates(&today);
        let sizes: HashMap<SegmentId, u32> =
            today.iter().map(|segment| (segment.id(), segment.num_docs())).collect();
        let size = |id: &SegmentId| sizes.get(id).copied().unwrap_or(LARGEST);
        let mut candidates: Vec<MergeCandidate> = as_they_grow
            .into_iter()
            .flat_map(|candidate| bounded(candidate.0.iter().map(|id| (*id, size(id)))))
            .collect();
        candidates.extend(by_day.into_values().flat_map(|day| whole_day(&day)));
        candidates
    }
}

fn whole_day(segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
    let small = segments.iter().filter(|segment| segment.num_docs() < LARGE);
    bounded(small.map(|segment| (segment.id(), segment.num_docs())))
}

/// Groups of segments, in order, none larger than [`LARGEST`] together.
fn bounded(segments: impl Iterator<Item = (SegmentId, u32)>) -> Vec<MergeCandidate> {
    let mut groups: Vec<(Vec<SegmentId>, u32)> = vec![(Vec::new(), 0)];
    for (id, size) in segments {
        match groups.last_mut() {
            Some((group, sum)) if *sum + size <= LARGEST => {
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
    fn no_merge_grows_beyond_the_largest() {
        let ids: Vec<SegmentId> = (0..6).map(|_| SegmentId::generate_random()).collect();
        let sizes = [400_000, 500_000, 100_000, 450_000, 700_000, 1];
        let groups = bounded(ids.iter().copied().zip(sizes));
        let groups: Vec<Vec<SegmentId>> = groups.into_iter().map(|group| group.0).collect();
        assert_eq!(groups, [ids[..3].to_vec(), ids[4..].to_vec()]);
        assert!(bounded(ids[..1].iter().map(|id| (*id, 1))).is_empty());
    }
}
