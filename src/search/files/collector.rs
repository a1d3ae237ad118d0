//! One search in events that come one after the other: what fits, in which order, and when it is enough.

use super::newest::Newest;
use crate::event::{Event, Flags};
use crate::privacy::{Policy, protect};
use crate::query::Expr;
use crate::search::{Each, Options, Order, SearchError};

/// Newest first without a limit: so many are kept.
const MOST_NEWEST: u64 = 10_000;

#[derive(Debug)]
pub struct Sieve<'a> {
    query: Expr,
    policy: &'a Policy,
    limit: u64,
    found: u64,
    /// Handed out at the end.
    newest: Option<Newest>,
    body: Vec<u8>,
}

impl<'a> Sieve<'a> {
    /// Events are handed out as `policy` lets them leave.
    pub fn new(query: &Expr, options: &Options, policy: &'a Policy) -> Self {
        let limit = options.limit.unwrap_or(u64::MAX);
        let newest = (options.order == Order::Newest).then(|| Newest::new(limit.min(MOST_NEWEST)));
        let query = options.narrow(query);
        Sieve { query, policy, limit, found: 0, newest, body: Vec::new() }
    }

    /// With the times of the options.
    pub fn query(&self) -> &Expr {
        &self.query
    }

    /// Nothing more is wanted.
    pub fn is_full(&self) -> bool {
        self.found >= self.limit
    }

    pub fn matches(&self, event: Event<'_>) -> bool {
        !event.record.flags.contains(Flags::QUIET) && self.query.matches(&event)
    }

    /// Takes one that matches; returns whether more are wanted.
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

    /// Says how many were handed out.
    pub fn finish(self, each: Each<'_>) -> Result<u64, SearchError> {
        match self.newest {
            Some(newest) => newest.hand_out(each).map_err(SearchError::Output),
            None => Ok(self.found),
        }
    }
}
