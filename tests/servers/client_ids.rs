//! Sealed values are found in a real server by their tags, and their events are erased there.

use logwarden::client::elasticsearch::Method;

use crate::elasticsearch::Elasticsearch;
use crate::fixture::Fixture;
use crate::program;

/// Returns the exit code, standard output and standard error.
fn run_for_client(fixture: &Fixture, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program::run(fixture.beside(arguments).args(["--client", "CLIENTID2"]));
    (output.status.code(), program::text(&output.stdout), program::text(&output.stderr))
}

/// Two indexes: in one a tag is a keyword, as `logwarden setup` maps it, in the other the server chooses the type.
pub fn are_found_and_erased_by_their_tags(server: &Elasticsearch) {
    let keyword = r#"{"mappings":{"dynamic_templates":[{"texts":{"match_mapping_type":"string",
        "mapping":{"type":"keyword"}}}],"properties":{"odd_tag":{"type":"long"}}}}"#;
    server.ask(Method::Put, "sealed-2021.04.02", keyword);
    let fixture =
        Fixture::new(&format!("urls = [\"{}\"]\nindex = \"sealed-%Y.%m.%d\"", server.url()));
    for day in ["2021-03-02", "2021-04-02"] {
        for number in 0..20 {
            let id = number % 4;
            let field = match number {
                0..10 => format!("\"client_id\":\"CLIENTID{id}\""),
                _ => format!("\"request\":{{\"CLIENT ID\":\"CLIENTID{id}\"}}"),
            };
            let text = format!(
                "{{\"time\":\"{day}T10:00:{number:02}Z\",\"odd_tag\":7,\"message\":\"x\",{field}}}\n"
            );
            fixture.append("a.log", &text);
        }
    }
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(server.count("sealed-*"), 40);
    assert_eq!(
        run_for_client(&fixture, &["find", "--limit", "0"]).1,
        "sink es (sealed-*): 10 events\n",
        "five of each day"
    );
    let (code, out, messages) = run_for_client(&fixture, &["find", "--limit", "2"]);
    assert_eq!(code, Some(0), "{messages}");
    assert!(out.contains("2021-04-02T10:00:18") && out.contains("2021-04-02T10:00:14"), "{out}");

    let (code, out, messages) = run_for_client(&fixture, &["erase", "--yes"]);
    if code != Some(0) && messages.contains("_delete_by_query") && !server.is_opensearch() {
        eprintln!("NOT TESTED: this distribution has no module for _delete_by_query: {messages}");
        return;
    }
    assert_eq!(code, Some(0), "{out}{messages}");
    assert!(out.contains("sink es (sealed-*): 10 events erased"), "{out}");
    assert_eq!(server.count("sealed-*"), 30);
    assert_eq!(run_for_client(&fixture, &["find"]).0, Some(1));
}
