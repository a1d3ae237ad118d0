//! Command lines: missing paths, standard input, regular expressions, misspelled names.

use super::*;

#[test]
fn a_missing_path_is_code_2_in_every_command() {
    let program = Program::new();
    let file = program.write("web.log", WEB);
    for arguments in [
        &["none.log"][..],
        &["--no-ui", "--once", "none.log"],
        &["parse", "none.log"],
        &["stats", &file, "none.log"],
        &["search", "x", "none.log"],
        &["keys", "import", "2021_April", "none.log"],
    ] {
        let outcome = program.run(arguments).exits(2).reports("none.log: no such file");
        assert_eq!(outcome.out, "", "{arguments:?}");
    }
}

#[test]
fn check_and_start_refuse_a_file_sink_that_cannot_work() {
    let program = Program::new();
    program.write("app.log", WEB);
    let check = |path: &str, wrong: &str, starts: bool| {
        let text = format!(
            "[source.app]\npaths = [\"app.log\"]\n[sink.out]\nkind = \"file\"\npath = \"{path}\"\n"
        );
        let config = program.write("own.toml", &text);
        let global = ["--config", &config, "--state-dir", "durable"];
        program
            .run(&[&["check"], &global[..]].concat())
            .exits(1)
            .prints(&format!("ERROR sink out: {wrong}"));
        if !starts {
            let once = ["--no-ui", "--once"];
            program.run(&[&global[..], &once[..]].concat()).exits(2).reports(wrong);
        }
    };
    check("none/out.jsonl", "the directory none does not exist; create it: mkdir -p none", true);
    check("/tmp", "/tmp is a directory; name a file in it", false);
    for device in ["/dev/null", "/dev/stdout"] {
        check(device, &format!("{device} is not a regular file"), false);
    }
}

#[test]
fn having_no_key_yet_is_not_an_error() {
    let program = Program::new();
    for command in ["list", "check"] {
        program.run(&["keys", command, "--state-dir", "durable"]).exits(0).reports(
            "no keys in durable/keys yet: the first key is created when an event is first sealed",
        );
    }
    assert!(!program.path("durable/keys").exists());
}

#[test]
fn standard_input_is_searched_as_it_arrives() {
    let program = Program::new();
    let search = |arguments: &[&str]| {
        let mut command = program.command(&[&["search"], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(WEB.as_bytes()).unwrap();
        Outcome::of(child.wait_with_output().unwrap())
    };
    assert_eq!(search(&["level>=warning", "-", "--count"]).exits(0).out, "2\n");
    assert_eq!(search(&["level>=warning", "-", "--limit", "1"]).exits(0).out.lines().count(), 1);
    assert_eq!(search(&["*", "-", "--newest"]).exits(0).out.lines().count(), 3);
    search(&["nothing", "-"]).exits(1);
    search(&["x", "-", "web.log"]).exits(2).reports("standard input cannot be combined with files");
}

#[test]
fn a_regular_expression_searches_the_record_in_files_and_the_stored_text_in_the_archive() {
    let program = Program::new();
    program
        .write("app.log", "{\"level\":\"error\",\"message\":\"took 17 ms\",\"page\":\"index\"}\n");
    program.run(&["--no-ui", "--once", "app.log", "--state-dir", "durable"]).exits(0);
    let count = |query: &str, path: &[&str]| {
        let arguments = ["search", query, "--count", "--state-dir", "durable"];
        program.run(&[&arguments, path].concat()).out.trim().to_owned()
    };
    for (query, files, archive) in [
        (r"/took \d+ ms/", "1", "1"),
        ("/TOOK/", "0", "0"),
        ("/page.*index/", "1", "1"),
        ("/^.\"level/", "1", "0"),
        ("/nowhere/", "0", "0"),
    ] {
        assert_eq!(count(query, &["app.log"]), files, "{query}");
        assert_eq!(count(query, &[]), archive, "{query}");
    }
    program.run(&["search", "/(/", "app.log"]).exits(2).reports("not a valid regular expression");
}

#[test]
fn an_unknown_field_is_named_once_with_a_suggestion() {
    let program = Program::new();
    program.write("app.log", "{\"level\":\"error\",\"message\":\"x\",\"status\":500}\n");
    program.run(&["--no-ui", "--once", "app.log", "--state-dir", "durable"]).exits(0);
    for path in [&["app.log"][..], &[]] {
        let search = |query: &str| {
            program.run(&[&["search", query, "--state-dir", "durable"], path].concat())
        };
        let outcome = search("levle:error or levle:fatal").exits(1);
        let messages: Vec<&str> = outcome.err.lines().collect();
        assert_eq!(messages, ["logwarden: no event has a field `levle`; did you mean `level`?"]);
        search("stauts:500").exits(1).reports("did you mean `status`?");
        assert_eq!(search("status:404").exits(1).err, "");
    }
}

#[test]
fn a_tilde_is_the_home_of_this_user() {
    let program = Program::new();
    program.write("logs/app.log", WEB);
    let config = program.write("own.toml", "[source.app]\npaths = [\"~/logs/app.log\"]\n");
    let global = ["--config", &config, "--state-dir", "durable"];
    program.run(&[&["check"], &global[..]].concat()).exits(0).prints("logs/app.log: readable");
    let config = program.write("own.toml", "[source.app]\npaths = [\"~bob/app.log\"]\n");
    let global = ["--config", &config, "--state-dir", "durable"];
    program
        .run(&[&["check"], &global[..]].concat())
        .exits(2)
        .reports("in the home of another user");
}

#[test]
fn binary_data_is_announced_before_it_is_delivered() {
    let program = Program::new();
    let bytes: Vec<u8> =
        (0..40_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(program.path("data"), bytes).unwrap();
    program
        .run(&["--no-ui", "--once", "data", "--state-dir", "durable"])
        .reports("does not look like text; it is read as lines");
}
