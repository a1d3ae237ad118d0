//! The rules while an engine runs: started, told as notices, stopped.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alert::{self, Change, Told};
use crate::app::board::Notices;
use crate::app::settings::Settings;
use crate::app::sinks::Maker;
use crate::event::Level;
use crate::event::status::RuleStatus;

/// The rules at work.
pub(super) struct Alerts {
    pub task: JoinHandle<()>,
    stop: CancellationToken,
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
}

impl Alerts {
    pub fn start(
        maker: &Maker,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Alerts {
        let (log, clock) = (maker.log.clone(), maker.clock.clone());
        let policy = Arc::new(settings.privacy.policy().with_keys(maker.sealer.clone()));
        let rules = settings.rules.clone();
        let (consumer, outputs) = alert::Consumer::new(log, rules, &policy, clock, maker.once);
        tasks.spawn(tell(outputs.told, maker.notices.clone()));
        let stop = stop.child_token();
        let task = tokio::spawn(consumer.run(stop.clone()));
        Alerts { task, stop, statuses: outputs.statuses }
    }

    /// Returns when nothing of it runs any more.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}

/// What rules have to say is a notice: a line on stderr, or one on the screen.
async fn tell(mut told: mpsc::Receiver<Told>, notices: Notices) {
    while let Some(told) = told.recv().await {
        let level = match &told {
            Told::Transition(transition) if transition.change == Change::Fired => Level::Error,
            _ => Level::Info,
        };
        notices.add(level, told.to_string());
    }
}
