//! Random histories of writers, an operator, two consumers and a follower, checked against a model that tracks where
//! every byte was written, copied and destroyed.
//!
//! `LOGWARDEN_SEED=…` repeats the history of a seed, `LOGWARDEN_STEPS='…'` one that was printed.
//! `LOGWARDEN_MODEL_MINUTES=…` runs new histories for that long, `LOGWARDEN_MODEL_WITHOUT='edit lose'` omits these
//! steps from random ones, `LOGWARDEN_MODEL_SHRINK=…` is the time in seconds to shorten one that fails.

mod chance;
mod consumers;
mod engine;
mod failure;
mod operator;
mod oracle;
mod places;
mod regressions;
mod run;
mod shrink;
mod steps;
mod stream;
mod text;
mod world;

use std::time::{Duration, Instant};

use self::run::run;
use self::steps::History;

/// Seeds that run in every `cargo test`.
const SEEDS: std::ops::Range<u64> = 0..24;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Runs a history; one that fails is shortened before it is reported.
fn check(name: &str, history: &History) -> Result<(), String> {
    let outcome = run(history);
    let Err(failure) = outcome.result else {
        if variable("LOGWARDEN_STEPS").is_some() {
            println!("{}", outcome.trace.join("\n"));
        }
        return Ok(());
    };
    let time = variable("LOGWARDEN_MODEL_SHRINK").and_then(|text| text.parse().ok());
    let time = Duration::from_secs(time.unwrap_or(20));
    let (shortest, failure) = shrink::shrink(history, failure, time);
    let trace = run(&shortest).trace.join("\n");
    Err(format!(
        "{name}: {:?}: {}\nit began as\nLOGWARDEN_STEPS='{history}'\nshorter, and as wrong:\n\
         LOGWARDEN_STEPS='{shortest}'\n{trace}",
        failure.kind, failure.text
    ))
}

#[test]
fn random_histories_deliver_every_line_once() {
    if let Some(steps) = variable("LOGWARDEN_STEPS") {
        let history: History = steps.parse().unwrap();
        return check("LOGWARDEN_STEPS", &history).unwrap_or_else(|text| panic!("{text}"));
    }
    let given: Option<u64> = variable("LOGWARDEN_SEED").and_then(|text| text.parse().ok());
    let seeds: Vec<u64> = match given {
        Some(seed) => vec![seed],
        None => SEEDS.chain([clock_seed()]).collect(),
    };
    let began = Instant::now();
    let failures: Vec<String> = seeds.iter().filter_map(|seed| of_seed(*seed).err()).collect();
    println!("{} histories in {:?}", seeds.len(), began.elapsed());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn of_seed(seed: u64) -> Result<(), String> {
    println!("LOGWARDEN_SEED={seed}");
    let mut history = History::random(seed);
    let without = variable("LOGWARDEN_MODEL_WITHOUT").unwrap_or_default();
    let is_left_out = |step: &steps::Step| {
        let text = step.to_string();
        without.split_whitespace().any(|name| text.split('.').next() == Some(name))
    };
    history.steps.retain(|step| !is_left_out(step));
    check(&format!("LOGWARDEN_SEED={seed}"), &history)
}

fn clock_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_nanos() as u64
}

/// The long form; does nothing unless `LOGWARDEN_MODEL_MINUTES` is set.
#[test]
fn minutes_of_random_histories() {
    let Some(minutes) = variable("LOGWARDEN_MODEL_MINUTES") else { return };
    let minutes: f64 = minutes.parse().expect("LOGWARDEN_MODEL_MINUTES is a number of minutes");
    let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let (first, mut count, mut failures) = (clock_seed(), 0, Vec::new());
    while Instant::now() < until {
        failures.extend(of_seed(first.wrapping_add(count)).err());
        count += 1;
    }
    println!("{count} histories, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
