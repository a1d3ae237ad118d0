//! Erased events are no longer in the files, and are not read again.

use super::*;
use crate::query::FieldName;

fn number_of_events(directory: &Path) -> u64 {
    Reader::open(directory).unwrap().snapshot().unwrap().events()
}

fn ids(batch: &Batch) -> Vec<String> {
    batch.events().map(|event| event.id().as_str().to_owned()).collect()
}

#[test]
fn erased_events_leave_the_files_and_are_not_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (batch(1, 0, 50, NOW), batch(1, 50, 60, NOW));
    let mut archive = Archive::open_writer(directory.path(), NOW).unwrap().0;
    for batch in [&first, &second] {
        let (body, ends) = items(batch);
        archive.add(body.into(), &ends).unwrap();
        commit(&mut archive, 1, batch.end / 16).unwrap();
    }
    drop(archive);

    let mut archive = Archive::open_writer(directory.path(), NOW).unwrap().0;
    let positions = archive.positions().clone();
    // Three events of the first commit, all of the second, one that does not exist, and one under another name.
    let mut gone = [&ids(&first)[..3], &ids(&second)[..]].concat();
    gone.push("nobody".to_owned());
    let id = |id: String| (FieldName("event.id".into()), id);
    let mut leaves: Vec<(FieldName, String)> = gone.into_iter().map(id).collect();
    leaves.push((FieldName("event.id2".into()), ids(&first)[40].clone()));
    archive.erase(&leaves).unwrap();
    assert_eq!(archive.positions(), &positions);
    drop(archive);

    assert_eq!(number_of_events(directory.path()), 47);
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.positions().unwrap(), positions);
    for segment in reader.snapshot().unwrap().searcher.segment_readers() {
        assert_eq!(segment.max_doc(), segment.num_docs(), "no event is only marked as deleted");
    }
    let mut archive = Archive::open_writer(directory.path(), NOW).unwrap().0;
    let (body, ends) = items(&first);
    assert!(archive.add(body.into(), &ends).unwrap().iter().all(|new| !new), "its position stayed");
    add(&mut archive, 1, 60, 61).unwrap();
    commit(&mut archive, 1, 61).unwrap();
    assert_eq!(number_of_events(directory.path()), 48);
}

#[test]
fn names_are_collected_from_all_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open_writer(directory.path(), NOW).unwrap().0;
    add(&mut archive, 1, 0, 3).unwrap();
    commit(&mut archive, 1, 3).unwrap();
    let names = Reader::open(directory.path()).unwrap().snapshot().unwrap().names().unwrap();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names, ["event.id", "host", "host.name", "log.file.path"]);
}
