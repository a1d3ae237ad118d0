//! Rules over events: windows, thresholds, and who is told what.
//!
//! [`Engine`] is pure: events and times in, [`Transition`]s out. What fires is decided by the events and their own
//! times alone; the wall clock only says when silence means that it is over. [`Consumer`] pulls events from the shared
//! log, and counts what stood in a file at the first look and is long past. Never holds an event, never asks for the
//! time itself.

mod announcer;
mod buckets;
mod clock_skew;
mod clock_step;
mod consumer;
mod engine;
mod event_time;
mod group;
mod rule;
mod threshold;
mod transition;
mod window;

pub use announcer::Told;
pub use consumer::{Consumer, Outputs, PART, Rules};
pub use engine::Engine;
pub use rule::{RuleConfig, defaults, demo_rules};
pub use transition::{Change, Place, Transition};
