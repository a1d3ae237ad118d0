//! `logwarden generate PROFILE`: writes sample logs, the same for equal `--seed` and `--start`. Reads no configuration.

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::base::bytes;
use crate::base::{Clock, SystemClock, Timestamp};
use crate::cli::arguments::{Generate, Global, Profile};
use crate::cli::config::read_zone;
use crate::cli::exit::{Exit, say, usage_error};
use crate::generate::{self, Options, Target};
use crate::query::ParseContext;
use crate::query::time::parse_time;

pub fn run(global: &Global, arguments: &Generate) -> anyhow::Result<Exit> {
    let clock = SystemClock::new();
    let zone = match &global.tz {
        Some(name) => read_zone(name).map_err(usage_error)?,
        None => TimeZone::system(),
    };
    let context = ParseContext { now: clock.now(), zone };
    let start = match &arguments.start {
        Some(text) => {
            let (start, _) = parse_time(text, &context)
                .map_err(|problem| usage_error(format!("--start `{text}`: {problem}")))?;
            if start == Timestamp::MIN || start == Timestamp::MAX {
                return Err(usage_error(format!(
                    "--start `{text}`: only times from the year 1678 to 2261 can be written"
                )));
            }
            Some(start)
        }
        None => None,
    };
    let target = arguments.out.clone().map_or(Target::Stdout, Target::Path);
    let options = Options {
        seed: arguments.seed,
        rate: arguments.rate,
        count: arguments.count,
        start,
        rotate: arguments.rotate,
        pieces: arguments.pieces,
        zone: context.zone,
        ..Options::new(profile(arguments.profile), target)
    };
    // Never cancelled: a signal ends the process.
    let written = generate::run(&options, &clock, &CancellationToken::new())?;
    if let Some(out) = &arguments.out {
        say(format_args!("wrote {} to {}", bytes::counted(written, "line"), out.display()));
    }
    Ok(Exit::Done)
}

fn profile(profile: Profile) -> generate::Profile {
    match profile {
        Profile::Sre => generate::Profile::Sre,
        Profile::App => generate::Profile::App,
        Profile::Web => generate::Profile::Web,
        Profile::Ops => generate::Profile::Ops,
    }
}
