//! Letters → requests → what became of each. As patient as a person at a terminal: some tries, then it says why
//! not.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::base::backoff::Backoff;
use crate::base::with_causes;
use crate::sink::dead_letters::DeadLetter;
use crate::sink::{Delivery, Items, Outcome, Refusal, Sink, SinkError};

/// Failures in a row, with the waits of a back-off between them.
const TRIES: u32 = 6;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    Delivered {
        duplicate: bool,
    },
    Refused {
        refusal: Refusal,
        target: String,
    },
    /// Not taken now.
    Left,
    /// It cannot be sent as it is.
    Unfit(String),
}

pub(super) struct Sending {
    sink: Arc<dyn Sink>,
    runtime: Handle,
    stop: CancellationToken,
    backoff: Backoff,
    failures: u32,
    /// Why nothing more is sent.
    pub given_up: Option<String>,
    /// Why one of the targets takes nothing now.
    blocked: Option<String>,
}

/// Encoded letters, and which of them each item is.
#[derive(Default)]
struct Part {
    items: Items,
    which: Vec<usize>,
}

impl Sending {
    pub fn new(sink: Arc<dyn Sink>, runtime: Handle, stop: CancellationToken) -> Self {
        Sending {
            sink,
            runtime,
            stop,
            backoff: Backoff::new(7),
            failures: 0,
            given_up: None,
            blocked: None,
        }
    }

    pub fn problems(&mut self, sink: &str) -> Vec<String> {
        let problems = [self.given_up.as_ref(), self.blocked.as_ref()].into_iter().flatten();
        problems.map(|problem| format!("sink {sink}: {problem}")).collect()
    }

    /// One fate a letter.
    pub fn send(&mut self, letters: &[&DeadLetter]) -> Vec<Fate> {
        let mut fates = vec![Fate::Left; letters.len()];
        let mut whole = Part::default();
        for (index, letter) in letters.iter().enumerate() {
            match letter.outgoing() {
                Ok(event) => {
                    self.sink.encode(&event, &mut whole.items.body);
                    whole.items.ends.push(whole.items.body.len());
                    whole.which.push(index);
                }
                Err(error) => {
                    fates[index] = Fate::Unfit(with_causes(&error));
                }
            }
        }
        let mut open = vec![whole];
        while let Some(part) = open.pop() {
            if part.which.is_empty() || self.given_up.is_some() {
                continue;
            }
            let Part { items, which } = part;
            match self.deliver(items) {
                Some((items, delivery)) => {
                    open.extend(self.settle(Part { items, which }, delivery, &mut fates));
                }
                None => self.given_up = Some("stopped".to_owned()),
            }
        }
        fates
    }

    /// `None`: it was stopped, and the items are gone; the letters stay.
    fn deliver(&self, items: Items) -> Option<(Items, Delivery)> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                delivered = self.sink.deliver(items) => Some(delivered),
            }
        })
    }

    /// What has to be sent again.
    fn settle(&mut self, part: Part, delivery: Delivery, fates: &mut [Fate]) -> Vec<Part> {
        let all = |outcome: Outcome| vec![outcome; part.which.len()];
        let outcomes = match delivery {
            Delivery::Each(outcomes) if outcomes.len() == part.which.len() => outcomes,
            Delivery::Each(outcomes) => {
                let (sent, answered) = (part.which.len(), outcomes.len());
                return self.again(part, format!("{answered} answers for {sent} events"), None);
            }
            Delivery::TooLarge(_) if part.which.len() > 1 => return part.halves(),
            Delivery::TooLarge(_) => all(Outcome::Reject(Refusal::too_large())),
            Delivery::All(outcome) => all(outcome),
            Delivery::Busy(after) => all(Outcome::Retry(after)),
            Delivery::Blocked(reason) | Delivery::Down(SinkError::Misconfigured(reason)) => {
                self.given_up = Some(reason);
                return Vec::new();
            }
            Delivery::Down(SinkError::Unavailable(reason)) => {
                return self.again(part, reason, None);
            }
        };
        let (mut retries, mut after) = (Vec::new(), None);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let target = || self.sink.target(part.items.item(index)).to_owned();
            let refused = |refusal| Fate::Refused { refusal, target: target() };
            fates[part.which[index]] = match outcome {
                Outcome::Done | Outcome::Dropped => Fate::Delivered { duplicate: false },
                Outcome::Duplicate => Fate::Delivered { duplicate: true },
                Outcome::Reject(refusal) | Outcome::Fails { refusal, .. } => refused(refusal),
                Outcome::Retry(wait) => {
                    after = after.max(wait);
                    retries.push(index);
                    continue;
                }
                Outcome::Blocked(reason) => {
                    self.blocked = Some(reason);
                    continue;
                }
                // Only a commit of the sink, which is the worker's, would prove anything.
                Outcome::Accepted => continue,
            };
        }
        if retries.is_empty() {
            self.works();
            return Vec::new();
        }
        if retries.len() < part.which.len() {
            self.works();
        }
        self.again(part.only(&retries), "the target asked to retry later".to_owned(), after)
    }

    fn works(&mut self) {
        self.failures = 0;
        self.backoff.reset();
    }

    /// Waits and tries once more, or gives up.
    fn again(&mut self, part: Part, reason: String, after: Option<Duration>) -> Vec<Part> {
        self.failures += 1;
        if self.failures >= TRIES {
            self.given_up = Some(reason);
            return Vec::new();
        }
        let wait = self.backoff.next_wait().max(after.unwrap_or_default());
        self.runtime.block_on(async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        });
        vec![part]
    }
}

impl Part {
    fn only(&self, indices: &[usize]) -> Part {
        let mut part = Part::default();
        for &index in indices {
            part.items.push(self.items.item(index));
            part.which.push(self.which[index]);
        }
        part
    }

    fn halves(&self) -> Vec<Part> {
        let all: Vec<usize> = (0..self.which.len()).collect();
        let (first, second) = all.split_at(all.len() / 2);
        vec![self.only(second), self.only(first)]
    }
}
