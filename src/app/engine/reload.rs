//! Other settings while it runs. Unchanged parts keep running; a sink that changes drains and begins again from its
//! cursor, so nothing is lost and nothing comes twice.
//!
//! A configuration with an error changes nothing. What cannot change now is said, and takes effect at the next start.
//!
//! In this order: consumers that end or change, the sources, consumers that are new. So none of them sees a file
//! vanish that is only read otherwise.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Alerts, Engine, Settings};
use crate::app::intake;
use crate::app::sinks::{self, Left, Recipe, Running};
use crate::base::with_causes;
use crate::event::{Command, Level};

/// Reads the configuration again; else what is wrong with it, a line each. Blocking.
pub type Reread = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

impl Engine {
    /// Breaks where a stop was asked for meanwhile.
    pub(super) async fn reload(&mut self, reread: &Reread) -> ControlFlow<()> {
        let reread = reread.clone();
        let read = tokio::task::spawn_blocking(move || reread()).await;
        match read.unwrap_or_else(|error| Err(vec![error.to_string()])) {
            Ok(settings) => self.take_over(settings).await,
            Err(problems) => {
                for problem in problems {
                    self.maker.notices.answer(Level::Error, problem);
                }
                self.maker.notices.answer(
                    Level::Error,
                    "the configuration has errors; nothing was changed, and the old settings stay in force"
                        .to_owned(),
                );
                ControlFlow::Continue(())
            }
        }
    }

    async fn take_over(&mut self, new: Settings) -> ControlFlow<()> {
        let new = self.settle_what_stays(new);
        let reads_otherwise = !self.settings.sources.iter().all(|old| {
            new.sources.iter().any(|source| source.name == old.name && source.reads_as(old))
        });
        let recipes = if self.owner { sinks::recipes(&new) } else { Vec::new() };
        let stays = |sink: &Running| recipes.iter().any(|recipe| sink.stays(recipe));
        let (stay, leave) = std::mem::take(&mut self.sinks)
            .into_iter()
            .partition(|sink: &Running| !reads_otherwise && stays(sink));
        self.sinks = stay;
        let left = self.drain(leave).await?;
        // Rules hold what is hidden of their keys, too.
        let other_rules = self.settings.rules != new.rules || self.settings.privacy != new.privacy;
        if other_rules || reads_otherwise {
            self.alerts.stop().await;
        }
        let own = intake::own(&new, &self.intake);
        if self.settings.sources != new.sources || own != intake::own(&self.settings, &self.intake)
        {
            let sources = intake::sources(&new, &self.intake);
            let log = self.maker.log.clone();
            log.set_own(own);
            let _ = tokio::task::spawn_blocking(move || log.set_sources(sources)).await;
        }
        if other_rules || reads_otherwise {
            self.alerts = Alerts::start_again(&self.maker, &new, &self.stop, &self.tasks);
        }
        let text = changes(&self.settings, &new, &recipes, &left);
        self.settings = new;
        self.offer_metrics().await;
        self.broken.take_up(&recipes);
        self.start_missing(recipes, left).await;
        self.introduce();
        self.maker.notices.answer(Level::Info, text);
        ControlFlow::Continue(())
    }

    /// Obeys while it waits; breaks where a stop was asked for.
    async fn drain(&mut self, mut leave: Vec<Running>) -> ControlFlow<(), Vec<Left>> {
        leave.iter_mut().for_each(Running::stop);
        loop {
            let command = tokio::select! {
                () = sinks::all_finished(&mut leave) => {
                    return ControlFlow::Continue(leave.into_iter().map(Running::leave).collect());
                }
                command = self.orders.recv() => command,
            };
            match command {
                None | Some(Command::Stop) => {
                    self.sinks.extend(leave);
                    return ControlFlow::Break(());
                }
                Some(command) => {
                    leave.iter_mut().for_each(|sink| sink.note(&command));
                    self.pass_on(&command);
                }
            }
        }
    }

    async fn start_missing(&mut self, recipes: Vec<Recipe>, mut left: Vec<Left>) {
        left.append(&mut self.off);
        for (place, recipe) in recipes.into_iter().enumerate() {
            let at_work = self.sinks.iter().any(|sink| sink.name() == recipe.name());
            if at_work || self.broken.has(recipe.name()) {
                continue;
            }
            let before = left.iter().find(|left| left.name == recipe.name()).cloned();
            let before = before.unwrap_or_else(|| Left::nothing(recipe.name()));
            match self.maker.start(&self.settings, recipe, &before).await {
                Ok(sink) => self.sinks.insert(place.min(self.sinks.len()), sink),
                Err(error) => {
                    let text = format!("{}; it is off until the next reload", with_causes(&error));
                    self.maker.notices.answer(Level::Error, text);
                    self.off.push(before);
                }
            }
        }
    }

    /// What an engine is begun with stays as it is.
    fn settle_what_stays(&self, new: Settings) -> Settings {
        let old = &self.settings;
        let has_screen = self.maker.notices.console().is_none();
        let fixed = [
            ("state_dir", old.directories != new.directories),
            ("privacy.keys", old.keys != new.keys),
            ("privacy, for the mask of the screen,", has_screen && old.privacy != new.privacy),
            ("intake.most", old.intake_most != new.intake_most),
            ("screen.mask", old.masked != new.masked),
            ("host_id", old.host_id != new.host_id),
            ("host_name", old.host_name != new.host_name),
            ("dead_letters.most", old.dead_letters_most != new.dead_letters_most),
            ("log_level", old.log_level != new.log_level),
        ];
        for (name, _) in fixed.iter().filter(|(_, changed)| *changed) {
            let text = format!("{name} was changed; the change takes effect at the next start");
            self.maker.notices.answer(Level::Warning, text);
        }
        Settings {
            directories: old.directories.clone(),
            keys: old.keys.clone(),
            makes_keys: old.makes_keys,
            stdin: old.stdin,
            pipes: old.pipes.clone(),
            dead_letters_most: old.dead_letters_most,
            intake_most: old.intake_most,
            masked: old.masked,
            host_id: old.host_id.clone(),
            host_name: old.host_name.clone(),
            log_level: old.log_level.clone(),
            ..new
        }
    }
}

/// `the configuration was read again: sink es: begun again, source web: new`.
fn changes(old: &Settings, new: &Settings, recipes: &[Recipe], left: &[Left]) -> String {
    let mut told = Vec::new();
    for source in &new.sources {
        match old.sources.iter().find(|other| other.name == source.name) {
            None => told.push(format!("source {}: new", source.name)),
            Some(other) if other != source => told.push(format!("source {}: changed", source.name)),
            Some(_) => {}
        }
    }
    let gone = |name: &str| !new.sources.iter().any(|source| *source.name == *name);
    let gone = old.sources.iter().filter(|source| gone(&source.name));
    told.extend(gone.map(|source| format!("source {}: no longer read", source.name)));
    for sink in left {
        let again = recipes.iter().any(|recipe| recipe.name() == sink.name);
        let how = if again { "goes on from its cursor" } else { "ended, its cursor is kept" };
        told.push(format!("sink {}: {how}", sink.name));
    }
    let known = |recipe: &&Recipe| old.sinks.iter().any(|s| s.enabled && s.name == recipe.name());
    let added = recipes.iter().filter(|recipe| !known(recipe));
    told.extend(added.map(|recipe| format!("sink {}: new", recipe.name())));
    if old.rules != new.rules {
        told.push("rules: changed".to_owned());
    }
    if old.privacy != new.privacy {
        told.push("privacy: changed".to_owned());
    }
    if old.metrics != new.metrics {
        told.push("metrics: changed".to_owned());
    }
    if told.is_empty() {
        told.push("nothing is different".to_owned());
    }
    format!("the configuration was read again: {}", told.join("; "))
}
