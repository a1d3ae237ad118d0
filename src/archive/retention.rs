//! Retention: removes events by the day on which they were read, so that an old log imported today is kept too.

use std::ops::Bound;
use std::time::Duration;

use tantivy::Term;
use tantivy::query::RangeQuery;

use super::schema::DAY;
use super::{Archive, ArchiveError};
use crate::base::Timestamp;

/// How much of a forward step of the clock is accepted at each sweep.
const CATCH_UP: Duration = Duration::from_secs(3600);

impl Archive {
    /// Removes events read on days that ended more than `keep` ago. The events of a day are in segments of their own,
    /// which are removed as a whole. Call it only between commits: uncommitted additions are lost.
    ///
    /// A clock that stepped forward, perhaps by mistake, removes nothing immediately: the retention clock advances only
    /// by the time `passed` since the last sweep of this process, and a little more at each sweep ([`CATCH_UP`]).
    pub fn sweep(
        &mut self,
        keep: Duration,
        now: Timestamp,
        passed: Duration,
    ) -> Result<(), ArchiveError> {
        let positions = self.resume()?.caught_up(passed + CATCH_UP, now);
        let first_kept = i64::from(positions.aged.min(now).minus(keep).day());
        let days = RangeQuery::new(
            Bound::Unbounded,
            Bound::Excluded(Term::from_field_i64(DAY, first_kept)),
        );
        if let Err(error) = self.writer()?.delete_query(Box::new(days)) {
            return Err(self.failed(error));
        }
        self.commit_as(positions)
    }
}
