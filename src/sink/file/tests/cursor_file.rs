//! Tests of the cursor file together with its output.

use super::*;

fn cursor_file(path: &Path) -> PathBuf {
    path.with_extension("jsonl.cursor")
}

async fn resumed(path: &Path) -> Cursors {
    cursors(sink_at(path).resume().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_kill_after_any_byte_of_an_append_loses_and_doubles_nothing() {
    let (_scratch, path, sink) = opened().await;
    commit(&sink, &["one"], 4).await;
    let before = fs::read(cursor_file(&path)).unwrap();
    commit(&sink, &["two"], 8).await;
    let after = fs::read(cursor_file(&path)).unwrap();
    assert!(after.starts_with(&before) && after.len() > before.len());
    deliver(&sink, &["three"]).await;
    drop(sink);
    let output = fs::read(&path).unwrap();

    for length in before.len()..=after.len() {
        fs::write(&path, &output).unwrap();
        fs::write(cursor_file(&path), &after[..length]).unwrap();
        let sink = sink_at(&path);
        let found = cursors(sink.resume().await.unwrap()).unwrap();
        let (offset, left) = match length == after.len() {
            true => (8, "one\ntwo\n"),
            false => (4, "one\n"),
        };
        assert_eq!(found, upto(offset), "{length}");
        assert_eq!(fs::read_to_string(&path).unwrap(), left);
        // And the next start finds this commit, whatever was left there.
        commit(&sink, &["three"], 14).await;
        drop(sink);
        assert_eq!(resumed(&path).await, upto(14));
    }
}

#[tokio::test]
async fn existing_cursors_are_made_durable_at_the_start() {
    let (scratch, path, sink) = opened().await;
    commit(&sink, &["one"], 4).await;
    drop(sink);
    // The line of that commit may be in memory only, and cannot be written again.
    let aside = scratch.path().join("out.jsonl.cursor.new");
    fs::create_dir(&aside).unwrap();
    let sink = sink_at(&path);
    let text = refused(sink.resume().await);
    assert!(text.contains("cannot write the cursors of"), "{text}");
    fs::remove_dir(&aside).unwrap();
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(4)));
    assert_eq!(fs::read_to_string(cursor_file(&path)).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_failed_commit_is_repeated() {
    let (scratch, path, sink) = opened().await;
    commit(&sink, &["one"], 4).await;
    deliver(&sink, &["two"]).await;
    // Neither appended nor rewritten, as on a full disk; a partial line is left.
    let aside = scratch.path().join("out.jsonl.cursor.new");
    fs::create_dir(&aside).unwrap();
    let mut half = OpenOptions::new().append(true).open(cursor_file(&path)).unwrap();
    std::io::Write::write_all(&mut half, b"{\"after\":123,\"len").unwrap();
    sink.commit(&upto(8)).await.unwrap_err();
    sink.commit(&upto(8)).await.unwrap_err();
    fs::remove_dir(&aside).unwrap();
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(4)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    commit(&sink, &["two"], 8).await;
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(8)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn a_cursor_file_that_is_removed_or_replaced_while_open_is_rewritten() {
    let disturbances: [fn(&Path); 3] = [
        |side| fs::remove_file(side).unwrap(),
        |side| fs::write(side, "").unwrap(),
        |side| fs::rename(side, side.with_extension("aside")).unwrap(),
    ];
    for disturb in disturbances {
        let (_scratch, path, sink) = opened().await;
        commit(&sink, &["one"], 4).await;
        disturb(&cursor_file(&path));
        commit(&sink, &["two"], 8).await;
        deliver(&sink, &["three"]).await;
        drop(sink);
        assert_eq!(resumed(&path).await, upto(8));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}

#[tokio::test]
async fn damage_before_the_last_line_is_refused_and_not_changed() {
    let (_scratch, path, sink) = opened().await;
    for offset in 1..=4 {
        commit(&sink, &["one"], offset * 4).await;
    }
    drop(sink);
    let good = fs::read(cursor_file(&path)).unwrap();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &good).collect();
    assert_eq!(ends.len(), 5);
    for end in &ends[..4] {
        let mut damaged = good.clone();
        damaged[end - 30] ^= 1;
        fs::write(cursor_file(&path), &damaged).unwrap();
        let text = refused(sink_at(&path).resume().await);
        assert!(
            text.contains("damaged") && text.contains("restore the right .cursor file"),
            "{text}"
        );
        assert_eq!(fs::read(cursor_file(&path)).unwrap(), damaged);
        assert_eq!(fs::metadata(&path).unwrap().len(), 16);
    }
    let mut damaged = good.clone();
    damaged[ends[4] - 30] ^= 1;
    fs::write(cursor_file(&path), &damaged).unwrap();
    assert_eq!(resumed(&path).await, upto(12));
    assert_eq!(fs::metadata(&path).unwrap().len(), 12);
}

#[tokio::test]
async fn a_cursor_file_of_version_1_is_read_and_written_as_version_2() {
    let (_scratch, path, sink) = opened().await;
    commit(&sink, &["one", "two"], 8).await;
    drop(sink);
    let tail = crate::sink::file::cursor_file::load(&path).unwrap().unwrap().output_end.tail;
    let earlier = format!(
        r#"{{"version":1,"length":8,"tail":{tail},"cursors":[{{"generation":7,"offset":8}}]}}"#
    );
    fs::write(cursor_file(&path), earlier).unwrap();
    let sink = sink_at(&path);
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(8)));
    assert!(fs::read_to_string(cursor_file(&path)).unwrap().starts_with("{\"version\":2,"));
    sink.commit(&upto(9)).await.unwrap();
    assert_eq!(cursors(sink.resume().await.unwrap()), Some(upto(9)));
}

#[tokio::test]
async fn a_forgotten_generation_is_not_in_the_cursor_file() {
    let (_scratch, path, sink) = opened().await;
    let other = Cursor { generation: GenerationId(8), offset: 3 };
    sink.commit(&vec![upto(8)[0], other]).await.unwrap();
    sink.forget(vec![GenerationId(7)]).await.unwrap();
    sink.commit(&vec![other]).await.unwrap();
    drop(sink);
    assert_eq!(resumed(&path).await, vec![other]);
}
