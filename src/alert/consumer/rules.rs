//! What consumers are made of, so that one that broke can be followed by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Consumer, Work};
use crate::alert::announcer::Told;
use crate::alert::engine::Engine;
use crate::alert::rule::RuleConfig;
use crate::base::Clock;
use crate::event::status::RuleStatus;
use crate::follow::Log;
use crate::privacy::Policy;

/// What a listener has not taken yet; a full channel makes the rules wait.
const TOLD: usize = 256;

/// Makes consumers, one after the other: each begins at zero and publishes where the one before did.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) log: Log,
    rules: Vec<RuleConfig>,
    policy: Arc<Policy>,
    pub(super) clock: Arc<dyn Clock>,
    once: bool,
    begun: Arc<AtomicBool>,
    pub(super) finish: CancellationToken,
    pub(super) statuses: watch::Sender<Vec<RuleStatus>>,
    pub(super) told: mpsc::Sender<Told>,
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
        let begun = Engine::new(rules.clone(), policy).statuses(clock.now());
        let (statuses, statuses_out) = watch::channel(begun);
        let (told, told_out) = mpsc::channel(TOLD);
        let policy = policy.clone();
        let begun = Arc::default();
        let finish = CancellationToken::new();
        let rules = Rules { log, rules, policy, clock, once, begun, finish, statuses, told };
        (rules, Outputs { statuses: statuses_out, told: told_out })
    }

    /// Cancelled, a consumer ends once everything that is there has been evaluated: no more will come.
    pub fn finish(&self) -> CancellationToken {
        self.finish.clone()
    }

    /// Others have been at work before: what is there now is history.
    pub fn after_others(self) -> Rules {
        self.begun.store(true, Ordering::Relaxed);
        self
    }

    pub fn consumer(&self) -> Consumer {
        let mut work = Work::new(self.rules.clone(), &self.policy, self.once);
        work.again = self.begun.swap(true, Ordering::Relaxed);
        Consumer { rules: self.clone(), changes: self.log.changes(), work }
    }
}

/// What a consumer publishes.
#[derive(Debug)]
pub struct Outputs {
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
    /// Bounded: when it is full the rules wait, and nothing is left out.
    pub told: mpsc::Receiver<Told>,
}
