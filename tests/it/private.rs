//! What is kept on disk is for its owner alone, whatever the umask and the rights that it had.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::program::{logwarden, run, text};

/// Everything below `path`, with its mode.
fn modes(path: &Path, found: &mut Vec<(PathBuf, u32)>) {
    found.push((path.to_owned(), fs::metadata(path).unwrap().permissions().mode() & 0o777));
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            modes(&entry.path(), found);
        }
    }
}

struct Bench {
    home: tempfile::TempDir,
    state: PathBuf,
}

impl Bench {
    /// Everything that an engine keeps: state, archive, dead letters' folder, intake, keys.
    fn new() -> Bench {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("app.log"), "{\"level\":\"info\",\"client_id\":\"c-1\"}\n")
            .unwrap();
        let state = home.path().join("state");
        let bench = Bench { home, state };
        let config = "[sink.archive]\n[sink.out]\nkind = \"file\"\npath = \"out.jsonl\"\n";
        fs::write(bench.home.path().join("config.toml"), config).unwrap();
        bench
    }

    fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut program = logwarden(self.home.path());
        program.arg("--config").arg(self.home.path().join("config.toml"));
        program.arg("--state-dir").arg(&self.state).args(arguments);
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg("umask 022; exec \"$0\" \"$@\"");
        shell.arg(program.get_program()).args(program.get_args());
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(shell.current_dir(self.home.path()))
    }

    fn once(&self) -> String {
        let output = self.command(&["--no-ui", "--once", "app.log"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stderr)
    }
}

#[test]
fn folders_and_files_of_an_engine_are_for_their_owner() {
    let bench = Bench::new();
    bench.once();
    let mut found = Vec::new();
    modes(&bench.state, &mut found);
    modes(&bench.home.path().join("out.jsonl"), &mut found);
    modes(&bench.home.path().join("out.jsonl.cursor"), &mut found);
    assert!(found.iter().any(|(path, _)| path.ends_with("archive/meta.json")), "{found:?}");
    let loose: Vec<_> = found.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(loose.is_empty(), "{loose:?}");
}

#[test]
fn folders_that_others_can_use_are_named_by_check_and_closed_by_the_engine() {
    let bench = Bench::new();
    bench.once();
    let folders = [bench.state.clone(), bench.state.join("archive")];
    for folder in &folders {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let checked = bench.command(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    for folder in &folders {
        let wanted = format!("{}: other users can use it (mode 0755)", folder.display());
        assert!(text(&checked.stdout).contains(&wanted), "{}", text(&checked.stdout));
    }
    let said = bench.once();
    for folder in &folders {
        let wanted = format!("{} could be used by other users (mode 0755)", folder.display());
        assert!(said.contains(&wanted), "{said}");
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert!(!bench.once().contains("other users"));
    assert!(!text(&bench.command(&["check"]).stdout).contains("other users"));
}

/// A folder that is none of ours, as `/tmp`.
#[test]
fn a_folder_that_was_no_state_before_keeps_its_rights() {
    let bench = Bench::new();
    fs::create_dir(&bench.state).unwrap();
    fs::set_permissions(&bench.state, Permissions::from_mode(0o755)).unwrap();
    bench.once();
    assert_eq!(fs::metadata(&bench.state).unwrap().permissions().mode() & 0o777, 0o755);
}
