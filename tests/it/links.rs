//! A log configured by a symbolic link, like those of containers: it is rotated in the directory of the link's target.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::compressed::{gzip, pack};
use crate::rotation::{Bench, append, line, lines, seen_by_the_follower};

const FILE: &str = "pods/0.log";

/// `links/c.log` leads to `pods/0.log` through `links/.c`.
fn bench() -> Bench {
    let bench = Bench::new(&["links/*.log"]);
    for directory in ["links", "pods"] {
        fs::create_dir(bench.path(directory)).unwrap();
    }
    symlink("../pods/0.log", bench.path("links/.c")).unwrap();
    symlink(".c", bench.path("links/c.log")).unwrap();
    bench
}

#[test]
fn what_was_rotated_beside_its_target_while_nothing_ran_is_found() {
    for way in ["renamed twice", "compressed", "copied"] {
        let mut bench = bench();
        bench.append(FILE, lines("a", 0..100));
        bench.open();
        bench.expect_lines((0..100).map(|n| line("a", n)));
        bench.close();
        bench.append(FILE, lines("a", 100..200));
        let rotated = |number: u32| bench.path(&format!("{FILE}.{number}"));
        match way {
            "renamed twice" => {
                fs::rename(bench.path(FILE), rotated(1)).unwrap();
                bench.append(FILE, lines("a", 200..300));
                fs::rename(bench.path(FILE), rotated(2)).unwrap();
            }
            "compressed" => {
                fs::rename(bench.path(FILE), rotated(1)).unwrap();
                pack(&rotated(1), "gz", gzip);
                bench.append(FILE, lines("a", 200..300));
            }
            _ => {
                fs::copy(bench.path(FILE), rotated(1)).unwrap();
                fs::write(bench.path(FILE), lines("a", 200..300)).unwrap();
            }
        }
        bench.append(FILE, lines("a", 300..400));
        bench.open();
        bench.expect_lines((0..400).map(|n| line("a", n)));
    }
}

/// The log is a link to another disk, and its target disappears while no engine runs.
#[test]
fn what_is_gone_from_another_disk_is_told_as_lost() {
    for link_too in [false, true] {
        let mut bench = Bench::new(&["app.log"]);
        let Ok(disk) = tempfile::tempdir_in("/dev/shm") else {
            return println!("SKIPPED: there is no /dev/shm");
        };
        let (link, file) = (bench.path("app.log"), disk.path().join("app.log"));
        let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
        if device(disk.path()) == device(bench.directory.path()) {
            return println!("SKIPPED: /dev/shm is no other disk");
        }
        let text = lines("a", 0..10);
        fs::write(&file, &text).unwrap();
        symlink(&file, &link).unwrap();
        bench.open();
        bench.expect_lines((0..10).map(|n| line("a", n)));
        // Known, but not read.
        append(&file, text.as_bytes());
        seen_by_the_follower(&bench);
        bench.close();
        fs::remove_file(&file).unwrap();
        if link_too {
            fs::remove_file(&link).unwrap();
        }
        bench.open();
        let lost = text.len() as u64;
        bench.until("told as lost", |bench| bench.consumer.lost == lost);
        bench.close();
    }
}

#[test]
fn what_is_rotated_beside_its_target_again_and_again_is_found() {
    let mut bench = bench();
    bench.append(FILE, lines("a", 0..10));
    bench.open();
    for number in 1..40 {
        bench.append(FILE, lines("a", number * 10..number * 10 + 5));
        let rotated = bench.path(&format!("{FILE}.{number}"));
        match number % 3 {
            0 => {
                fs::copy(bench.path(FILE), rotated).unwrap();
                fs::File::options().write(true).open(bench.path(FILE)).unwrap().set_len(0).unwrap();
            }
            _ => fs::rename(bench.path(FILE), rotated).unwrap(),
        }
        bench.append(FILE, lines("a", number * 10 + 5..number * 10 + 10));
        if number % 4 == 0 {
            bench.drain();
        }
    }
    bench.expect_lines((0..400).map(|n| line("a", n)));
}
