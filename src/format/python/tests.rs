use crate::format::test_output::check;

#[test]
fn the_common_layouts_are_parsed() {
    check(
        "python",
        &[
            (
                "2023-11-14 10:23:01,462 - [WARNING] - Unauthorized - POST request - at /",
                "2023-11-14T10:23:01.462Z warning | [Unauthorized - POST request - at /]",
            ),
            (
                "2023-11-14 10:23:01,462 - app.db - ERROR - lost\nTraceback (most recent call last):\n  x\nE: y",
                "2023-11-14T10:23:01.462Z error | logger=app.db [lost\nTraceback (most recent call last):\n  \
                 x\nE: y]",
            ),
            (
                "2023-11-14 10:23:01,462 - app - CRITICAL - - odd",
                "2023-11-14T10:23:01.462Z fatal | logger=app [- odd]",
            ),
            ("WARNING:root:careful: x", "- warning | logger=root [careful: x]"),
            (
                "[2023-11-14 10:23:01 +0000] [7] [INFO] Booting worker",
                "2023-11-14T10:23:01Z info | thread=7 [Booting worker]",
            ),
            (
                "[2023-11-14 10:23:01,462: ERROR/MainProcess] Task failed",
                "2023-11-14T10:23:01.462Z error | process=MainProcess [Task failed]",
            ),
        ],
    );
}
