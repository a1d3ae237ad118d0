//! A history as a value: the setting it happens in, and its steps.
//!
//! A step carries everything that it needs, and does nothing where it does not apply (no rotated file to compress), so
//! that any part of a history is a history.

/// What a history happens in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub lines: Lines,
    /// Logs beside each other: `app.log`, `web.log`.
    pub logs: usize,
    pub paths: Paths,
    pub naming: Naming,
    /// Rotated files lie in the folder `old`.
    pub olddir: bool,
    /// The writer keeps its descriptor until it is told to open its log again.
    pub late: bool,
    pub pace: Pace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// JSON lines, each unlike any other.
    Json,
    /// The same, but each file begins with the same line: the hard case for identity.
    Header,
    /// As [`Lines::Header`], with a time before each line: a record ends where the next begins.
    Stamped,
}

/// What the source means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    Bare,
    Star,
    Ending,
    All,
    Folder,
    StarAndOld,
    BareAndOld,
    /// What was rotated, and the logs not.
    Rotated,
}

/// How logrotate calls what it rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `app.log.1`, `app.log.2` …: the names shift.
    Numbered,
    /// `app.log-20261129`.
    Dated,
    /// `app.1.log`, `app.2.log` …
    Extension,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The follower looks when a step says so, and never between two others.
    Stepped,
    /// It looks whenever it likes.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Keeps its cursors in the state, and one document an event id.
    Elastic,
    /// Keeps its own positions together with what it took.
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write {
        log: usize,
        lines: usize,
    },
    /// The first half of a line.
    Half {
        log: usize,
    },
    /// The rest of it.
    Finish {
        log: usize,
    },
    /// The writer opens its log again.
    Reopen {
        log: usize,
    },
    Rename {
        log: usize,
    },
    CopyTruncate {
        log: usize,
    },
    /// As to another file system: a copy, and the log is deleted.
    Carry {
        log: usize,
    },
    /// A copy, and the log goes on.
    Copy {
        log: usize,
    },
    /// The rotated file that is the newest of those that are not compressed.
    Compress {
        log: usize,
        packing: Packing,
        keep: bool,
    },
    /// Somebody adds lines to the newest rotated file.
    Extend {
        log: usize,
        lines: usize,
    },
    /// Deletes the oldest rotated file.
    Expire {
        log: usize,
    },
    Truncate {
        log: usize,
    },
    Delete {
        log: usize,
    },
    Recreate {
        log: usize,
        lines: usize,
    },
    /// An editor adds a line and puts a new file in the place of the log; its backup stays.
    Edit {
        log: usize,
    },
    /// The editor's backup goes.
    Tidy {
        log: usize,
    },
    /// The follower looks, for so long; who is there reads.
    Look {
        millis: u64,
    },
    /// So many events are taken, and not confirmed yet.
    Take {
        who: Who,
        events: usize,
    },
    Away {
        who: Who,
    },
    Back {
        who: Who,
    },
    /// The state is made durable.
    Commit,
    Stop,
    Start,
    /// Reads what is there, and ends.
    Once,
    Kill,
    /// The state directory is lost.
    Lose,
    /// A copy of the state directory is made.
    Keep,
    /// … and put in its place.
    Old,
    /// Other paths, or another name for the source.
    Reload {
        paths: Paths,
        name: usize,
    },
    /// Everything is awaited, and checked.
    Check,
}

/// What is generated and printed, and can be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub setting: Setting,
    pub steps: Vec<Step>,
}
