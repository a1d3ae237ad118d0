//! Prepares a server before the first events: installs the index template (how fields are indexed, how text is split
//! into words), and a policy that deletes old indexes if `keep` is set.
//!
//! Events are also delivered without this; then the server guesses the type of each field from its first value.

mod retention;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use self::retention::Retention;
use super::{ElasticsearchSink, Settings, reply};
use crate::client::elasticsearch::{LARGEST_REPLY, Method, Reply, Request};

/// The name of the template and of the policy on the server.
const NAME: &str = "logwarden";

const MAPPING: &str = include_str!("../../../assets/elasticsearch/template.json");

/// How messages are split into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Analyzer {
    /// As in the archive: runs of letters and digits, in lower case.
    #[default]
    Logwarden,
    /// The server's default analyzer: for servers without the tokenizer `pattern`.
    Standard,
}

/// Everything that [`ElasticsearchSink::set_up`] may send, in the form of the server's console.
pub fn printed(settings: &Settings) -> String {
    let mut text = String::new();
    let mut add = |comment: &str, path: &str, body: &Value| {
        text.push_str(&format!("{comment}PUT {path}\n{body:#}\n\n"));
    };
    if let Some(keep) = settings.keep {
        let patterns = patterns(settings);
        for (comment, retention) in [
            ("# Elasticsearch\n", Retention::Lifecycle),
            ("# OpenSearch; there without \"lifecycle\" in the template\n", Retention::States),
        ] {
            add(comment, &retention.path(), &retention.policy(keep, &patterns));
        }
    }
    add("", &path(), &template(settings, settings.keep.map(|_| Retention::Lifecycle)));
    text.pop();
    text
}

fn path() -> String {
    format!("_index_template/{NAME}")
}

/// Wildcards for the names of all indexes into which these settings write.
pub(super) fn patterns(settings: &Settings) -> Vec<String> {
    let mut patterns = vec![settings.index.wildcard()];
    patterns.extend(settings.routes.iter().map(|route| route.index.wildcard()));
    patterns.sort();
    patterns.dedup();
    patterns
}

fn template(settings: &Settings, retention: Option<Retention>) -> Value {
    let mut template: Value = serde_json::from_str(MAPPING).expect("the asset is JSON");
    template["index_patterns"] = json!(patterns(settings));
    let inner = &mut template["template"];
    if settings.analyzer == Analyzer::Standard {
        inner.as_object_mut().expect("an object").remove("settings");
        inner["mappings"]["properties"]["message"] = json!({ "type": "text" });
    }
    if retention == Some(Retention::Lifecycle) {
        inner["settings"]["index"]["lifecycle"]["name"] = json!(NAME);
    }
    template
}

impl ElasticsearchSink {
    /// Installs or replaces everything and returns a summary. Existing indexes are not changed.
    pub async fn set_up(&self, settings: &Settings) -> Result<String, String> {
        let patterns = patterns(settings);
        let retention = match settings.keep {
            Some(keep) => Some(self.install_retention(keep, &patterns).await?),
            None => None,
        };
        let answer = self.put(&path(), &template(settings, retention)).await?;
        let name = &answer.server;
        match answer.status {
            200 if reply::is_acknowledged(&answer.body) => {}
            200 => return Err(reply::not_elasticsearch(&answer)),
            400 if answer.body.windows(9).any(|word| word == b"tokenizer") => {
                return Err(format!(
                    "{name} has no tokenizer `pattern` ({}); set analyzer = \"standard\" in the \
                     sink",
                    reply::server_text(&answer.body)
                ));
            }
            _ => return Err(refused(&answer, "a template", "manage_index_templates")),
        }
        let said = format!("template `{NAME}` for {}", patterns.join(", "));
        Ok(match (retention, settings.keep) {
            (Some(retention), Some(keep)) => {
                format!("{said}; {retention} policy `{NAME}`: deleted after {}", days(keep))
            }
            _ => said,
        })
    }

    async fn put(&self, path: &str, body: &Value) -> Result<Reply, String> {
        self.setup_request(Method::Put, path, &[], Some(body)).await
    }

    pub(super) async fn setup_request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let request = Request {
            method,
            path,
            query,
            body: body.map(|body| Bytes::from(body.to_string())),
            gzip: false,
            content_type: "application/json",
            time_out: Duration::from_secs(30),
            largest_reply: LARGEST_REPLY,
        };
        self.client.send(&request).await.map_err(|failure| failure.to_string())
    }
}

fn refused(answer: &Reply, what: &str, right: &str) -> String {
    let (name, status, said) = (&answer.server, answer.status, reply::server_text(&answer.body));
    match status {
        401 | 403 => format!(
            "{name} does not allow this user to install {what} ({status}: {said}); it needs `{right}`"
        ),
        _ => format!("{name} refused to install {what} ({status}: {said})"),
    }
}

/// As servers write a number of days: `30d`.
fn days(keep: Duration) -> String {
    format!("{}d", keep.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::elasticsearch::{Connection, Login};
    use crate::query::Expr;
    use crate::sink::elasticsearch::{IndexPattern, Route};

    fn settings() -> Settings {
        let connection = Connection {
            urls: Vec::new(),
            login: Login::Anonymous,
            ca_file: None,
            ca_fingerprint: None,
        };
        let pattern = |written| IndexPattern::parse(written).unwrap();
        let route = |written| Route { where_: Expr::All, index: pattern(written) };
        Settings {
            connection,
            index: pattern("logwarden-%Y.%m.%d"),
            routes: vec![route("error"), route("error")],
            compress: false,
            allow_rollover: false,
            analyzer: Analyzer::Logwarden,
            keep: None,
        }
    }

    #[test]
    fn the_template_covers_every_index_and_sets_the_analyzer() {
        let mut settings = settings();
        let made = template(&settings, None);
        assert_eq!(made["index_patterns"], json!(["error", "logwarden-*"]));
        assert!(made["template"]["settings"]["analysis"].is_object());
        settings.analyzer = Analyzer::Standard;
        let made = template(&settings, None);
        assert!(made["template"].get("settings").is_none());
        assert_eq!(made["template"]["mappings"]["properties"]["message"], json!({"type": "text"}));
    }

    #[test]
    fn old_indexes_are_deleted_only_if_configured() {
        let mut settings = settings();
        assert!(!printed(&settings).contains("delete"));
        settings.keep = Some(Duration::from_secs(30 * 86_400));
        settings.analyzer = Analyzer::Standard;
        let text = printed(&settings);
        let bodies: Vec<(&str, Value)> = text
            .split("PUT ")
            .skip(1)
            .map(|part| {
                let (path, rest) = part.split_once('\n').unwrap();
                let end = rest.rfind('}').unwrap();
                (path, serde_json::from_str(&rest[..=end]).unwrap())
            })
            .collect();
        let [(ilm, policy), (ism, states), (template, made)] = &bodies[..] else {
            panic!("{text}")
        };
        assert_eq!(*ilm, "_ilm/policy/logwarden");
        assert_eq!(policy["policy"]["phases"]["delete"]["min_age"], "30d");
        assert_eq!(*ism, "_plugins/_ism/policies/logwarden");
        let patterns = &states["policy"]["ism_template"][0]["index_patterns"];
        assert_eq!(*patterns, json!(["error", "logwarden-*"]));
        assert_eq!(*template, "_index_template/logwarden");
        assert_eq!(made["template"]["settings"]["index"]["lifecycle"]["name"], "logwarden");
    }
}
