//! Alert rules: counts matching events in windows, and announces when a rule is firing or resolved.
//!
//! [`Engine`] is pure: events and times in, [`Transition`]s out. Events and their own times alone decide whether a rule
//! fires; the wall clock is used only to resolve an incident after silence. [`Consumer`] reads events from the shared
//! log; old incidents that it finds in existing files are announced only as a count. No event is stored, and only the
//! clock that is passed in is read.

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

pub use announcer::Announcement;
pub use consumer::{Consumer, Outputs, PART, Rules};
pub use engine::Engine;
pub use rule::{RuleConfig, defaults, demo_rules};
pub use transition::{Change, EventLocation, Transition};
