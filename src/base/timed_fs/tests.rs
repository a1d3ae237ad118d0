use std::sync::mpsc::channel;

use super::*;

fn mount() -> Arc<Mount> {
    Arc::new(Mount::new("/mnt/x".into(), "nfs4".into()))
}

/// Repeats the call: on a busy machine any call may miss its deadline.
fn wait_for_answer(mount: &Arc<Mount>) {
    while !mount.call(|| Ok(1)).is_ok_and(|one| one == 1) {
        std::thread::yield_now();
    }
}

#[test]
fn after_a_call_hangs_no_further_call_is_made_to_the_mount() {
    let mount = mount();
    wait_for_answer(&mount);
    let (answer, hangs) = channel::<()>();
    let late = mount.call(move || {
        let _ = hangs.recv();
        Ok(2)
    });
    assert!(is_stuck(&late.unwrap_err()));
    assert!(mount.stuck_for().is_some());
    for _ in 0..1000 {
        let refused =
            mount.call(|| -> io::Result<()> { panic!("no call may be made") }).unwrap_err();
        assert_eq!(refused.to_string(), "the file system at /mnt/x does not answer");
    }
    answer.send(()).unwrap();
    wait_for_answer(&mount);
}

#[test]
fn callers_queued_behind_a_hanging_call_get_an_error_too() {
    let mount = mount();
    let (answer, hangs) = channel::<()>();
    let other = {
        let mount = mount.clone();
        std::thread::spawn(move || mount.call(move || Ok(hangs.recv().is_ok())).is_err())
    };
    while mount.call(|| Ok(())).is_ok() {}
    assert!(other.join().unwrap());
    drop(answer);
}

#[test]
fn a_call_that_panics_is_an_error_and_the_next_one_is_made() {
    let mount = mount();
    let broken: io::Result<()> = mount.call(|| panic!("broken"));
    assert!(broken.is_err());
    wait_for_answer(&mount);
}

#[test]
fn files_on_a_local_disk_are_read_directly() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("app.log");
    fs::write(&path, "0123456789").unwrap();
    std::os::unix::fs::symlink("app.log", scratch.path().join("link")).unwrap();
    let file = open(&path).unwrap();
    let mut bytes = [0; 4];
    assert_eq!(file.read_at(&mut bytes, 3).unwrap(), 4);
    assert_eq!((&bytes, file.metadata().unwrap().len()), (b"3456", 10));
    assert_eq!(read(&path, 2).unwrap().0, b"01");
    let mut names: Vec<_> = read_dir(scratch.path()).unwrap();
    names.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!((names.len(), names[0].kind.is_file(), names[1].kind.is_symlink()), (2, true, true));
    assert!(symlink_metadata(&scratch.path().join("link")).unwrap().is_symlink());
    assert_eq!(metadata(&scratch.path().join("x")).unwrap_err().kind(), io::ErrorKind::NotFound);
}
