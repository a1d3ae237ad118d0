//! The needs of packages and service managers: manual pages and a given state directory.

use std::fs;

use super::{Outcome, Program};

#[test]
fn each_command_has_a_manual_page() {
    let program = Program::new();
    program.run(&["man"]).exits(0).prints(".TH logwarden 1");
    let directory = program.path("man");
    program.run(&["man", "--out", &directory.display().to_string()]).exits(0);
    let pages = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
    let pages: Vec<String> = pages.map(|name| name.into_string().unwrap()).collect();
    for page in ["logwarden.1", "logwarden-search.1", "logwarden-keys-list.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is not in {pages:?}");
    }
    program.write("occupied", "");
    program.run(&["man", "--out", "occupied/man"]).exits(1).reports("cannot create occupied/man");
}

#[test]
fn the_state_is_in_the_directory_that_the_service_manager_made() {
    let program = Program::new();
    let log = program.write("app.log", "an error\n");
    let run = |state: &str, arguments: &[&str]| {
        let mut command = program.command(&["--no-ui", "--once", &log]);
        let output = command.args(arguments).env("STATE_DIRECTORY", state).output().unwrap();
        Outcome::of(output).exits(0);
    };
    let (given, named) = (program.path("given"), program.path("named"));
    run(&format!("{}:/var/lib/other", given.display()), &[]);
    assert!(given.join("archive").exists() && given.join("state.redb").exists());
    run(&given.display().to_string(), &["--state-dir", &named.display().to_string()]);
    assert!(named.join("archive").exists(), "--state-dir has precedence");
}
