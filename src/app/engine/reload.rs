//! Applies a changed configuration to the running engine. Unchanged parts keep running; a changed sink drains and
//! restarts from its cursor, so nothing is lost or delivered twice.
//!
//! A configuration with an error changes nothing. Settings that cannot change at run time are reported; they take
//! effect at the next start.
//!
//! Order: ending and changed consumers stop, sources change, new consumers start. So no consumer sees a file disappear
//! only because its source changed.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Alerts, Engine, Settings};
use crate::app::intake;
use crate::app::sinks::{self, KeptOrders, RunningSink, SinkSpec};
use crate::base::with_causes;
use crate::event::{Command, Level};

/// Reads the configuration again, or returns its errors, one line each. Blocking.
pub type ReadSettings = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

impl Engine {
    /// Reads the configuration again and applies it. Returns `Break` if a stop was requested meanwhile.
    pub(super) async fn reload(&mut self, read_settings: &ReadSettings) -> ControlFlow<()> {
        let read_settings = read_settings.clone();
        let read = tokio::task::spawn_blocking(move || read_settings()).await;
        match read.unwrap_or_else(|error| Err(vec![error.to_string()])) {
            Ok(settings) => self.apply(settings).await,
            Err(problems) => {
                for problem in problems {
                    self.starter.notices.add_always(Level::Error, problem);
                }
                self.starter.notices.add_always(
                    Level::Error,
                    "the configuration has errors; nothing was changed, the previous settings stay in effect"
                        .to_owned(),
                );
                ControlFlow::Continue(())
            }
        }
    }

    async fn apply(&mut self, new: Settings) -> ControlFlow<()> {
        let new = self.with_fixed_settings(new);
        let has_other_sources = !self.settings.sources.iter().all(|old| {
            new.sources.iter().any(|source| source.name == old.name && source.reads_as(old))
        });
        let specs = if self.owner { sinks::specs(&new) } else { Vec::new() };
        let is_unchanged = |sink: &RunningSink| specs.iter().any(|spec| sink.is_unchanged(spec));
        let (unchanged, changed) = std::mem::take(&mut self.sinks)
            .into_iter()
            .partition(|sink: &RunningSink| !has_other_sources && is_unchanged(sink));
        self.sinks = unchanged;
        let kept = self.drain(changed).await?;
        // The privacy settings also decide how the keys of alerts are shown.
        let has_other_rules =
            self.settings.rules != new.rules || self.settings.privacy != new.privacy;
        if has_other_rules || has_other_sources {
            self.alerts.stop().await;
        }
        let own = intake::own(&new, &self.intake);
        if self.settings.sources != new.sources || own != intake::own(&self.settings, &self.intake)
        {
            let sources = intake::sources(&new, &self.intake);
            let log = self.starter.log.clone();
            log.set_own(own);
            let _ = tokio::task::spawn_blocking(move || log.set_sources(sources)).await;
        }
        if has_other_rules || has_other_sources {
            self.alerts = Alerts::restart(&self.starter, &new, &self.stop, &self.tasks);
        }
        let text = changes(&self.settings, &new, &specs, &kept);
        self.settings = new;
        self.update_metrics_endpoint().await;
        self.failed.restart_now(&specs);
        self.start_missing(specs, kept).await;
        self.publish_consumers();
        self.starter.notices.add_always(Level::Info, text);
        ControlFlow::Continue(())
    }

    /// Drains sinks and executes commands meanwhile. Returns `Break` if a stop was requested.
    async fn drain(&mut self, mut ending: Vec<RunningSink>) -> ControlFlow<(), Vec<KeptOrders>> {
        ending.iter_mut().for_each(RunningSink::stop);
        loop {
            let command = tokio::select! {
                () = sinks::all_finished(&mut ending) => {
                    let kept = ending.into_iter().map(RunningSink::into_orders).collect();
                    return ControlFlow::Continue(kept);
                }
                command = self.orders.recv() => command,
            };
            match command {
                None | Some(Command::Stop) => {
                    self.sinks.extend(ending);
                    return ControlFlow::Break(());
                }
                Some(command) => {
                    ending.iter_mut().for_each(|sink| sink.note(&command));
                    self.forward(&command);
                }
            }
        }
    }

    /// Starts the configured sinks that are not running, each with the orders that it had before.
    async fn start_missing(&mut self, specs: Vec<SinkSpec>, mut kept: Vec<KeptOrders>) {
        kept.append(&mut self.not_started);
        for (index, spec) in specs.into_iter().enumerate() {
            let is_running = self.sinks.iter().any(|sink| sink.name() == spec.name());
            if is_running || self.failed.has(spec.name()) {
                continue;
            }
            let before = kept.iter().find(|kept| kept.name == spec.name()).cloned();
            let before = before.unwrap_or_else(|| KeptOrders::none(spec.name()));
            match self.starter.start(&self.settings, spec, &before).await {
                Ok(sink) => self.sinks.insert(index.min(self.sinks.len()), sink),
                Err(error) => {
                    let text =
                        format!("{}; the sink is off until the next reload", with_causes(&error));
                    self.starter.notices.add_always(Level::Error, text);
                    self.not_started.push(before);
                }
            }
        }
    }

    /// Replaces settings that cannot change at run time with the current ones, and reports those that were changed.
    fn with_fixed_settings(&self, new: Settings) -> Settings {
        let old = &self.settings;
        let has_screen = self.starter.notices.console().is_none();
        let fixed = [
            ("state_dir", old.directories != new.directories),
            ("privacy.keys", old.keys != new.keys),
            ("privacy, for the mask of the screen,", has_screen && old.privacy != new.privacy),
            ("intake.most", old.intake_max_bytes != new.intake_max_bytes),
            ("screen.mask", old.masked != new.masked),
            ("host_id", old.host_id != new.host_id),
            ("host_name", old.host_name != new.host_name),
            ("dead_letters.most", old.dead_letters_max_bytes != new.dead_letters_max_bytes),
            ("log_level", old.log_level != new.log_level),
        ];
        for (name, _) in fixed.iter().filter(|(_, changed)| *changed) {
            let text = format!("{name} was changed; the change takes effect at the next start");
            self.starter.notices.add_always(Level::Warning, text);
        }
        Settings {
            directories: old.directories.clone(),
            keys: old.keys.clone(),
            makes_keys: old.makes_keys,
            stdin: old.stdin,
            pipes: old.pipes.clone(),
            dead_letters_max_bytes: old.dead_letters_max_bytes,
            intake_max_bytes: old.intake_max_bytes,
            masked: old.masked,
            host_id: old.host_id.clone(),
            host_name: old.host_name.clone(),
            log_level: old.log_level.clone(),
            ..new
        }
    }
}

/// The message after a reload: `configuration reloaded: source web: new; sink es: continues from its cursor`.
fn changes(old: &Settings, new: &Settings, specs: &[SinkSpec], restarted: &[KeptOrders]) -> String {
    let mut texts = Vec::new();
    for source in &new.sources {
        match old.sources.iter().find(|other| other.name == source.name) {
            None => texts.push(format!("source {}: new", source.name)),
            Some(other) if other != source => {
                texts.push(format!("source {}: changed", source.name))
            }
            Some(_) => {}
        }
    }
    let is_removed = |name: &str| !new.sources.iter().any(|source| *source.name == *name);
    let removed = old.sources.iter().filter(|source| is_removed(&source.name));
    texts.extend(removed.map(|source| format!("source {}: removed", source.name)));
    for sink in restarted {
        let is_configured = specs.iter().any(|spec| spec.name() == sink.name);
        let how = match is_configured {
            true => "continues from its cursor",
            false => "stopped, its cursor is kept",
        };
        texts.push(format!("sink {}: {how}", sink.name));
    }
    let known = |spec: &&SinkSpec| old.sinks.iter().any(|s| s.enabled && s.name == spec.name());
    let added = specs.iter().filter(|spec| !known(spec));
    texts.extend(added.map(|spec| format!("sink {}: new", spec.name())));
    if old.rules != new.rules {
        texts.push("rules: changed".to_owned());
    }
    if old.privacy != new.privacy {
        texts.push("privacy: changed".to_owned());
    }
    if old.metrics != new.metrics {
        texts.push("metrics: changed".to_owned());
    }
    if texts.is_empty() {
        texts.push("no changes".to_owned());
    }
    format!("configuration reloaded: {}", texts.join("; "))
}
