//! Delivery to real servers. Fetches and starts them, so it is not part of plain `cargo test`:
//! `cargo test --test servers -- --ignored --test-threads 1`, or `make test` with everything else.

mod client_ids;
mod dead_letters;
mod delivery;
mod elasticsearch;
mod example;
#[path = "../it/fault_proxy.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fault_proxy;
#[path = "../it/fixture.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;
#[path = "../it/leaks.rs"]
mod leaks;
mod odd_events;
mod privacy;
#[path = "../it/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod program;
mod rollover;
