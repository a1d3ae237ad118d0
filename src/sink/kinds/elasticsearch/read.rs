//! Reads the settings of a `[sink.NAME]` of kind `elasticsearch`.

use std::time::Duration;

use crate::base::bytes::parse_duration;
use crate::client::SecretSource;
use crate::client::elasticsearch::{Connection, Login, Url};
use crate::config::{Section, tilde};
use crate::sink::elasticsearch::{Analyzer, IndexPattern, Route, Settings};

/// The index if the setting is absent: one per day.
const INDEX: &str = "logwarden-%Y.%m.%d";

/// `None` if a setting is wrong; the errors are recorded in `section.findings`.
pub(super) fn read(section: &mut Section<'_>) -> Option<Settings> {
    let connection = connection(section);
    let default = index(section, Some(INDEX));
    let analyzers = [("logwarden", Analyzer::Logwarden), ("standard", Analyzer::Standard)];
    let analyzer = section.choice("analyzer", &analyzers).unwrap_or_default();
    let compress = section.flag("compress").unwrap_or(false);
    let allow_rollover = section.flag("allow_rollover").unwrap_or(false);
    let keep = section.parsed("keep", whole_days);
    let mut routes = Vec::new();
    section.tables("route", |route| {
        let where_ = route.query("where");
        if let (Some((where_, _)), Some(index)) = (where_, index(route, None)) {
            routes.push(Route { where_, index });
        }
    });
    let index = default?;
    if keep.is_some() {
        require_daily(section, &index, &routes);
    }
    let connection = connection?;
    Some(Settings { connection, index, routes, compress, allow_rollover, analyzer, keep })
}

/// Reports each index that is not one per day: an index of several days would be deleted together with its new events.
fn require_daily(section: &Section<'_>, index: &IndexPattern, routes: &[Route]) {
    let all = std::iter::once(index).chain(routes.iter().map(|route| &route.index));
    for index in all.filter(|index| !index.names_the_day()) {
        let problem = format!(
            "`keep` deletes whole indexes, but `{index}` does not name one index per day; use %Y, %m and %d in it, \
             or remove `keep`"
        );
        section.findings.error(section.place(), problem);
    }
}

fn whole_days(text: &str) -> Result<Duration, String> {
    let keep = parse_duration(text)?;
    match keep.as_secs() {
        0 => Err(format!("`{text}`: must be at least one day, for example 30d")),
        seconds if seconds % 86_400 == 0 => Ok(keep),
        _ => Err(format!("`{text}`: must be whole days, for example 30d")),
    }
}

/// The setting `index`; if it is absent, `default`, or an error if that is `None`.
fn index(section: &mut Section<'_>, default: Option<&str>) -> Option<IndexPattern> {
    match (section.has("index"), default) {
        (false, Some(default)) => IndexPattern::parse(default).ok(),
        (false, None) => section.required_text("index").and(None),
        (true, _) => section.parsed("index", IndexPattern::parse),
    }
}

fn connection(section: &mut Section<'_>) -> Option<Connection> {
    let place = section.place().clone();
    let mut urls = Vec::new();
    let mut wrong = false;
    for (written, place) in section.texts("urls").unwrap_or_default() {
        match url(&written) {
            Ok(url) => urls.push(url),
            Err(problem) => {
                section.findings.error(&place, problem);
                wrong = true;
            }
        }
    }
    if urls.is_empty() && !wrong {
        section
            .findings
            .error(&place, "`urls` is missing; write urls = [\"http://localhost:9200\"]");
        wrong = true;
    }
    let login = login(section);
    let ca_file = section.text("ca_file").map(|path| tilde::expand(&path));
    let ca_fingerprint = section.parsed("ca_fingerprint", fingerprint);
    if wrong {
        return None;
    }
    Some(Connection { urls, login: login?, ca_file, ca_fingerprint })
}

fn url(written: &str) -> Result<Url, String> {
    let shape =
        || format!("`{written}` is not a valid URL; write for example https://localhost:9200");
    let has_password = written.split("://").nth(1).is_some_and(|rest| {
        rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@'))
    });
    if has_password {
        return Err(
            "a URL must not contain a user name or password; use `username` and `password_file`"
                .to_owned(),
        );
    }
    let url = Url::parse(written).map_err(|_| shape())?;
    let known = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !known || url.query().is_some() || url.fragment().is_some() {
        return Err(shape());
    }
    Ok(url)
}

fn login(section: &mut Section<'_>) -> Option<Login> {
    let place = section.place().clone();
    let username = section.text("username");
    let file = section.text("password_file").map(|path| SecretSource::File(tilde::expand(&path)));
    let environment = section.text("password_env").map(SecretSource::Environment);
    let key = section.text("api_key_file").map(|path| SecretSource::File(tilde::expand(&path)));
    let problem = match (username, file, environment, key) {
        (None, None, None, None) => return Some(Login::Anonymous),
        (None, None, None, Some(place)) => return Some(Login::ApiKey(place)),
        (Some(username), Some(password), None, None)
        | (Some(username), None, Some(password), None) => {
            return Some(Login::Password { username, password });
        }
        (_, _, _, Some(_)) => "use either `api_key_file`, or `username` with a password",
        (_, Some(_), Some(_), _) => "use either `password_file` or `password_env`",
        (Some(_), None, None, _) => "`username` needs `password_file` or `password_env`",
        (None, _, _, _) => "a password needs `username`",
    };
    section.findings.error(&place, problem);
    None
}

/// 64 hexadecimal digits, with optional colons as openssl prints them.
fn fingerprint(written: &str) -> Result<[u8; 32], String> {
    let digits: String = written.chars().filter(|letter| *letter != ':').collect();
    let mut bytes = [0; 32];
    let wrong = || "a SHA-256 fingerprint has 64 hexadecimal digits".to_owned();
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(wrong());
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_takes_whole_days() {
        assert_eq!(whole_days("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(whole_days("48h"), Ok(Duration::from_secs(2 * 86_400)));
        for wrong in ["0s", "12h", "500ms", "30", "forever"] {
            assert!(whole_days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn urls_and_fingerprints() {
        assert!(url("https://es.example.org:9200/prefix").is_ok());
        for wrong in ["localhost:9200", "ftp://x", "http://", "http://a?b", "es"] {
            assert!(url(wrong).unwrap_err().contains("https://localhost:9200"), "{wrong}");
        }
        assert!(url("https://u:p@host/").unwrap_err().contains("password_file"));
        let written = "AB:".repeat(31) + "ab";
        assert_eq!(fingerprint(&written), Ok([0xab; 32]));
        assert!(fingerprint("ab").is_err());
    }
}
