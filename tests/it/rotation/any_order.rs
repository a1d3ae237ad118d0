//! Random actions of a writer, an operator and the follower.

use std::fs::{self, File};

use super::setup::{Fixture, copytruncate, line, lines};
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
    let mut fixture = Fixture::new(&["app.log*"]);
    let (mut written, mut rotated) = (0, 0);
    fixture.open();
    for _ in 0..60 {
        let count = random.below(12) as usize;
        fixture.append("app.log", lines("m", written..written + count));
        written += count;
        let step = random.below(14);
        println!("step {step}: {written} written, {rotated} rotated");
        let name = format!("app.log.{rotated}");
        match step {
            0 | 1 => fs::rename(fixture.path("app.log"), fixture.path(&name)).unwrap(),
            2 | 3 => copytruncate(&fixture, "app.log", &name),
            4 => {
                // Everything was read, so no bytes may be counted as lost.
                fixture.until("all, before the truncation", |b| b.consumer.events.len() == written);
                File::create(fixture.path("app.log")).unwrap();
            }
            5 => {
                fixture.until("all, before the removal", |b| b.consumer.events.len() == written);
                fs::remove_file(fixture.path("app.log")).unwrap();
            }
            6 => fixture.restart(),
            7 => {
                fixture.close();
                fixture.append("app.log", lines("m", written..written + 3));
                written += 3;
                fs::rename(fixture.path("app.log"), fixture.path(&name)).unwrap();
                fixture.open();
            }
            8 => {
                let whole = line("m", written) + "\n";
                written += 1;
                fixture.append("app.log", &whole[..5]);
                fixture.drain();
                fixture.append("app.log", &whole[5..]);
            }
            9 | 10 => {
                // `gzip` of the file that was rotated last.
                let plain = (0..rotated).rev().map(|n| fixture.path(&format!("app.log.{n}")));
                if let Some(plain) = plain.into_iter().find(|path| path.exists()) {
                    pack(&plain, "gz", gzip);
                }
            }
            _ => fixture.drain(),
        }
        rotated += 1;
    }
    fixture.expect_lines((0..written).map(|n| line("m", n)));
}
