//! Collects the results of one search in a sequence of events: applies query, order and limit, and returns the matching
//! events in their outgoing form.

use super::newest::Newest;
use crate::event::{Event, Flags};
use crate::privacy::{Policy, protect};
use crate::query::Expr;
use crate::search::{Each, Options, Order, SearchError};

/// Maximum number of results in the order newest first.
const MAX_NEWEST: u64 = 10_000;

#[derive(Debug)]
pub struct MatchCollector<'a> {
    query: Expr,
    policy: &'a Policy,
    limit: u64,
    found: u64,
    /// In the order newest first: results are returned at the end.
    newest: Option<Newest>,
    body: Vec<u8>,
}

impl<'a> MatchCollector<'a> {
    /// Events are returned in their outgoing form under `policy`.
    pub fn new(query: &Expr, options: &Options, policy: &'a Policy) -> Self {
        let limit = options.limit.unwrap_or(u64::MAX);
        let newest = (options.order == Order::Newest).then(|| Newest::new(limit.min(MAX_NEWEST)));
        let query = options.narrow(query);
        MatchCollector { query, policy, limit, found: 0, newest, body: Vec::new() }
    }

    /// The query, restricted to the times of the options.
    pub fn query(&self) -> &Expr {
        &self.query
    }

    /// The limit is reached.
    pub fn is_full(&self) -> bool {
        self.found >= self.limit
    }

    pub fn matches(&self, event: Event<'_>) -> bool {
        !event.record.flags.contains(Flags::QUIET) && self.query.matches(&event)
    }

    /// Adds a matching event; returns whether more are wanted.
    pub fn take(&mut self, event: Event<'_>, each: Each<'_>) -> Result<bool, SearchError> {
        let wanted = self.newest.as_ref().is_none_or(|newest| newest.wants(event.time()));
        if wanted {
            self.body.clear();
            let outgoing = protect(self.policy, event).map_err(SearchError::Protect)?;
            outgoing.write_json(&mut self.body);
            let json = simdutf8::basic::from_utf8(&self.body).expect("a document is JSON");
            match &mut self.newest {
                Some(newest) => newest.add(event.time(), json.to_owned()),
                None => {
                    each(json).map_err(SearchError::Output)?;
                    self.found += 1;
                }
            }
        }
        Ok(!self.is_full())
    }

    /// Returns the results that were kept until the end (newest first), and the number of all results.
    pub fn finish(self, each: Each<'_>) -> Result<u64, SearchError> {
        match self.newest {
            Some(newest) => newest.hand_out(each).map_err(SearchError::Output),
            None => Ok(self.found),
        }
    }
}
