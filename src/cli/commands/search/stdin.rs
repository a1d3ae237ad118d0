//! Searches standard input while it arrives.

use crate::cli::file_batches::{InputInfo, read_batches};
use crate::privacy::Policy;
use crate::query::Expr;
use crate::search::{Each, MatchCollector, Options};

/// The limit of results is reached: reading stops.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

/// Passes the results to `each`; returns their number.
pub fn search(
    info: &InputInfo,
    policy: &Policy,
    query: &Expr,
    options: &Options,
    each: Each<'_>,
) -> anyhow::Result<u64> {
    let mut collector = MatchCollector::new(query, options, policy);
    let read = read_batches(std::io::stdin(), info, &mut |batch| {
        for event in batch.events() {
            if collector.is_full() || (collector.matches(event) && !collector.take(event, each)?) {
                return Err(Enough.into());
            }
        }
        Ok(())
    });
    match read {
        Err(error) if !error.is::<Enough>() => return Err(error),
        _ => {}
    }
    Ok(collector.finish(each)?)
}
