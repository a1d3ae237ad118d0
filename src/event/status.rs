//! What the screen, another screen and the status lines are told: plain data, replaced as a whole.

use serde::{Deserialize, Serialize};

use super::file_list::FileList;
pub use super::file_status::{FileState, FileStatus};
use super::generation::Cursor;
use super::level::{Level, LevelCounts};
use crate::base::Timestamp;

/// One look at the whole engine. The newest replaces the one before; nobody waits for a reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub engine: EngineState,
    pub files: FileList,
    /// Files that are there and could not be opened.
    #[serde(default)]
    pub unopened: u64,
    /// Compressed files that are damaged or cut short: what else they held could not be read.
    #[serde(default)]
    pub torn: u64,
    /// Bytes destroyed by truncation or deletion before everybody had read them, since the start.
    #[serde(default)]
    pub lost: u64,
    /// Bytes of standard input that were no text or could not be unpacked, since the start.
    #[serde(default)]
    pub unread_input: u64,
    /// Compressed inputs that ended early.
    #[serde(default)]
    pub cut_inputs: u64,
    pub sinks: Vec<SinkStatus>,
    /// Sinks whose worker broke, by a fault of ours, and is not at work again.
    #[serde(default)]
    pub broken: Vec<String>,
    /// Other parts of the engine that failed by a fault of ours and are not at work again.
    #[serde(default)]
    pub down: Vec<String>,
    pub rules: Vec<RuleStatus>,
    /// What the operator should know and can do something about; newest last.
    pub notices: Vec<Notice>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    #[default]
    Starting,
    Running,
    /// Another process owns the state: this one shows and ships nothing.
    ViewOnly {
        reason: String,
    },
    /// Delivering what is read before it ends.
    Draining,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkStatus {
    pub name: String,
    pub kind: String,
    pub state: SinkState,
    /// Events since the start of this engine.
    pub confirmed_events: u64,
    /// Where every byte is that this sink is to deliver.
    #[serde(default)]
    pub bytes: Bytes,
    pub duplicates: u64,
    /// Confirmed, but dropped by the target's own rules: a pipeline of the server.
    #[serde(default)]
    pub dropped_events: u64,
    pub filtered_events: u64,
    pub dead_letters: u64,
    /// Values of fewer than 4 characters, sealed in their own field only, of events that were made ready to leave.
    #[serde(default)]
    pub unprotected_values: u64,
    /// Events a second, over the last seconds.
    pub rate: f64,
    pub in_flight_events: u64,
    /// Bytes that are in the files and not yet confirmed.
    pub behind_bytes: u64,
    /// Estimate from bytes and the mean size of an event.
    pub behind_events: u64,
    /// The time at which the oldest unconfirmed event was read, if one waits.
    pub oldest_waiting: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    /// Who has paused it; also while a round is shipped, or nothing can be delivered anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// It delivers what was there when somebody asked for it, and is not through.
    #[serde(default)]
    pub round: bool,
    /// Why it cannot go on in some file, while it does in the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
    /// Why one of its targets takes nothing now, while the others go on.
    #[serde(default)]
    pub blocked: Option<String>,
    /// The event that somebody looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl SinkStatus {
    /// Nothing has happened yet.
    pub fn new(name: &str, kind: &str) -> Self {
        SinkStatus {
            name: name.to_owned(),
            kind: kind.to_owned(),
            state: SinkState::Idle,
            confirmed_events: 0,
            bytes: Bytes::default(),
            duplicates: 0,
            dropped_events: 0,
            filtered_events: 0,
            dead_letters: 0,
            unprotected_values: 0,
            rate: 0.0,
            in_flight_events: 0,
            behind_bytes: 0,
            behind_events: 0,
            oldest_waiting: None,
            last_success: None,
            last_error: None,
            paused_by: None,
            round: false,
            stuck: None,
            blocked: None,
            asked: None,
        }
    }
}

/// One event, and where it is on its way to this sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub place: Cursor,
    pub state: LineState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Delivered,
    /// The sink's settings leave it out.
    Filtered,
    /// Sent and not answered, or accepted and not durable.
    InFlight,
    /// In the file, or read and to be tried again.
    Waiting,
    /// Refused for good, and kept.
    DeadLetter,
    /// Destroyed before it was read.
    Lost,
    /// It stands before the place at which its source began.
    BeforeStart,
    /// The file is not followed yet.
    Unknown,
}

/// The account of one sink in bytes of the logs, since the start of this engine. At every moment
/// `seen = confirmed + filtered + in_flight + waiting + dead_letters + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    pub seen: u64,
    pub confirmed: u64,
    pub filtered: u64,
    /// Sent and not answered, or accepted and not committed.
    pub in_flight: u64,
    /// In the files, or read and to be tried again.
    pub waiting: u64,
    pub dead_letters: u64,
    /// Destroyed by truncation or deletion before they were read.
    pub lost: u64,
}

impl Bytes {
    pub fn adds_up(&self) -> bool {
        let done = self.confirmed + self.filtered + self.dead_letters + self.lost;
        self.seen == done + self.in_flight + self.waiting
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    /// Ready, but nothing leaves before the operator asks for it.
    Armed,
    Idle,
    Shipping,
    /// Between two rounds; `next`: when the next one is due by time.
    Resting {
        next: Option<Timestamp>,
    },
    Paused {
        by: String,
        since: Timestamp,
    },
    /// Tries again at `next`.
    BackingOff {
        next: Timestamp,
        attempts: u32,
    },
    /// Needs a person.
    Blocked {
        reason: String,
    },
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleStatus {
    pub name: String,
    /// For people: `level:error ≥ 5 in 5 min`.
    pub condition: String,
    pub limit: u64,
    /// The group with the highest count: matches in the window now.
    pub count: u64,
    /// The group that has it, empty where the rule has no `by`.
    pub key: String,
    pub state: RuleState,
    pub last_fired: Option<Timestamp>,
    /// Matches per twelfth of the window, oldest first.
    pub history: Vec<u64>,
    pub fired: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    #[default]
    Inactive,
    Firing,
    Resolved,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub time: Timestamp,
    pub level: Level,
    pub text: String,
}

/// Those of now that were not there before.
pub fn new_notices<'a>(
    before: &'a [Notice],
    now: &'a [Notice],
) -> impl Iterator<Item = &'a Notice> {
    now.iter().filter(|notice| !before.contains(notice))
}

/// Events per level of one file, as far as it has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub levels: LevelCounts,
    pub counted_bytes: u64,
}
