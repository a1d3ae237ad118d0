//! Builds consumers, so that a failed one can be replaced by a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Consumer, Evaluation};
use crate::alert::announcer::Announcement;
use crate::alert::engine::Engine;
use crate::alert::rule::RuleConfig;
use crate::base::Clock;
use crate::event::status::RuleStatus;
use crate::follow::Log;
use crate::privacy::Policy;

/// Capacity of the announcement channel; while it is full the rules wait.
const CAPACITY: usize = 256;

/// Creates consumers, one at a time: each starts at zero and publishes to the same outputs.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) log: Log,
    rules: Vec<RuleConfig>,
    policy: Arc<Policy>,
    pub(super) clock: Arc<dyn Clock>,
    once: bool,
    has_predecessor: Arc<AtomicBool>,
    pub(super) finish: CancellationToken,
    pub(super) statuses: watch::Sender<Vec<RuleStatus>>,
    pub(super) announcements: mpsc::Sender<Announcement>,
}

impl Rules {
    /// `policy`: see [`Engine::new`].
    pub fn new(
        log: Log,
        rules: Vec<RuleConfig>,
        policy: &Arc<Policy>,
        clock: Arc<dyn Clock>,
        once: bool,
    ) -> (Rules, Outputs) {
        let initial = Engine::new(rules.clone(), policy).statuses(clock.now());
        let (statuses, statuses_out) = watch::channel(initial);
        let (announcements, receiver) = mpsc::channel(CAPACITY);
        let policy = policy.clone();
        let has_predecessor = Arc::default();
        let finish = CancellationToken::new();
        let rules = Rules {
            log,
            rules,
            policy,
            clock,
            once,
            has_predecessor,
            finish,
            statuses,
            announcements,
        };
        (rules, Outputs { statuses: statuses_out, announcements: receiver })
    }

    /// Once cancelled, a consumer ends when all existing events have been evaluated.
    pub fn finish(&self) -> CancellationToken {
        self.finish.clone()
    }

    /// Marks other consumers as predecessors: all existing records are history.
    pub fn after_others(self) -> Rules {
        self.has_predecessor.store(true, Ordering::Relaxed);
        self
    }

    pub fn consumer(&self) -> Consumer {
        let mut work = Evaluation::new(self.rules.clone(), &self.policy, self.once);
        work.is_successor = self.has_predecessor.swap(true, Ordering::Relaxed);
        Consumer { rules: self.clone(), changes: self.log.changes(), work }
    }
}

/// The outputs of a consumer.
#[derive(Debug)]
pub struct Outputs {
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
    /// Announcements. Bounded: while it is full the rules wait, and nothing is dropped.
    pub announcements: mpsc::Receiver<Announcement>,
}
