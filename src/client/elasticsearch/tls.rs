//! Determines which certificate authorities may sign the server's certificate: those of `ca_file`, and the one with
//! `ca_fingerprint`, which is fetched from the server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use elasticsearch::cert::Certificate;
use elasticsearch::http::Url;
use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connect::open;
use super::credential_files::read_blocking;
use super::{Connection, Failure};
use crate::base::timed_fs;

/// Limit for the connection that fetches the server's certificates.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Maximum size of a file of certificates, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The authorities that the settings add to the public ones; `None` if they add none.
pub(super) async fn trusted(
    connection: &Connection,
    url: &Url,
) -> Result<Option<Certificate>, Failure> {
    if url.scheme() != "https" {
        return Ok(None);
    }
    let mut pem = Vec::new();
    if let Some(path) = &connection.ca_file {
        pem = read_file(path.clone()).await?;
        if Certificate::from_pem(&pem).is_err() {
            let text = format!(
                "{} contains no certificate in PEM format; check `ca_file`",
                path.display()
            );
            return Err(Failure::Settings(text));
        }
        pem.push(b'\n');
    }
    if let Some(fingerprint) = &connection.ca_fingerprint {
        pem.extend(pinned(url, fingerprint).await?.as_bytes());
    }
    if pem.is_empty() {
        return Ok(None);
    }
    let chain = Certificate::from_pem(&pem).map_err(|error| {
        Failure::Settings(format!(
            "cannot use the CA certificates ({error}); check `ca_file` and `ca_fingerprint`"
        ))
    })?;
    Ok(Some(chain))
}

async fn read_file(path: PathBuf) -> Result<Vec<u8>, Failure> {
    let read = move || {
        let bytes = timed_fs::read(&path, LONGEST).map(|(bytes, _)| bytes);
        let failed = |error| format!("cannot read {} ({error})", path.display());
        bytes.map_err(|error| Failure::Settings(failed(error)))
    };
    read_blocking(read).await
}

/// The certificate in the server's chain that has this fingerprint, in PEM format.
///
/// One connection fetches the server's chain; no request is sent over it. From this chain only the certificate with
/// the fingerprint is trusted; the later connections verify the rest of the chain against it.
async fn pinned(url: &Url, fingerprint: &[u8; 32]) -> Result<String, Failure> {
    let chain = chain_of(url).await?;
    let hash = |der: &Vec<u8>| digest::digest(&digest::SHA256, der).as_ref().to_vec();
    match chain.iter().find(|der| hash(der) == fingerprint) {
        Some(der) => Ok(pem(der)),
        None if chain.is_empty() => Err(Failure::Broken(format!(
            "{url} presented no certificate; check that the server uses TLS on this port"
        ))),
        None => {
            let shown: Vec<String> = chain.iter().map(|der| hex(&hash(der))).collect();
            Err(Failure::Untrusted(format!(
                "{url}: none of its certificates has the configured ca_fingerprint; it presents {}: correct the \
                 setting if one of these is the server's own, otherwise the connection may be intercepted",
                shown.join(", ")
            )))
        }
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The certificates that the server presents, its own first; empty if there is no TLS handshake.
async fn chain_of(url: &Url) -> Result<Vec<Vec<u8>>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let recorder = Arc::new(ChainRecorder {
        schemes: provider.signature_verification_algorithms.supported_schemes(),
        chain: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Settings(format!("TLS cannot be set up ({error})")))?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host)
        .map_err(|_| Failure::Settings(format!("{url} has no host that a certificate can name")))?;
    let stream = open(url).await?;
    // Always ends with an error: the verifier records the chain and then rejects it.
    let _ = timeout(HANDSHAKE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    let chain = recorder.chain.lock().expect("no holder of the chain panics").clone();
    Ok(chain)
}

/// A verifier that records the chain and rejects every connection.
#[derive(Debug)]
struct ChainRecorder {
    schemes: Vec<SignatureScheme>,
    chain: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for ChainRecorder {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(server).chain(others).map(|der| der.to_vec());
        *self.chain.lock().expect("no holder of the chain panics") = all.collect();
        Err(Error::General("only inspected".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only inspected".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only inspected".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
