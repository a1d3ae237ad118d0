//! Installs the policy that deletes old indexes: index lifecycle management (ILM) of Elasticsearch, or index state
//! management (ISM) of OpenSearch. The server's answer shows which of them it has.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::{NAME, days, refused, reply};
use crate::client::elasticsearch::{Method, Reply};
use crate::sink::elasticsearch::ElasticsearchSink;

/// The kind of policy that a server supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// Elasticsearch; the template names the policy.
    Lifecycle,
    /// OpenSearch; the policy names the indexes.
    States,
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Retention::Lifecycle => "ILM",
            Retention::States => "ISM",
        })
    }
}

impl Retention {
    pub fn path(self) -> String {
        match self {
            Retention::Lifecycle => format!("_ilm/policy/{NAME}"),
            Retention::States => format!("_plugins/_ism/policies/{NAME}"),
        }
    }

    /// The policy as JSON. The age counts from the creation of an index, which is on the day in its name or later.
    pub fn policy(self, keep: Duration, patterns: &[String]) -> Value {
        let age = days(keep);
        match self {
            Retention::Lifecycle => json!({"policy": {"phases": {
                "hot": {"actions": {}},
                "delete": {"min_age": age, "actions": {"delete": {}}},
            }}}),
            Retention::States => {
                let conditions = json!({"min_index_age": age});
                let old = json!({"state_name": "old", "conditions": conditions});
                json!({"policy": {
                    "description": "Deletes what Logwarden delivered, index by index",
                    "default_state": "kept",
                    "states": [
                        {"name": "kept", "actions": [], "transitions": [old]},
                        {"name": "old", "actions": [{"delete": {}}], "transitions": []},
                    ],
                    "ism_template": [{"index_patterns": patterns, "priority": 200}],
                }})
            }
        }
    }

    /// Whether the server confirms the policy.
    fn is_installed(self, answer: &Reply) -> bool {
        match self {
            Retention::Lifecycle => reply::is_acknowledged(&answer.body),
            Retention::States => {
                let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                said.get("_id").is_some()
            }
        }
    }

    /// The privilege that a user needs to install the policy.
    fn right(self) -> &'static str {
        match self {
            Retention::Lifecycle => "manage_ilm",
            Retention::States => "cluster:admin/opendistro/ism/policy/write",
        }
    }
}

impl ElasticsearchSink {
    /// Creates or replaces the policy in the form that the server supports.
    pub(super) async fn install_retention(
        &self,
        keep: Duration,
        patterns: &[String],
    ) -> Result<Retention, String> {
        let mut server = String::new();
        for retention in [Retention::Lifecycle, Retention::States] {
            let policy = retention.policy(keep, patterns);
            let mut answer = self.put(&retention.path(), &policy).await?;
            if retention == Retention::States && answer.status == 409 {
                answer = self.replace_states(&policy).await?;
            }
            match answer.status {
                200 | 201 if retention.is_installed(&answer) => return Ok(retention),
                200 | 201 => return Err(reply::not_elasticsearch(&answer)),
                _ if is_unknown(&answer) => server = answer.server,
                _ => return Err(refused(&answer, "a policy for `keep`", retention.right())),
            }
        }
        Err(format!(
            "{server} has neither index lifecycle nor index state management, so it cannot delete old indexes; \
             remove `keep`"
        ))
    }

    /// An existing policy can be replaced only with its current version.
    async fn replace_states(&self, policy: &Value) -> Result<Reply, String> {
        let path = Retention::States.path();
        let there = self.setup_request(Method::Get, &path, &[], None).await?;
        let found: Value = serde_json::from_slice(&there.body).unwrap_or_default();
        let (Some(number), Some(term)) =
            (found["_seq_no"].as_i64(), found["_primary_term"].as_i64())
        else {
            return Err(refused(&there, "an update of its policy", Retention::States.right()));
        };
        let (number, term) = (number.to_string(), term.to_string());
        let version = [("if_seq_no", number.as_str()), ("if_primary_term", &term)];
        self.setup_request(Method::Put, &path, &version, Some(policy)).await
    }
}

/// The server has no such interface: `no handler found for uri`, or, in version 7, an error about the index name.
fn is_unknown(answer: &Reply) -> bool {
    let says = |text: &str| answer.body.windows(text.len()).any(|words| words == text.as_bytes());
    match answer.status {
        400 => says("no handler found") || says("invalid_index_name_exception"),
        404 | 405 => true,
        _ => false,
    }
}
