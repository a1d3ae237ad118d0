//! Tests the query language as a whole: results, errors, and that text and tree agree.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::base::Timestamp;
use crate::event::{Level, Value};

pub(crate) fn parse(text: &str) -> Result<Expr, QueryError> {
    super::parse(
        text,
        &ParseContext { now: Timestamp::from_seconds(1_700_000_000), zone: TimeZone::UTC },
    )
}

#[derive(Default)]
struct Sample {
    time: i64,
    level: Option<Level>,
    text: &'static str,
    fields: Vec<(&'static str, Value<'static>)>,
}

impl Subject for Sample {
    fn time(&self) -> Timestamp {
        Timestamp::from_seconds(self.time)
    }
    fn level(&self) -> Option<Level> {
        self.level
    }
    fn search_text(&self) -> Cow<'_, str> {
        self.text.into()
    }
    fn leaves(&self, each: &mut dyn FnMut(&str, Value<'_>)) {
        for (path, value) in &self.fields {
            each(path, value.clone());
        }
    }
}

fn text(text: &'static str) -> Value<'static> {
    Value::Text(text.into())
}

fn sample() -> Sample {
    Sample {
        time: 1_699_999_900,
        level: Some(Level::Warning),
        text: "Unauthorized - POST request - at the index page",
        fields: vec![
            ("ip", text("10.1.2.3")),
            ("bytes", Value::Json("1500")),
            ("retries", text("3")),
            ("order", Value::Json("1763556497161513791")),
            ("version", text("2.10")),
            ("CLIENT ID", text("CLIENTID2")),
            ("user", Value::Json("null")),
            ("tags", Value::Json("[\"Red\", \"green blue\", 7]")),
            ("none", Value::Json("[]")),
            ("http.status", Value::Json("404.0")),
            ("host.name", text("web-1")),
            ("fields.message", text("inner")),
            ("path", text(r"C:\Temp")),
        ],
    }
}

fn check(query: &str, expected: bool) {
    let tree = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    assert_eq!(tree.matches(&sample()), expected, "{query} = {tree:?}");
    let again = parse(&tree.to_string()).unwrap_or_else(|error| panic!("{tree}: {error}"));
    assert_eq!(again, tree, "{query} → {tree}");
}

#[test]
fn words_and_phrases_search_the_message() {
    check("", true);
    check("*", true);
    check("unauthorized", true);
    check("authorized", false);
    check("message:UNAUTHORIZED", true);
    check("\"index page\"", true);
    check("\"page index\"", false);
    check("index-page", true);
    check("\"at index\"", false);
    check("un*zed", true);
    check("ind?x/p*", true);
    check("\"un*zed\"", false);
    check("message:*", true);
    check("message:(nothing post)", true);
}

#[test]
fn or_binds_weaker_than_and_which_binds_weaker_than_not() {
    check("post AND request Or nothing", true);
    check("nothing and post or request", true);
    check("nothing and (post or request)", false);
    check("not nothing post", true);
    check("-nothing -post", false);
    check("-(nothing or none)", true);
    check("not not post", true);
    check(r"\not or post", true);
    check("\"not\"", false);
}

#[test]
fn levels_compare_by_rank() {
    check("level:warning", true);
    check("level:WARN", true);
    check("level>=error", false);
    check("level>info level<fatal", true);
    check("log.level<=notice", false);
    check("level:(error warning)", true);
    check("level:*", true);
    let none = Sample::default();
    for query in ["level:*", "level>=trace", "level<=fatal"] {
        assert!(!parse(query).unwrap().matches(&none), "{query}");
    }
    assert!(parse("not level>=warning").unwrap().matches(&none));
}

#[test]
fn times_are_spans() {
    check("time>=-15m", true);
    check("time<-15m", false);
    check("time:2023-11-14", true);
    check("@timestamp<=2023-11-14", true);
    check("timestamp>2023-11-14", false);
    check("time:2023-11-14T22:00:00Z..2023-11-15", true);
    check("time:..2023-11-14", false);
    check("time >= \"2023-11-14 22:00\"", true);
}

#[test]
fn fields_compare_whole_values() {
    check("client_id:clientid2", true);
    check("\"client id\":CLIENTID2", true);
    check("clientId:CLIENTID", false);
    check("clientId:client*", true);
    check("ip:10.0.0.0/8", true);
    check("ip:11.0.0.0/8", false);
    check("ip:::ffff:10.0.0.0/104", true);
    check("ip:\"10.0.0.0/8\"", false);
    check("bytes>=1000", true);
    check("bytes:>1500", false);
    check("bytes < 1500.5", true);
    check("bytes:1500", true);
    check("bytes:1.5e3", true);
    check("bytes:1500.0", true);
    check("bytes:\"1500\"", true);
    check("bytes:\"1500.0\"", false);
    check("http.status:\"404\"", false);
    check("order:1763556497161513791", true);
    check("order:1763556497161513790", false);
    check("order:\"1763556497161513791\"", true);
    check("order:\"1763556497161513792\"", false);
    check("order:1.763556497161513791e18", true);
    check("order>=1763556497161513792", true);
    check("version:\"2.10\"", true);
    check("version:\"2.1\"", false);
    check("version:(\"2.1\" 7)", false);
    check("retries<=3", true);
    check("http.status:404", true);
    check("http_status:404", false);
    check("tags:red", true);
    check("tags:\"green BLUE\"", true);
    check("tags:green", false);
    check("tags>6", true);
    check("tags:(green 7)", true);
    check("ip>1", false);
    check("host:web*", true);
    check("fields.message:inner", true);
    check(r#"path:"C:\Temp""#, true);
    check(r"path:c\:\\temp", true);
    check(r"path:c\:\\t*", true);
    check("ip:*", true);
}

#[test]
fn missing_values_make_every_comparison_false() {
    for field in ["user", "none", "absent"] {
        for test in [":x", ":*", ":?*", ">0", "<=0", ":10.0.0.0/8"] {
            check(&format!("{field}{test}"), false);
            check(&format!("not {field}{test}"), true);
        }
    }
}

#[test]
fn queries_on_level_and_time_never_read_text_or_fields() {
    struct HeadOnly;
    impl Subject for HeadOnly {
        fn time(&self) -> Timestamp {
            Timestamp::from_seconds(0)
        }
        fn level(&self) -> Option<Level> {
            Some(Level::Info)
        }
        fn search_text(&self) -> Cow<'_, str> {
            panic!("the text is not needed")
        }
        fn leaves(&self, _: &mut dyn FnMut(&str, Value<'_>)) {
            panic!("the fields are not needed")
        }
    }
    let check = |query: &str, expected: bool| {
        assert_eq!(parse(query).unwrap().matches(&HeadOnly), expected, "{query}");
    };
    check("level:info (time<2000 or not level:*)", true);
    check("disk user:x level:error", false);
    check("disk or user:x or level:info", true);
}

#[test]
fn a_syntax_error_names_the_column_and_the_expected_input() {
    let check = |query: &str, column: usize, problem: &str| {
        let error = parse(query).expect_err(query);
        assert_eq!(error.column, column, "{query}: {error}");
        assert!(error.problem.contains(problem), "{query}: {error}");
    };
    check("(a b", 5, "expected `)` for the `(` in column 1");
    check("a )", 3, "`)` without");
    check("a or", 5, "found the end");
    check("and a", 1, "before `and`");
    check("not", 4, "found the end");
    check("ä \"b", 5, "for the one in column 3");
    check("level:eror", 7, "`eror` is not a valid level");
    check("level>fatal", 7, "no level is above fatal");
    check("bytes>=many", 8, "expected a number");
    check("time>=soon", 7, "expected a time");
    check("x:", 3, "expected a value after `x:`");
    check("x:()", 4, "expected a value");
    check("x:(a and b)", 6, "`and` is not allowed");
    check(":x", 1, "expected a word or a field");
    check("--- x", 3, "must be directly");
    check("... x", 1, "no letter or digit");
    check("!x", 1, "`not` or `-`");
    check("ip:10.0.0.0/33", 4, "0 to 32");
    check("f*:x", 1, "cannot contain wildcards");
    check("message>5", 9, "message");
    check("\"a\"b", 4, "a space");
    check("a\\", 2, "after `\\`");
    check(&"(".repeat(60), 52, "nested deeper");
    check(&"x ".repeat(4000), 4097, "longer than");
}

fn expression() -> impl Strategy<Value = Expr> {
    let word = "[a-z0-9äß日]{1,6}";
    let pattern = "[a-z]{0,3}\\*[a-z?]{0,3}";
    let token = prop_oneof![
        3 => word.prop_map(Token::Exact),
        1 => pattern.prop_map(|text| Token::Wildcard(Pattern(text))),
    ];
    let test = prop_oneof![
        any::<String>().prop_map(Test::Equals),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][-+]?[0-9]{1,2})?".prop_map(Test::Number),
        pattern
            .prop_map(|text| Test::Wildcard(Pattern(text)))
            .prop_filter("exists", |test| { *test != Test::Wildcard(Pattern("*".to_owned())) }),
        Just(Test::Exists),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| {
            Test::Range { low: ast::Bound::Excluding(number), high: ast::Bound::None }
        }),
        (any::<[u8; 16]>(), 0..=128u8).prop_map(|(address, prefix)| {
            let (first, _) = super::value::network_bounds(address.into(), prefix);
            Test::Network { address: first.to_be_bytes().into(), prefix }
        }),
    ];
    let leaf = prop_oneof![
        Just(Expr::All),
        Just(Expr::AnyLevel),
        prop::collection::vec(token, 1..4).prop_map(Expr::Words),
        (0..7usize).prop_map(|low| Expr::Level { low: Level::ALL[low], high: Level::Fatal }),
        any::<(Option<i64>, Option<i64>)>().prop_map(|(low, high)| Expr::Time {
            low: low.map(Timestamp),
            high: high.map(Timestamp),
        }),
        ("x[ -~ä]{0,8}", test)
            .prop_map(|(name, test)| Expr::Field { name: ast::FieldName(name), test }),
    ];
    leaf.prop_recursive(5, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_an_error(text in "[-a-z0-9:<>=()\"\\\\*?./ !äİ]{0,40}") {
        if let Ok(tree) = parse(&text) {
            tree.matches(&sample());
            prop_assert_eq!(parse(&tree.to_string()).map_err(|error| format!("{tree}: {error}")), Ok(tree));
        }
    }

    #[test]
    fn any_characters_are_a_query_or_an_error(text in any::<String>()) {
        if let Ok(tree) = parse(&text) {
            prop_assert_eq!(parse(&tree.to_string()).map_err(|error| format!("{tree}: {error}")), Ok(tree));
        }
    }

    #[test]
    fn the_text_of_a_tree_parses_to_the_same_tree(tree in expression()) {
        prop_assert_eq!(parse(&tree.to_string()).map_err(|error| format!("{tree}: {error}")), Ok(tree));
    }
}
