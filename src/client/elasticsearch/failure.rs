//! The error of a request that got no usable reply. Its text says what happened and, if a person must act, what to do.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use reqwest::Error;

/// The reason why there was no reply, or none that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no connection.
    Unreachable(String),
    /// The connection broke or timed out: the request may have arrived.
    Broken(String),
    /// The server redirects: nothing was sent to the other address, and the request was not carried out.
    Redirected(String),
    /// The server or its certificate is not the expected one.
    Untrusted(String),
    /// A file, password or URL in the settings is wrong.
    Settings(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Unreachable(text)
        | Failure::Broken(text)
        | Failure::Redirected(text)
        | Failure::Untrusted(text)
        | Failure::Settings(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub(super) fn may_have_arrived(&self) -> bool {
        matches!(self, Failure::Broken(_))
    }

    /// Whether a person has to act.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Failure::Redirected(_) | Failure::Untrusted(_) | Failure::Settings(_))
    }

    /// The failure that an error of the HTTP client means. `node`: the address of the server.
    pub(super) fn of(error: &Error, node: &str, time_out: Duration) -> Failure {
        let root = root_of(error);
        if error.is_timeout() {
            let seconds = time_out.as_secs();
            return Failure::Broken(format!(
                "{node} did not send a complete answer within {seconds} s"
            ));
        }
        if let Some(text) = certificate_problem(&root) {
            return Failure::Untrusted(format!("{node}: {text}"));
        }
        if root.contains("InvalidContentType") || root.contains("corrupt message") {
            let text = format!("{node} does not speak TLS; should its URL start with http://?");
            return Failure::Untrusted(text);
        }
        Failure::Broken(format!("the connection to {node} broke ({root})"))
    }
}

/// The innermost cause: the outer ones only say that something failed.
fn root_of(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

fn certificate_problem(root: &str) -> Option<String> {
    let about = root.strip_prefix("invalid peer certificate: ")?;
    let what = match about {
        text if text.starts_with("UnknownIssuer") || text.starts_with("BadSignature") => {
            "its certificate is not signed by a trusted authority; set ca_file or ca_fingerprint, or correct \
             them"
        }
        text if text.starts_with("certificate expired") || text.starts_with("Expired") => {
            "its certificate has expired; renew it on the server, or correct this machine's clock"
        }
        text if text.starts_with("certificate not valid yet") => {
            "its certificate is not valid yet; check the clocks of both machines"
        }
        text if text.starts_with("certificate not valid for name") => {
            "its certificate is for another name; use that name in `urls`, or renew the certificate"
        }
        _ => return Some(format!("its certificate was rejected ({about})")),
    };
    Some(format!("{what} ({about})"))
}
