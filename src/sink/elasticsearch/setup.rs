//! The index template: how the fields of the event document are indexed, and how text becomes words.
//!
//! Events are delivered without it too; then the server guesses the types from the first values that it meets.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{ElasticsearchSink, Settings, reply};
use crate::client::elasticsearch::{Method, Request};

/// Its name on the server.
pub const TEMPLATE: &str = "logwarden";

const MAPPING: &str = include_str!("../../../assets/elasticsearch/template.json");

/// How messages are cut into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Analyzer {
    /// As the archive does: runs of letters and digits, in small letters.
    #[default]
    Logwarden,
    /// The server's own: for servers without the tokenizer `pattern`.
    Standard,
}

/// The template for all indexes that these settings name.
pub fn template(settings: &Settings) -> Value {
    let mut template: Value = serde_json::from_str(MAPPING).expect("the asset is JSON");
    let mut patterns = vec![settings.index.wildcard()];
    patterns.extend(settings.routes.iter().map(|route| route.index.wildcard()));
    patterns.sort();
    patterns.dedup();
    template["index_patterns"] = json!(patterns);
    if settings.analyzer == Analyzer::Standard {
        let inner = &mut template["template"];
        inner.as_object_mut().expect("an object").remove("settings");
        inner["mappings"]["properties"]["message"] = json!({ "type": "text" });
    }
    template
}

impl ElasticsearchSink {
    /// Installs the template, or replaces it. Indexes that are there already stay as they are.
    pub async fn set_up(&self, template: &Value) -> Result<(), String> {
        let request = Request {
            method: Method::Put,
            path: &format!("_index_template/{TEMPLATE}"),
            query: &[],
            body: Some(Bytes::from(template.to_string())),
            packed: false,
            content_type: "application/json",
            time_out: std::time::Duration::from_secs(30),
        };
        let answer = self.client.send(&request).await.map_err(|failure| failure.to_string())?;
        let name = &answer.server;
        match answer.status {
            200 => Ok(()),
            400 if answer.body.windows(9).any(|word| word == b"tokenizer") => Err(format!(
                "{name} does not know the tokenizer `pattern` ({}); set analyzer = \"standard\" in the sink",
                reply::said(&answer.body)
            )),
            401 | 403 => Err(format!(
                "{name} does not let this user install a template ({}: {}); it needs \
                 `manage_index_templates`",
                answer.status,
                reply::said(&answer.body)
            )),
            status => Err(format!("{name} refuses it ({status}: {})", reply::said(&answer.body))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::elasticsearch::{Connection, Login};
    use crate::query::Expr;
    use crate::sink::elasticsearch::{IndexPattern, Route};

    #[test]
    fn it_covers_every_index_and_says_how_words_are_cut() {
        let connection = Connection {
            urls: Vec::new(),
            login: Login::Nobody,
            ca_file: None,
            ca_fingerprint: None,
        };
        let pattern = |written| IndexPattern::parse(written).unwrap();
        let route = |written| Route { where_: Expr::All, index: pattern(written) };
        let mut settings = Settings {
            connection,
            index: pattern("logwarden-%Y.%m.%d"),
            routes: vec![route("error"), route("error")],
            compress: false,
            analyzer: Analyzer::Logwarden,
        };
        let made = template(&settings);
        assert_eq!(made["index_patterns"], json!(["error", "logwarden-*"]));
        assert!(made["template"]["settings"]["analysis"].is_object());
        settings.analyzer = Analyzer::Standard;
        let made = template(&settings);
        assert!(made["template"].get("settings").is_none());
        assert_eq!(made["template"]["mappings"]["properties"]["message"], json!({"type": "text"}));
    }
}
