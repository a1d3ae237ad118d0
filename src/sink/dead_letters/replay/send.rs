//! Sends dead letters to their sink again, many per request, and determines the outcome of each. After several failed
//! tries it gives up and reports the reason.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::base::backoff::Backoff;
use crate::base::with_causes;
use crate::sink::dead_letters::DeadLetter;
use crate::sink::{Delivery, Items, Outcome, Refusal, Sink, SinkError};

/// Consecutive failures after which it gives up, with back-off between them.
const TRIES: u32 = 6;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum LetterOutcome {
    Delivered {
        duplicate: bool,
    },
    Refused {
        refusal: Refusal,
        target: String,
    },
    /// Neither accepted nor rejected: the letter stays as it is.
    NotTaken,
    /// The stored document cannot be sent.
    Unreadable(String),
}

pub(super) struct Sender {
    sink: Arc<dyn Sink>,
    runtime: Handle,
    stop: CancellationToken,
    backoff: Backoff,
    failures: u32,
    /// Why nothing more is sent; `None`: sending continues.
    pub given_up: Option<String>,
    /// Why one of the targets accepts nothing now.
    blocked: Option<String>,
}

/// Encoded letters for one request; `letters_of` has the index of each item's letter.
#[derive(Default)]
struct Part {
    items: Items,
    letters_of: Vec<usize>,
}

impl Sender {
    pub fn new(sink: Arc<dyn Sink>, runtime: Handle, stop: CancellationToken) -> Self {
        Sender {
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

    /// Sends these letters; returns one outcome per letter.
    pub fn send(&mut self, letters: &[&DeadLetter]) -> Vec<LetterOutcome> {
        let mut outcomes = vec![LetterOutcome::NotTaken; letters.len()];
        let mut whole = Part::default();
        for (index, letter) in letters.iter().enumerate() {
            match letter.outgoing() {
                Ok(event) => {
                    self.sink.encode(&event, &mut whole.items.body);
                    whole.items.ends.push(whole.items.body.len());
                    whole.letters_of.push(index);
                }
                Err(error) => {
                    outcomes[index] = LetterOutcome::Unreadable(with_causes(&error));
                }
            }
        }
        let mut open = vec![whole];
        while let Some(part) = open.pop() {
            if part.letters_of.is_empty() || self.given_up.is_some() {
                continue;
            }
            let Part { items, letters_of } = part;
            match self.deliver(items) {
                Some((items, delivery)) => {
                    open.extend(self.apply_delivery(
                        Part { items, letters_of },
                        delivery,
                        &mut outcomes,
                    ));
                }
                None => self.given_up = Some("stopped".to_owned()),
            }
        }
        outcomes
    }

    /// `None`: it was stopped, without an answer; the dead letters stay.
    fn deliver(&self, items: Items) -> Option<(Items, Delivery)> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                delivered = self.sink.deliver(items) => Some(delivered),
            }
        })
    }

    /// Records the outcome of each letter; returns the parts that have to be sent again.
    fn apply_delivery(
        &mut self,
        part: Part,
        delivery: Delivery,
        outcomes: &mut [LetterOutcome],
    ) -> Vec<Part> {
        let all = |outcome: Outcome| vec![outcome; part.letters_of.len()];
        let answers = match delivery {
            Delivery::Each(answers) if answers.len() == part.letters_of.len() => answers,
            Delivery::Each(outcomes) => {
                let (sent, answered) = (part.letters_of.len(), outcomes.len());
                return self.retry_later(
                    part,
                    format!("the target sent {answered} answers for {sent} events"),
                    None,
                );
            }
            Delivery::TooLarge(_) if part.letters_of.len() > 1 => return part.halves(),
            Delivery::TooLarge(_) => all(Outcome::Reject(Refusal::too_large())),
            Delivery::All(outcome) => all(outcome),
            Delivery::Busy(after) => all(Outcome::Retry(after)),
            Delivery::Blocked(reason) | Delivery::Down(SinkError::Misconfigured(reason)) => {
                self.given_up = Some(reason);
                return Vec::new();
            }
            Delivery::Down(SinkError::Unavailable(reason)) => {
                return self.retry_later(part, reason, None);
            }
        };
        let (mut retries, mut after) = (Vec::new(), None);
        for (index, answer) in answers.into_iter().enumerate() {
            let target = || self.sink.target(part.items.item(index)).to_owned();
            let refused = |refusal| LetterOutcome::Refused { refusal, target: target() };
            outcomes[part.letters_of[index]] = match answer {
                Outcome::Done | Outcome::Dropped => LetterOutcome::Delivered { duplicate: false },
                Outcome::Duplicate => LetterOutcome::Delivered { duplicate: true },
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
                // Without a commit of the sink, which only the worker does, `Accepted` does not mean delivered.
                Outcome::Accepted => continue,
            };
        }
        if retries.is_empty() {
            self.note_success();
            return Vec::new();
        }
        if retries.len() < part.letters_of.len() {
            self.note_success();
        }
        self.retry_later(part.only(&retries), "the target asked to retry later".to_owned(), after)
    }

    fn note_success(&mut self) {
        self.failures = 0;
        self.backoff.reset();
    }

    /// Waits and returns the part to be sent again, or gives up.
    fn retry_later(&mut self, part: Part, reason: String, after: Option<Duration>) -> Vec<Part> {
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
            part.letters_of.push(self.letters_of[index]);
        }
        part
    }

    fn halves(&self) -> Vec<Part> {
        let all: Vec<usize> = (0..self.letters_of.len()).collect();
        let (first, second) = all.split_at(all.len() / 2);
        vec![self.only(second), self.only(first)]
    }
}
