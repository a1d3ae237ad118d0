//! Writes the sample log lines of each profile.

use std::fmt::Write;

use jiff::Zoned;

use super::Profile;
use super::random::Random;
use crate::event::Level;

/// Frequency of each level, in thousandths.
pub(super) fn levels(profile: Profile) -> &'static [(u64, Level)] {
    use Level::{Debug, Error, Fatal, Info, Warning};
    match profile {
        Profile::Sre => &[(910, Info), (70, Warning), (20, Error)],
        Profile::App => &[(760, Info), (130, Debug), (95, Warning), (15, Error)],
        Profile::Web => &[(820, Info), (165, Warning), (15, Error)],
        Profile::Ops => &[(840, Info), (140, Warning), (19, Error), (1, Fatal)],
    }
}

/// Appends one line with its line end. `number` counts from 1.
pub(super) fn write(
    profile: Profile,
    time: &Zoned,
    level: Level,
    number: u64,
    random: &mut Random,
    text: &mut String,
) {
    let line = match profile {
        Profile::Sre => sre(time, level, number, random, text),
        Profile::App => app(time, level, random, text),
        Profile::Web => web(time, level, random, text),
        Profile::Ops => ops(time, level, random, text),
    };
    line.expect("writing to a String cannot fail");
    text.push('\n');
}

fn sre(
    time: &Zoned,
    level: Level,
    number: u64,
    random: &mut Random,
    text: &mut String,
) -> std::fmt::Result {
    match random.below(3) {
        0 => write!(text, r#"{{"CLIENT ID": "CLIENTID{}""#, 1 + random.below(40))?,
        _ => write!(text, r#"{{"ID": "{number}""#)?,
    }
    let (time, level) = (time.strftime("%Y-%m-%dT%H:%M:%S"), upper(level));
    let thread = 1 + random.below(8);
    write!(text, r#", "timestamp": "{time}", "log_level": "{level}", "thread": "thread{thread}"}}"#)
}

fn app(time: &Zoned, level: Level, random: &mut Random, text: &mut String) -> std::fmt::Result {
    let message = random.pick(match level {
        Level::Debug => &["Cache miss for user session", "Query plan reused", "Heartbeat sent"],
        Level::Warning => &[
            "Response slower than 800 ms",
            "Disk usage above 80 %",
            "Retrying request to payment service",
        ],
        Level::Error | Level::Fatal => &[
            "Database connection error",
            "Failed login attempt",
            "Payment service did not answer",
            "Cannot write to upload directory",
        ],
        _ => &[
            "User logged in successfully",
            "Order placed",
            "Report generated",
            "Session closed",
            "Mail handed over",
        ],
    });
    let (time, level) = (time.strftime("%Y-%m-%dT%H:%M:%S.%6f"), upper(level));
    write!(text, r#"{{"timestamp": "{time}", "type": "{level}", "message": "{message}"}}"#)
}

fn web(time: &Zoned, level: Level, random: &mut Random, text: &mut String) -> std::fmt::Result {
    let request = random.pick(match level {
        Level::Warning => &[
            "Unauthorized - POST request - at the index page",
            "Unauthorized - PUT request - at the index page",
        ],
        Level::Error | Level::Fatal => &[
            "Unauthorized - PUT request - on the operation page",
            "Unauthorized - DELETE request - on the operation page",
        ],
        _ => &[
            "Authorized - GET request - on the index page",
            "Authorized - GET request - on the index page",
            "Authorized - GET request - on operation page",
        ],
    });
    let (time, level) = (time.strftime("%Y-%m-%d %H:%M:%S,%3f"), upper(level));
    // Two networks reserved for documentation (RFC 5737).
    let network = random.pick(&["192.0.2", "198.51.100"]);
    let host = 1 + random.below(30);
    write!(text, "{time} - [{level}] - {request} - IP: {network}.{host}")
}

fn ops(time: &Zoned, level: Level, random: &mut Random, text: &mut String) -> std::fmt::Result {
    let (time, name) = (time.strftime("%Y-%m-%d %H:%M:%S"), upper(level));
    write!(text, "{time} [{name}] ")?;
    let host = 1 + random.below(12);
    let disk = random.pick(&["sda", "sdb", "sdc", "nvme0n1"]);
    let number = random.below(90) + 10;
    match (level, random.below(4)) {
        (Level::Fatal, 0 | 1) => {
            write!(text, "Disk failure detected on /dev/{disk}. Immediate replacement required.")
        }
        (Level::Fatal, _) => {
            write!(text, "Node web-{host} doesn't answer. It's out of the cluster.")
        }
        (Level::Error, 0) => write!(text, "Can't mount /dev/{disk}: the superblock isn't valid"),
        (Level::Error, 1) => {
            write!(text, "Service 'billing' on node web-{host} exited with code 137")
        }
        (Level::Error, _) => write!(text, "Backup of /dev/{disk} failed after {number} min"),
        (Level::Warning, 0 | 1) => write!(text, "Load on web-{host} is {number} %"),
        (Level::Warning, _) => write!(text, "The operator's certificate expires in {number} days"),
        (_, 0) => write!(text, "Service 'billing' on node web-{host} restarted"),
        (_, 1) => write!(text, "Snapshot of /dev/{disk} finished in {number} s"),
        (_, 2) => write!(text, "User's quota on web-{host} set to {number} GiB"),
        (_, _) => write!(text, "Health check of web-{host} passed in {number} ms"),
    }
}

fn upper(level: Level) -> &'static str {
    ["TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL"][level as usize - 1]
}
