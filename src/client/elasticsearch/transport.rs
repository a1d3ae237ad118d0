//! Sends one HTTP request to one server, and receives the reply.
//!
//! The requests are those of the official client (its paths, methods and headers), but they are sent with `reqwest`, on
//! which it is built. The official client itself is not suitable: it follows up to ten redirects, which cannot be
//! switched off (`TransportBuilder` of 9.1.0-alpha.1), so events and queries could go to hosts that are not configured;
//! and it reads a reply into memory however long it is.
//!
//! Promises: nothing is sent to any address except the configured one; a reply takes a bounded amount of memory.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use elasticsearch::cert::Certificate;
use elasticsearch::http::headers::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DEFAULT_ACCEPT, DEFAULT_USER_AGENT,
    HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use elasticsearch::http::{Method, Url};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::{Failure, Login, Reply, Request};
use crate::base::bytes::size;
use crate::base::sanitize;

/// A longer `Retry-After` of a server or proxy counts as this long.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// Connections to one server, kept and reused. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client,
    /// Ends with a slash.
    base: Url,
}

impl Transport {
    /// `trusted`: authorities that may sign the server's certificate, besides the public ones.
    pub(super) fn new(
        url: &Url,
        login: &Login,
        trusted: Option<Certificate>,
    ) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(DEFAULT_ACCEPT));
        if let Some(authorization) = authorization(login)? {
            headers.insert(AUTHORIZATION, authorization);
        }
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(DEFAULT_USER_AGENT)
            .default_headers(headers);
        for certificate in trusted.into_iter().flatten() {
            builder = builder.add_root_certificate(certificate);
        }
        let client = builder.build().map_err(|error| {
            Failure::Settings(format!("cannot set up connections to {url}: {error}"))
        })?;
        let mut base = url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", url.path()));
        }
        Ok(Transport { client, base })
    }

    /// Sends a request. A reply with any status is a success, except a redirect. `server`: its name in messages.
    pub(super) async fn exchange(
        &self,
        server: &str,
        request: &Request<'_>,
    ) -> Result<Reply, Failure> {
        let failed = |error: reqwest::Error| Failure::of(&error, server, request.time_out);
        let path = request.path.trim_start_matches('/');
        let url = self.base.join(path).map_err(|error| {
            Failure::Settings(format!(
                "`{}` is not a valid path on {server} ({error})",
                sanitize::line(path)
            ))
        })?;
        let mut builder = self
            .client
            .request(method(request.method), url)
            .timeout(request.time_out)
            .header(CONTENT_TYPE, request.content_type);
        if request.gzip {
            builder = builder.header(CONTENT_ENCODING, "gzip");
        }
        if !request.query.is_empty() {
            builder = builder.query(request.query);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let response = builder.send().await.map_err(failed)?;
        if response.status().is_redirection() {
            return Err(redirected(server, &response));
        }
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        match read_body(response, request.largest_reply).await.map_err(failed)? {
            Some(body) => Ok(Reply { server: server.to_owned(), status, body, retry_after }),
            None => Err(Failure::Broken(format!(
                "{server} sent a reply of more than {}",
                size(request.largest_reply as u64)
            ))),
        }
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Put => reqwest::Method::PUT,
        Method::Post => reqwest::Method::POST,
        Method::Delete => reqwest::Method::DELETE,
        Method::Head => reqwest::Method::HEAD,
    }
}

/// The `Authorization` header; its secret is read from the file again at each call. Never displayed.
fn authorization(login: &Login) -> Result<Option<HeaderValue>, Failure> {
    let text = match login {
        Login::Anonymous => return Ok(None),
        Login::Password { username, password } => {
            let password = password.read().map_err(Failure::Settings)?;
            format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose())))
        }
        Login::ApiKey(place) => {
            let key = place.read().map_err(Failure::Settings)?;
            format!("ApiKey {}", encoded_key(key.expose())?)
        }
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        Failure::Settings(
            "the user name or key has characters that an HTTP header does not allow".to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// An API key as it is sent: base64 of `id:key`. Base64 has no colons, so both forms can be distinguished.
fn encoded_key(key: &str) -> Result<String, Failure> {
    let wrong = |text: &str| Err(Failure::Settings(format!("the API key {text}")));
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong(
            "is neither `id:key` nor base64 (the value `encoded` that the server returned)",
        );
    }
    match key.split_once(':') {
        Some((id, secret)) if id.is_empty() || secret.is_empty() => {
            wrong("has a colon, but no id before it or no key after it (`id:key`)")
        }
        Some(_) => Ok(STANDARD.encode(key)),
        None => Ok(key.to_owned()),
    }
}

fn redirected(server: &str, response: &Response) -> Failure {
    let status = response.status().as_u16();
    let target = response.headers().get(LOCATION).map(|target| {
        let text = String::from_utf8_lossy(target.as_bytes());
        // A relative address is relative to the requested one.
        response.url().join(&text).map_or_else(
            |_| text.into_owned(),
            |mut url| {
                // Remove the query, user and password of the request.
                url.set_query(None);
                _ = url.set_username("");
                _ = url.set_password(None);
                url.into()
            },
        )
    });
    let target = match &target {
        Some(target) => shortened(&sanitize::line(target)),
        None => "an unspecified address".to_owned(),
    };
    Failure::Redirected(format!(
        "{server} redirects to {target} ({status}); nothing was sent there. If you mean that server, set its \
         address in urls; otherwise check for a proxy or sign-in page in between"
    ))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The body of a reply; `None` if it is longer than `most` bytes after decompression.
async fn read_body(mut response: Response, most: usize) -> reqwest::Result<Option<Bytes>> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Ok(None);
    }
    let Some(first) = response.chunk().await? else { return Ok(Some(Bytes::new())) };
    let Some(second) = response.chunk().await? else {
        return Ok((first.len() <= most).then_some(first));
    };
    let mut body = BytesMut::with_capacity(2 * (first.len() + second.len()));
    body.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
        next = response.chunk().await?;
    }
    Ok(Some(body.freeze()))
}

/// The `Retry-After` header. Only seconds are accepted: a date would depend on the clock of the server.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests;
