//! How an engine ends: told to stop, or because nothing more will come.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::Engine;
use crate::app::sinks;
use crate::event::status::EngineState;
use crate::event::{Command, Level};
use crate::follow::{Changes, Log};
use crate::sink::stdout::READER_GONE;

/// A sink drains for ten seconds and commits; behind that its disk or its server hangs, and nobody waits any more.
const LONGEST_END: Duration = Duration::from_secs(60);

/// What takes longer at the end is said.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
const WAITS_FOR_RULES: &str = "stopping: everything is delivered; waits until the alert rules have read what came last, \
    which takes up to half a minute where files are read slowly; a signal ends it at once";

/// So often the end of the input is looked for where nothing is told.
const LOOK: Duration = Duration::from_secs(1);
/// What came last is in the log within milliseconds; behind that it cannot be read.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Pends until standard input has ended and everything that came is in the log, or cannot be read now: a directory that
/// takes no unpacked copy, a state on a full disk.
pub(super) async fn input_is_through(log: &Log, changes: &Changes) {
    let mut patience = Patience::default();
    while !log.input_is_through() {
        let since = Instant::now();
        tokio::select! {
            () = changes.changed() => drop(changes.take()),
            () = tokio::time::sleep(LOOK) => {}
        }
        if !log.input_is_open() && patience.is_over(log.input_is_unpacked(), since.elapsed()) {
            break;
        }
    }
}

/// How long nothing was done for what came by standard input, since it ended.
#[derive(Debug, Default)]
struct Patience(Duration);

impl Patience {
    /// `at_work`: it is being unpacked, which takes as long as it takes. A look that took longer than it should says
    /// that the machine is busy or the process was stopped, not that nothing can be read.
    fn is_over(&mut self, at_work: bool, passed: Duration) -> bool {
        if !at_work {
            self.0 += passed.min(LOOK);
        }
        self.0 > LONGEST_LOOK
    }
}

impl Engine {
    /// Where standard input is all there is: its end is the end, once what came is delivered.
    pub fn end_with_input(&mut self) {
        self.ends_with_input = true;
    }

    /// It ends by itself when everything is delivered; from the beginning, or since the input has ended.
    pub fn is_once(&self) -> bool {
        self.maker.once
    }

    /// Whoever read our standard output has seen enough: a reason to end, and no failure.
    pub(super) fn say_that_nobody_reads(&self) {
        let text = format!("{READER_GONE}; what it has not taken comes at the next start");
        self.maker.notices.add(Level::Info, text);
    }

    /// Nothing more will come: as with `--once`, what is there is delivered.
    pub(super) fn finish(&mut self) {
        self.maker.once = true;
        let text = "what came by standard input is delivered, then this ends";
        self.maker.notices.add(Level::Info, text.to_owned());
        for sink in &self.sinks {
            sink.finish(&self.tasks);
        }
    }

    /// Drains, commits, ends every task and waits for it.
    pub async fn stop(mut self) {
        let _ = self.state.send(EngineState::Draining);
        let inputs = std::mem::take(&mut self.input);
        // Each waits until what was read is kept.
        let _ = tokio::task::spawn_blocking(move || drop(inputs)).await;
        let open = sinks::stop(std::mem::take(&mut self.sinks), LONGEST_END).await;
        if !open.is_empty() {
            tracing::error!(
                sinks = open.join(", "),
                "have not ended in {} s; what is not confirmed is sent at the next start",
                LONGEST_END.as_secs()
            );
        }
        if self.ended_by_itself {
            self.wait_for_rules().await;
        }
        self.alerts.stop().await;
        self.commit_for_the_last_time().await;
        // Last: what the log has counted at its end is told.
        self.stop.cancel();
        let _ = self.state.send(EngineState::Stopped);
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Until the rules have read everything that is there, or somebody asks for the end.
    async fn wait_for_rules(&mut self) {
        let ended = self.maker.log.supervisor().ended().clone();
        self.alerts.finish.cancel();
        let mut silent = pin!(tokio::time::sleep(LONGEST_SILENCE));
        let mut told = false;
        loop {
            tokio::select! {
                () = self.alerts.ended() => return,
                () = &mut silent, if !told => {
                    told = true;
                    self.maker.notices.add(Level::Info, WAITS_FOR_RULES.to_owned());
                }
                () = ended.cancelled() => return,
                command = self.orders.recv() => {
                    if matches!(command, None | Some(Command::Stop)) {
                        return;
                    }
                }
            }
        }
    }

    /// Side by side: a log that is broken keeps no position from being written.
    async fn commit_for_the_last_time(&self) {
        let (log, store) = (self.maker.log.clone(), self.maker.store.clone());
        if let Err(error) = tokio::task::spawn_blocking(move || log.stop()).await {
            tracing::error!("following could not be ended in order: {}", reason_of(error));
        }
        match tokio::task::spawn_blocking(move || store.commit()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(
                %error,
                "the last positions could not be written; some events will be read again"
            ),
            Err(error) => tracing::error!(
                "the last positions could not be written ({}); some events will be read again",
                reason_of(error)
            ),
        }
    }
}

/// Of a task that did not end by itself.
pub(super) fn reason_of(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => crate::base::supervisor::reason(&*panic),
        Err(_) => "it was aborted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_is_being_unpacked_is_waited_for_and_one_that_cannot_be_read_is_not() {
        let mut patience = Patience::default();
        assert!((0..1_000).all(|_| !patience.is_over(true, LOOK)), "an hour to unpack");
        // The process was stopped meanwhile.
        assert!(!patience.is_over(false, Duration::from_secs(3600)));
        assert!((0..9).all(|_| !patience.is_over(false, LOOK)));
        assert!(patience.is_over(false, LOOK));
    }
}
