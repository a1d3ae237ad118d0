//! Random actions of a writer, an operator and the follower.

use std::fs::{self, File};

use super::setup::{Bench, copytruncate, line, lines};
use crate::compressed::{gzip, pack};
use crate::program::{Random, seed};

/// After random actions of a writer, an operator and the follower, every line was read once.
#[test]
fn any_order_of_writes_renames_truncations_and_restarts() {
    let seed = seed("any_order_of_writes_renames_truncations_and_restarts");
    for round in 0..4 {
        model(&mut Random(seed.wrapping_add(round * 7919) | 1));
    }
}

fn model(random: &mut Random) {
    let mut bench = Bench::new(&["app.log*"]);
    let (mut written, mut rotated) = (0, 0);
    bench.open();
    for _ in 0..60 {
        let count = random.below(12) as usize;
        bench.append("app.log", lines("m", written..written + count));
        written += count;
        let step = random.below(14);
        println!("step {step}: {written} written, {rotated} rotated");
        let name = format!("app.log.{rotated}");
        match step {
            0 | 1 => fs::rename(bench.path("app.log"), bench.path(&name)).unwrap(),
            2 | 3 => copytruncate(&bench, "app.log", &name),
            4 => {
                // Everything was read, so no bytes may be counted as lost.
                bench.until("all, before the truncation", |b| b.consumer.events.len() == written);
                File::create(bench.path("app.log")).unwrap();
            }
            5 => {
                bench.until("all, before the removal", |b| b.consumer.events.len() == written);
                fs::remove_file(bench.path("app.log")).unwrap();
            }
            6 => bench.restart(),
            7 => {
                bench.close();
                bench.append("app.log", lines("m", written..written + 3));
                written += 3;
                fs::rename(bench.path("app.log"), bench.path(&name)).unwrap();
                bench.open();
            }
            8 => {
                let whole = line("m", written) + "\n";
                written += 1;
                bench.append("app.log", &whole[..5]);
                bench.drain();
                bench.append("app.log", &whole[5..]);
            }
            9 | 10 => {
                // `gzip` of the file that was rotated last.
                let plain = (0..rotated).rev().map(|n| bench.path(&format!("app.log.{n}")));
                if let Some(plain) = plain.into_iter().find(|path| path.exists()) {
                    pack(&plain, "gz", gzip);
                }
            }
            _ => bench.drain(),
        }
        rotated += 1;
    }
    bench.expect_lines((0..written).map(|n| line("m", n)));
}
