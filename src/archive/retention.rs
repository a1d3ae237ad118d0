//! How long events stay: by the day on which they were read, so that an old log imported today stays too.

use std::ops::Bound;
use std::time::Duration;

use tantivy::Term;
use tantivy::query::RangeQuery;

use super::schema::DAY;
use super::{Archive, ArchiveError};
use crate::base::Timestamp;

impl Archive {
    /// Removes what was read on days that ended longer than `keep` ago. A day's events lie in segments of
    /// their own, which go as a whole. Only between commits: what was added and not committed is lost.
    pub fn sweep(&mut self, keep: Duration, now: Timestamp) -> Result<(), ArchiveError> {
        self.resume()?;
        let first_kept = i64::from(now.minus(keep).day());
        let days = RangeQuery::new(
            Bound::Unbounded,
            Bound::Excluded(Term::from_field_i64(DAY, first_kept)),
        );
        if let Err(error) = self.writer()?.delete_query(Box::new(days)) {
            return Err(self.failed(error));
        }
        self.commit_as(self.positions().clone())
    }
}
