//! Creates the consumer that evaluates the alert rules, and its replacement after a failure.

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

/// The configured rules. Creates consumers, one at a time: each starts with empty counts and publishes to the same
/// [`Outputs`].
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) log: Log,
    rules: Vec<RuleConfig>,
    policy: Arc<Policy>,
    pub(super) clock: Arc<dyn Clock>,
    /// Consumers end when all existing events have been evaluated.
    once: bool,
    /// An earlier consumer has announced live events.
    has_predecessor: Arc<AtomicBool>,
    pub(super) finish: CancellationToken,
    pub(super) statuses: watch::Sender<Vec<RuleStatus>>,
    pub(super) announcements: mpsc::Sender<Announcement>,
}

impl Rules {
    /// `policy`: see [`Engine::new`]. `once`: consumers end when all existing events have been evaluated.
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

    /// The token that ends the consumer: once it is cancelled, the consumer evaluates all existing events and ends.
    pub fn finish(&self) -> CancellationToken {
        self.finish.clone()
    }

    /// For rules that replace others, as after a reload: the consumer of those has announced all live events, so all
    /// existing records are history.
    pub fn after_others(self) -> Rules {
        self.has_predecessor.store(true, Ordering::Relaxed);
        self
    }

    /// A new consumer; the one before it must have ended.
    pub fn consumer(&self) -> Consumer {
        let mut work = Evaluation::new(self.rules.clone(), &self.policy, self.once);
        work.is_successor = self.has_predecessor.swap(true, Ordering::Relaxed);
        Consumer { rules: self.clone(), changes: self.log.changes(), work }
    }
}

/// The receiving ends of the channels to which consumers publish.
#[derive(Debug)]
pub struct Outputs {
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
    /// Bounded: while it is full the rules wait, and nothing is dropped.
    pub announcements: mpsc::Receiver<Announcement>,
}
