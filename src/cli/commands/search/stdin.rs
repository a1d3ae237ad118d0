//! Standard input, searched as it comes.

use crate::cli::file_batches::{Origin, read_batches};
use crate::privacy::Policy;
use crate::query::Expr;
use crate::search::{Each, Options, Sieve};

/// As many as are wanted were found: nothing more is read.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

/// Says how many were found.
pub fn search(
    origin: &Origin,
    policy: &Policy,
    query: &Expr,
    options: &Options,
    each: Each<'_>,
) -> anyhow::Result<u64> {
    let mut sieve = Sieve::new(query, options, policy);
    let read = read_batches(std::io::stdin(), origin, &mut |batch| {
        for event in batch.events() {
            if sieve.is_full() || (sieve.matches(event) && !sieve.take(event, each)?) {
                return Err(Enough.into());
            }
        }
        Ok(())
    });
    match read {
        Err(error) if !error.is::<Enough>() => return Err(error),
        _ => {}
    }
    Ok(sieve.finish(each)?)
}
