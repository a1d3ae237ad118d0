//! How long events stay: by the day on which they were read, so that an old log imported today stays too.

use std::ops::Bound;
use std::time::Duration;

use tantivy::Term;
use tantivy::query::RangeQuery;

use super::schema::DAY;
use super::{Archive, ArchiveError};
use crate::base::Timestamp;

/// So much of a step of the clock is believed at each sweep.
const CATCH_UP: Duration = Duration::from_secs(3600);

impl Archive {
    /// Removes what was read on days that ended longer than `keep` ago. A day's events lie in segments of
    /// their own, which go as a whole. Only between commits: what was added and not committed is lost.
    ///
    /// A clock that stepped forward, by a mistake perhaps, removes nothing at once: what is believed is the
    /// time that `passed` since the last sweep of this process, and a little more at each ([`CATCH_UP`]).
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
