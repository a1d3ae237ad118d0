//! A history as a value: its setting and its steps.
//!
//! A step has all its parameters and does nothing where it does not apply (no rotated file to compress), so any
//! subset of the steps is a history too.

/// The constants of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub lines: Lines,
    /// Number of logs in the directory: `app.log`, `web.log`.
    pub logs: usize,
    pub paths: Paths,
    pub naming: Naming,
    /// Rotated files go to the directory `old`.
    pub olddir: bool,
    /// The writer keeps its descriptor until `reopen`.
    pub late: bool,
    pub pace: Pace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// JSON lines, all different.
    Json,
    /// Plain lines; every file begins with the same one, the hard case for identity.
    Header,
    /// As [`Lines::Header`], with a timestamp before each line: a record ends where the next begins.
    Stamped,
}

/// The paths of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    Bare,
    Star,
    Ending,
    All,
    Directory,
    StarAndOld,
    BareAndOld,
    /// Rotated files only, not the logs.
    Rotated,
}

/// How rotated files are named.
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
    /// The follower polls only in a `Look` step.
    Stepped,
    /// The follower runs freely.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// Keeps its cursors in the state and one document per event id.
    Elastic,
    /// Keeps its own positions together with the events.
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write {
        log: usize,
        lines: usize,
    },
    /// Writes the first part of a line.
    Half {
        log: usize,
    },
    /// Writes the rest of the line.
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
    /// Moves the log as to another file system: a copy, then the log is deleted.
    Carry {
        log: usize,
    },
    /// Copies the log, which continues.
    Copy {
        log: usize,
    },
    /// Compresses the newest rotated file that is not compressed.
    Compress {
        log: usize,
        packing: Packing,
        keep: bool,
    },
    /// Appends lines to the newest rotated file.
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
    /// An editor adds a line and replaces the log by a new file; the backup stays.
    Edit {
        log: usize,
    },
    /// Deletes the editor's backup.
    Tidy {
        log: usize,
    },
    /// The follower polls for this long, and the consumers that are present read.
    Look {
        millis: u64,
    },
    /// Takes this many events without confirming them.
    Take {
        consumer: Consumer,
        events: usize,
    },
    Away {
        consumer: Consumer,
    },
    Back {
        consumer: Consumer,
    },
    /// Commits the state.
    Commit,
    Stop,
    Start,
    /// A run with `--once`.
    Once,
    Kill,
    /// Removes the state directory.
    Lose,
    /// Copies the state directory.
    Keep,
    /// Replaces the state directory by that copy.
    Old,
    /// Gives the source other paths or another name.
    Reload {
        paths: Paths,
        name: usize,
    },
    /// Waits until no more events arrive, and checks.
    Check,
}

/// Generated or parsed; printed where it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub setting: Setting,
    pub steps: Vec<Step>,
}
