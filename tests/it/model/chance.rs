//! Random histories from a seed.

use super::steps::{Consumer, History, Lines, Naming, Pace, Packing, Paths, Setting, Step};
use crate::program::Random;

/// Steps with their weights, while the log is open and while it is closed.
type Make = fn(&mut Random, &Setting) -> Step;
const STEPS: [(u64, u64, Make); 30] = [
    (26, 20, |r, s| Step::Write { log: log(r, s), lines: some(r, &[1, 2, 3, 5, 12, 40, 300]) }),
    (3, 2, |r, s| Step::Half { log: log(r, s) }),
    (2, 1, |r, s| Step::Finish { log: log(r, s) }),
    (4, 4, |r, s| Step::Reopen { log: log(r, s) }),
    (8, 9, |r, s| Step::Rename { log: log(r, s) }),
    (7, 7, |r, s| Step::CopyTruncate { log: log(r, s) }),
    (1, 1, |r, s| Step::Carry { log: log(r, s) }),
    (1, 1, |r, s| Step::Copy { log: log(r, s) }),
    (6, 7, |r, s| Step::Compress { log: log(r, s), packing: packing(r), keep: r.below(10) == 0 }),
    (1, 1, |r, s| Step::Extend { log: log(r, s), lines: some(r, &[1, 5]) }),
    (2, 1, |r, s| Step::Expire { log: log(r, s) }),
    (2, 1, |r, s| Step::Truncate { log: log(r, s) }),
    (2, 1, |r, s| Step::Delete { log: log(r, s) }),
    (2, 2, |r, s| Step::Recreate { log: log(r, s), lines: some(r, &[1, 4, 12]) }),
    (1, 1, |r, s| Step::Edit { log: log(r, s) }),
    (1, 1, |r, s| Step::Tidy { log: log(r, s) }),
    (22, 0, |r, _| Step::Look { millis: some(r, &[100, 300, 1000, 1500, 3000, 6000]) as u64 }),
    (7, 0, |r, _| Step::Take { consumer: consumer(r), events: some(r, &[1, 2, 5, 50, 1000]) }),
    (4, 1, |r, _| Step::Away { consumer: consumer(r) }),
    (4, 1, |r, _| Step::Back { consumer: consumer(r) }),
    (2, 0, |_, _| Step::Commit),
    (5, 0, |_, _| Step::Stop),
    (0, 14, |_, _| Step::Start),
    (0, 4, |_, _| Step::Once),
    (5, 0, |_, _| Step::Kill),
    (0, 2, |_, _| Step::Lose),
    (1, 1, |_, _| Step::Keep),
    (0, 3, |_, _| Step::Old),
    (2, 2, reload),
    (1, 0, |_, _| Step::Check),
];

fn some(random: &mut Random, all: &[usize]) -> usize {
    all[random.below(all.len() as u64) as usize]
}

fn one<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[random.below(all.len() as u64) as usize]
}

fn log(random: &mut Random, setting: &Setting) -> usize {
    random.below(setting.logs as u64) as usize
}

fn consumer(random: &mut Random) -> Consumer {
    one(random, &[Consumer::Elastic, Consumer::Archive])
}

fn packing(random: &mut Random) -> Packing {
    one(random, &[Packing::Gzip, Packing::Zstd])
}

/// Paths that cover the logs and the places of the rotated files.
fn other_paths(random: &mut Random, setting: &Setting) -> Paths {
    match (setting.olddir, setting.naming) {
        (true, _) => one(random, &[Paths::StarAndOld, Paths::BareAndOld]),
        (false, Naming::Extension) => one(random, &[Paths::Ending, Paths::All, Paths::Directory]),
        (false, _) => one(
            random,
            &[Paths::Bare, Paths::Star, Paths::Ending, Paths::All, Paths::Directory, Paths::Star],
        ),
    }
}

fn reload(random: &mut Random, setting: &Setting) -> Step {
    let only_rotated = !setting.olddir && random.below(6) == 0;
    let paths = if only_rotated { Paths::Rotated } else { other_paths(random, setting) };
    Step::Reload { paths, name: random.below(3) as usize }
}

impl Setting {
    fn random(random: &mut Random) -> Setting {
        let lines =
            one(random, &[Lines::Json, Lines::Json, Lines::Header, Lines::Header, Lines::Stamped]);
        let naming =
            one(random, &[Naming::Numbered, Naming::Numbered, Naming::Dated, Naming::Extension]);
        let setting = Setting {
            lines,
            logs: some(random, &[1, 1, 2]),
            paths: Paths::Star,
            naming,
            olddir: naming != Naming::Extension && random.below(5) == 0,
            late: random.below(4) == 0,
            pace: if random.below(5) == 0 { Pace::Free } else { Pace::Stepped },
        };
        Setting { paths: other_paths(random, &setting), ..setting }
    }
}

impl History {
    pub fn random(seed: u64) -> History {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        let setting = Setting::random(&mut random);
        let count = 10 + random.below(35) as usize;
        let mut open = true;
        let mut steps = vec![
            Step::Write { log: log(&mut random, &setting), lines: some(&mut random, &[1, 3, 10]) },
            Step::Start,
        ];
        while steps.len() < count {
            let step = random_step(&mut random, &setting, open);
            match step {
                Step::Stop | Step::Kill => open = false,
                Step::Start => open = true,
                _ => {}
            }
            match step {
                // Lines that are written, and read, between the copy and the truncation.
                Step::CopyTruncate { log } if random.below(5) == 0 => steps.extend([
                    Step::Copy { log },
                    Step::Write { log, lines: some(&mut random, &[1, 5]) },
                    Step::Look { millis: 300 },
                    Step::Truncate { log },
                ]),
                step => steps.push(step),
            }
        }
        History { setting, steps }
    }
}

fn random_step(random: &mut Random, setting: &Setting, open: bool) -> Step {
    let weight = |(while_open, while_closed, _): &(u64, u64, Make)| match open {
        true => *while_open,
        false => *while_closed,
    };
    let mut at = random.below(STEPS.iter().map(weight).sum());
    for step in &STEPS {
        match at.checked_sub(weight(step)) {
            Some(rest) => at = rest,
            None => return (step.2)(random, setting),
        }
    }
    unreachable!("below the sum of all weights")
}
