//! The rules while an engine runs: started, told as messages, stopped.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alert_digest::Bursts;
use crate::alert::{self, Change, Rules, Told};
use crate::app::settings::Settings;
use crate::app::sinks::Maker;
use crate::app::status_board::Notices;
use crate::base::{Clock, OnPanic};
use crate::event::Level;
use crate::event::status::RuleStatus;

/// How long a stop waits for what the rules read just now.
const LAST_TURN: std::time::Duration = std::time::Duration::from_secs(2);
/// Name of the task that tells of them in failure messages.
const TELLER: &str = "alert messages";

/// The rules at work.
pub(super) struct Alerts {
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
    /// No more will come: they end when everything that is there is evaluated.
    pub finish: CancellationToken,
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
}

impl Alerts {
    pub fn start(
        maker: &Maker,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Alerts {
        Alerts::run(maker, settings, stop, tasks, |rules| rules)
    }

    /// After others that have told what came live until now.
    pub fn start_again(
        maker: &Maker,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Alerts {
        Alerts::run(maker, settings, stop, tasks, Rules::after_others)
    }

    fn run(
        maker: &Maker,
        settings: &Settings,
        stop: &CancellationToken,
        tasks: &TaskTracker,
        prepare: impl FnOnce(Rules) -> Rules,
    ) -> Alerts {
        let (log, clock) = (maker.log.clone(), maker.clock.clone());
        let supervisor = log.supervisor();
        let policy = Arc::new(settings.privacy.policy().with_keys(maker.sealer.clone()));
        let configured = settings.rules.clone();
        let (rules, outputs) = Rules::new(log, configured, &policy, clock.clone(), maker.once);
        let rules = prepare(rules);
        let told = Arc::new(Mutex::new((outputs.told, Bursts::default())));
        let notices = maker.notices.clone();
        let telling = move || tell(told.clone(), notices.clone(), clock.clone());
        let telling = supervisor.clone().task(TELLER, OnPanic::Restart, stop.clone(), telling);
        tasks.spawn(telling);
        let (stop, finish) = (stop.child_token(), rules.finish());
        // With `--once` all that fired would be told again.
        let on_panic = if maker.once { OnPanic::End } else { OnPanic::Restart };
        let until = stop.clone();
        let consume = move || rules.consumer().run(until.clone());
        let consuming = supervisor.task(alert::PART, on_panic, stop.clone(), consume);
        Alerts { task: Some(tokio::spawn(consuming)), stop, finish, statuses: outputs.statuses }
    }

    /// Returns when nothing of it runs any more, but perhaps a reading whose result nobody hears of: rules keep nothing
    /// that would have to be written.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let late = tokio::time::timeout(LAST_TURN, self.ended()).await.is_err();
        if let Some(task) = self.task.take().filter(|_| late) {
            task.abort();
            let _ = task.await;
        }
    }

    /// Pends until they have ended by themselves.
    pub async fn ended(&mut self) {
        if let Some(task) = &mut self.task {
            let _ = task.await;
            self.task = None;
        }
    }
}

#[cfg(test)]
impl Alerts {
    /// Rules that have always more to read.
    pub(super) fn that_read_on() -> Alerts {
        let (stop, finish) = (CancellationToken::new(), CancellationToken::new());
        let until = stop.clone();
        let task = Some(tokio::spawn(async move { until.cancelled().await }));
        Alerts { task, stop, finish, statuses: watch::channel(Vec::new()).1 }
    }
}

type Heard = Arc<Mutex<(mpsc::Receiver<Told>, Bursts)>>;

/// What rules have to say is a message: a line on standard error, or one on the screen. Of many at once standard error
/// gets each, the list of the newest ones a few and the number of the others.
async fn tell(heard: Heard, notices: Notices, clock: Arc<dyn Clock>) {
    let mut heard = heard.lock().await;
    let (told, bursts) = &mut *heard;
    loop {
        let wait = bursts.next().map(|at| at.saturating_sub(clock.uptime()));
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let told = tokio::select! {
            told = told.recv() => told,
            () = due => {
                sum_up(bursts, clock.uptime(), &notices);
                continue;
            }
        };
        match told {
            Some(Told::Transition(transition)) => {
                let fired = transition.change == Change::Fired;
                let level = if fired { Level::Error } else { Level::Info };
                let text = transition.to_string();
                match bursts.is_told(&transition, clock.uptime()) {
                    // Of two keys the same text may be told.
                    true => notices.answer(level, text),
                    false => notices.say(level, &text),
                }
            }
            Some(other) => notices.add(level_of(&other), other.to_string()),
            None => break,
        }
    }
    // The end: nothing more will come.
    sum_up(bursts, std::time::Duration::MAX, &notices);
}

fn sum_up(bursts: &mut Bursts, now: std::time::Duration, notices: &Notices) {
    for (level, text) in bursts.over(now) {
        notices.list(level, text);
    }
}

fn level_of(told: &Told) -> Level {
    match told {
        Told::Skewed { .. } | Told::Late { .. } | Told::ClockBack { .. } => Level::Warning,
        Told::Transition(_) | Told::Earlier { .. } => Level::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Place, Transition};
    use crate::base::{SystemClock, Timestamp};
    use crate::event::GenerationId;

    #[tokio::test]
    async fn alerts_of_two_keys_that_are_told_alike_are_two_messages() {
        let transition = |incident| Transition {
            rule: "errors".into(),
            incident,
            limit: "5 in 5 min".into(),
            key: "[sealed]".into(),
            change: Change::Fired,
            count: 5,
            first: Timestamp::default(),
            last: Timestamp::default(),
            place: Place { generation: GenerationId(1), offset: 0 },
        };
        let (told, hears) = mpsc::channel(4);
        for incident in [1, 2] {
            told.send(Told::Transition(transition(incident))).await.unwrap();
        }
        drop(told);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let notices = Notices::new(clock.clone());
        tell(Arc::new(Mutex::new((hears, Bursts::default()))), notices.clone(), clock).await;
        assert_eq!(notices.all().len(), 2);
    }
}
