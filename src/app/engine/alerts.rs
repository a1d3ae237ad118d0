//! Runs the alert rules of the engine: starts them, turns their output into messages, stops them.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alert_digest::Bursts;
use crate::alert::{self, Announcement, Change, Rules};
use crate::app::settings::Settings;
use crate::app::sinks::SinkStarter;
use crate::app::status_board::Notices;
use crate::base::{Clock, OnPanic};
use crate::event::Level;
use crate::event::status::RuleStatus;

/// How long a stop waits for the read in progress.
const STOP_WAIT: std::time::Duration = std::time::Duration::from_secs(2);
/// Name of the message task in failure messages.
const MESSAGES: &str = "alert messages";

/// The running rules.
pub(super) struct Alerts {
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
    /// To be cancelled when no more events will come: the rules then end once all existing events are evaluated.
    pub finish: CancellationToken,
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
}

impl Alerts {
    pub fn start(
        starter: &SinkStarter,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Alerts {
        Alerts::run(starter, settings, stop, tasks, |rules| rules)
    }

    /// Starts rules after others that have already reported all live alerts so far.
    pub fn restart(
        starter: &SinkStarter,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Alerts {
        Alerts::run(starter, settings, stop, tasks, Rules::after_others)
    }

    fn run(
        starter: &SinkStarter,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
        prepare: impl FnOnce(Rules) -> Rules,
    ) -> Alerts {
        let (log, clock) = (starter.log.clone(), starter.clock.clone());
        let supervisor = log.supervisor();
        let policy = Arc::new(settings.privacy.policy().with_keys(starter.sealer.clone()));
        let configured = settings.rules.clone();
        let (rules, outputs) = Rules::new(log, configured, &policy, clock.clone(), starter.once);
        let rules = prepare(rules);
        let source = Arc::new(Mutex::new((outputs.announcements, Bursts::default())));
        let notices = starter.notices.clone();
        let reporting = move || report(source.clone(), notices.clone(), clock.clone());
        let reporting =
            supervisor.clone().task(MESSAGES, OnPanic::Restart, stop.clone(), reporting);
        tasks.spawn(reporting);
        let (stop, finish) = (stop.child_token(), rules.finish());
        // With `--once` a restart would report every alert again.
        let on_panic = if starter.once { OnPanic::End } else { OnPanic::Restart };
        let until = stop.clone();
        let consume = move || rules.consumer().run(until.clone());
        let consuming = supervisor.task(alert::PART, on_panic, stop.clone(), consume);
        Alerts { task: Some(tokio::spawn(consuming)), stop, finish, statuses: outputs.statuses }
    }

    /// Stops the rules and returns when their task has ended. A read that takes longer than [`STOP_WAIT`] may still be
    /// running then; its result is discarded. Rules keep no data that has to be written.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let late = tokio::time::timeout(STOP_WAIT, self.ended()).await.is_err();
        if let Some(task) = self.task.take().filter(|_| late) {
            task.abort();
            let _ = task.await;
        }
    }

    /// Waits until the rules have ended.
    pub async fn ended(&mut self) {
        if let Some(task) = &mut self.task {
            let _ = task.await;
            self.task = None;
        }
    }
}

#[cfg(test)]
impl Alerts {
    /// Rules that always have more to read.
    pub(super) fn never_finished() -> Alerts {
        let (stop, finish) = (CancellationToken::new(), CancellationToken::new());
        let until = stop.clone();
        let task = Some(tokio::spawn(async move { until.cancelled().await }));
        Alerts { task, stop, finish, statuses: watch::channel(Vec::new()).1 }
    }
}

type MessageSource = Arc<Mutex<(mpsc::Receiver<Announcement>, Bursts)>>;

/// Turns the output of the rules into messages on standard error or on the screen. Of many alerts at once standard
/// error shows each; the message list shows a few and the count of the others.
async fn report(source: MessageSource, notices: Notices, clock: Arc<dyn Clock>) {
    let mut source = source.lock().await;
    let (outputs, bursts) = &mut *source;
    loop {
        let wait = bursts.next_end().map(|at| at.saturating_sub(clock.uptime()));
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let output = tokio::select! {
            output = outputs.recv() => output,
            () = due => {
                list_digests(bursts, clock.uptime(), &notices);
                continue;
            }
        };
        match output {
            Some(Announcement::Transition(transition)) => {
                let fired = transition.change == Change::Fired;
                let level = if fired { Level::Error } else { Level::Info };
                let text = transition.to_string();
                match bursts.is_individual(&transition, clock.uptime()) {
                    // Two keys may have the same text.
                    true => notices.add_always(level, text),
                    false => notices.say(level, &text),
                }
            }
            Some(other) => notices.add(level_of(&other), other.to_string()),
            None => break,
        }
    }
    // No more output will come: lists all remaining counts.
    list_digests(bursts, std::time::Duration::MAX, &notices);
}

fn list_digests(bursts: &mut Bursts, now: std::time::Duration, notices: &Notices) {
    for (level, text) in bursts.take_ended(now) {
        notices.list(level, text);
    }
}

fn level_of(output: &Announcement) -> Level {
    match output {
        Announcement::ClockSkew { .. }
        | Announcement::Late { .. }
        | Announcement::ClockBack { .. } => Level::Warning,
        Announcement::Transition(_) | Announcement::Earlier { .. } => Level::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{EventLocation, Transition};
    use crate::base::{SystemClock, Timestamp};
    use crate::event::GenerationId;

    #[tokio::test]
    async fn alerts_of_two_keys_with_the_same_text_are_two_messages() {
        let transition = |incident| Transition {
            rule: "errors".into(),
            incident,
            limit: "5 in 5 min".into(),
            key: "[sealed]".into(),
            change: Change::Fired,
            count: 5,
            first: Timestamp::default(),
            last: Timestamp::default(),
            place: EventLocation { generation: GenerationId(1), offset: 0 },
        };
        let (sender, receiver) = mpsc::channel(4);
        for incident in [1, 2] {
            sender.send(Announcement::Transition(transition(incident))).await.unwrap();
        }
        drop(sender);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let notices = Notices::new(clock.clone());
        report(Arc::new(Mutex::new((receiver, Bursts::default()))), notices.clone(), clock).await;
        assert_eq!(notices.all().len(), 2);
    }
}
