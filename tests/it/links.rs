//! A log configured by a symbolic link, like those of containers: it is rotated in the directory of the link's target.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::compressed::{gzip, pack};
use crate::rotation::{Fixture, append, line, lines, seen_by_the_follower};

const FILE: &str = "pods/0.log";

/// `links/c.log` leads to `pods/0.log` through `links/.c`.
fn fixture() -> Fixture {
    let fixture = Fixture::new(&["links/*.log"]);
    for directory in ["links", "pods"] {
        fs::create_dir(fixture.path(directory)).unwrap();
    }
    symlink("../pods/0.log", fixture.path("links/.c")).unwrap();
    symlink(".c", fixture.path("links/c.log")).unwrap();
    fixture
}

#[test]
fn files_rotated_beside_the_link_target_while_no_engine_ran_are_found() {
    for way in ["renamed twice", "compressed", "copied"] {
        let mut fixture = fixture();
        fixture.append(FILE, lines("a", 0..100));
        fixture.open();
        fixture.expect_lines((0..100).map(|n| line("a", n)));
        fixture.close();
        fixture.append(FILE, lines("a", 100..200));
        let rotated = |number: u32| fixture.path(&format!("{FILE}.{number}"));
        match way {
            "renamed twice" => {
                fs::rename(fixture.path(FILE), rotated(1)).unwrap();
                fixture.append(FILE, lines("a", 200..300));
                fs::rename(fixture.path(FILE), rotated(2)).unwrap();
            }
            "compressed" => {
                fs::rename(fixture.path(FILE), rotated(1)).unwrap();
                pack(&rotated(1), "gz", gzip);
                fixture.append(FILE, lines("a", 200..300));
            }
            _ => {
                fs::copy(fixture.path(FILE), rotated(1)).unwrap();
                fs::write(fixture.path(FILE), lines("a", 200..300)).unwrap();
            }
        }
        fixture.append(FILE, lines("a", 300..400));
        fixture.open();
        fixture.expect_lines((0..400).map(|n| line("a", n)));
    }
}

/// The log is a link to another disk, and its target disappears while no engine runs.
#[test]
fn bytes_deleted_on_another_disk_are_reported_as_lost() {
    for link_too in [false, true] {
        let mut fixture = Fixture::new(&["app.log"]);
        let Ok(disk) = tempfile::tempdir_in("/dev/shm") else {
            return println!("SKIPPED: /dev/shm does not exist");
        };
        let (link, file) = (fixture.path("app.log"), disk.path().join("app.log"));
        let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
        if device(disk.path()) == device(fixture.directory.path()) {
            return println!("SKIPPED: /dev/shm is not another disk");
        }
        let text = lines("a", 0..10);
        fs::write(&file, &text).unwrap();
        symlink(&file, &link).unwrap();
        fixture.open();
        fixture.expect_lines((0..10).map(|n| line("a", n)));
        // Known, but not read.
        append(&file, text.as_bytes());
        seen_by_the_follower(&fixture);
        fixture.close();
        fs::remove_file(&file).unwrap();
        if link_too {
            fs::remove_file(&link).unwrap();
        }
        fixture.open();
        let lost = text.len() as u64;
        fixture.until("reported as lost", |fixture| fixture.consumer.lost == lost);
        fixture.close();
    }
}

#[test]
fn files_rotated_repeatedly_beside_the_link_target_are_found() {
    let mut fixture = fixture();
    fixture.append(FILE, lines("a", 0..10));
    fixture.open();
    for number in 1..40 {
        fixture.append(FILE, lines("a", number * 10..number * 10 + 5));
        let rotated = fixture.path(&format!("{FILE}.{number}"));
        match number % 3 {
            0 => {
                fs::copy(fixture.path(FILE), rotated).unwrap();
                fs::File::options()
                    .write(true)
                    .open(fixture.path(FILE))
                    .unwrap()
                    .set_len(0)
                    .unwrap();
            }
            _ => fs::rename(fixture.path(FILE), rotated).unwrap(),
        }
        fixture.append(FILE, lines("a", number * 10 + 5..number * 10 + 10));
        if number % 4 == 0 {
            fixture.drain();
        }
    }
    fixture.expect_lines((0..400).map(|n| line("a", n)));
}
