//! Files on disk are private to their owner, whatever the umask and their former permissions.

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

struct Fixture {
    home: tempfile::TempDir,
    state: PathBuf,
}

impl Fixture {
    /// All directories of an engine: state, archive, dead letters, intake, keys.
    fn new() -> Fixture {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("app.log"), "{\"level\":\"info\",\"client_id\":\"c-1\"}\n")
            .unwrap();
        let state = home.path().join("state");
        let fixture = Fixture { home, state };
        let config = "[sink.archive]\n[sink.out]\nkind = \"file\"\npath = \"out.jsonl\"\n";
        fs::write(fixture.home.path().join("config.toml"), config).unwrap();
        fixture
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

/// Set in the process that runs with a umask of 0.
const UNMASKED: &str = "TEST_HOME_OF_UNMASKED";

/// Although `main` sets a umask, each directory and file is created for its owner without it, too.
#[test]
fn directories_and_files_of_an_engine_are_private_to_their_owner() {
    if let Some(home) = std::env::var_os(UNMASKED) {
        return run_unmasked(Path::new(&home));
    }
    let fixture = Fixture::new();
    let itself = std::env::current_exe().unwrap();
    let name = "private::directories_and_files_of_an_engine_are_private_to_their_owner";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" --exact \"$1\" --nocapture"]).arg(itself).arg(name);
    let output = run(shell.env(UNMASKED, fixture.home.path()).current_dir(fixture.home.path()));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let mut found = Vec::new();
    modes(&fixture.state, &mut found);
    modes(&fixture.home.path().join("out.jsonl"), &mut found);
    modes(&fixture.home.path().join("out.jsonl.cursor"), &mut found);
    assert!(found.iter().any(|(path, _)| path.ends_with("archive/meta.json")), "{found:?}");
    // tantivy creates the files of the index; their directory is closed to other users.
    let of_tantivy = |path: &Path| path.parent().is_some_and(|above| above.ends_with("archive"));
    let loose = found.iter().filter(|(_, mode)| mode & 0o077 != 0);
    let loose: Vec<_> = loose.filter(|(path, _)| path.is_dir() || !of_tantivy(path)).collect();
    assert!(loose.is_empty(), "{loose:?}");
    // And with the umask that `main` sets.
    let fixture = Fixture::new();
    fixture.once();
    let mut found = Vec::new();
    modes(&fixture.state, &mut found);
    assert!(found.iter().all(|(_, mode)| mode & 0o077 == 0), "{found:?}");
}

/// The program without `main`.
fn run_unmasked(home: &Path) {
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    assert!(umask.is_empty());
    let (state, config) = (home.join("state"), home.join("config.toml"));
    let mut arguments: Vec<std::ffi::OsString> =
        ["logwarden", "--no-ui", "--once"].map(Into::into).into();
    arguments.extend(["--state-dir".into(), state.into(), "--config".into(), config.into()]);
    arguments.push("app.log".into());
    let code = logwarden::cli::main(arguments);
    assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
}

#[test]
fn directories_that_others_can_use_are_named_by_check_and_closed_by_the_engine() {
    let fixture = Fixture::new();
    fixture.once();
    let directories = [fixture.state.clone(), fixture.state.join("archive")];
    for directory in &directories {
        fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
    let checked = fixture.command(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    for directory in &directories {
        let wanted = format!("{}: other users have access (mode 0755)", directory.display());
        assert!(text(&checked.stdout).contains(&wanted), "{}", text(&checked.stdout));
    }
    let messages = fixture.once();
    for directory in &directories {
        let wanted = format!("{} could be used by other users (mode 0755)", directory.display());
        assert!(messages.contains(&wanted), "{messages}");
        assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert!(!fixture.once().contains("other users"));
    assert!(!text(&fixture.command(&["check"]).stdout).contains("other users"));
}

/// Without `--state-dir`, each directory is in its default location below the home of this user.
#[test]
fn every_directory_that_check_names_is_closed_by_the_next_start() {
    let fixture = Fixture::new();
    let home = fixture.home.path();
    let command = |arguments: &[&str]| {
        let mut command = logwarden(home);
        run(command.arg("--config").arg(home.join("config.toml")).args(arguments))
    };
    let directories = [
        "state/logwarden",
        "state/logwarden/log",
        "cache/logwarden",
        "data/logwarden/archive",
        "data/logwarden/intake",
    ];
    let once = || text(&command(&["--no-ui", "--once", "app.log"]).stderr);
    once();
    for directory in directories.map(|directory| home.join(directory)) {
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    }
    let checked = text(&command(&["check"]).stdout);
    for directory in directories.map(|directory| home.join(directory)) {
        let wanted =
            format!("{}: other users have access (mode 0755); the next start", directory.display());
        assert!(checked.contains(&wanted), "{directory:?}: {checked}");
    }
    let messages = once();
    for directory in directories.map(|directory| home.join(directory)) {
        let mode = fs::metadata(&directory).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{directory:?}: {messages}");
        assert!(
            messages.contains(&format!("{} could be used by other users", directory.display())),
            "{messages}"
        );
    }
    assert!(!text(&command(&["check"]).stdout).contains("other users"));
}

/// A directory that is not Logwarden's own, like `/tmp`. `check` reports the same as the engine does.
#[test]
fn a_directory_that_was_not_a_state_directory_keeps_its_permissions() {
    let fixture = Fixture::new();
    fs::create_dir(&fixture.state).unwrap();
    fs::set_permissions(&fixture.state, Permissions::from_mode(0o755)).unwrap();
    let log = fixture.state.join("log");
    fs::create_dir(&log).unwrap();
    fs::set_permissions(&log, Permissions::from_mode(0o755)).unwrap();
    let checked = text(&fixture.command(&["check"]).stdout);
    for directory in [&fixture.state, &log] {
        let wanted = format!(
            "{}: other users have access (mode 0755); correct it with",
            directory.display()
        );
        assert!(checked.contains(&wanted), "{checked}");
    }
    fixture.once();
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::metadata(&fixture.state).unwrap().permissions().mode() & 0o777, 0o755);
}
