//! Who may sign the server's certificate.

use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::Url;

use super::{Connection, Failure};

/// What the settings add to the authorities that everybody trusts; `None` where they add nothing.
pub(super) async fn trusted(
    connection: &Connection,
    url: &Url,
) -> Result<Option<CertificateValidation>, Failure> {
    if url.scheme() != "https" {
        return Ok(None);
    }
    let Some(path) = &connection.ca_file else { return Ok(None) };
    let shown = path.display();
    let pem = std::fs::read(path);
    let pem = pem.map_err(|error| Failure::Settings(format!("cannot read {shown} ({error})")))?;
    let chain = Certificate::from_pem(&pem)
        .map_err(|_| Failure::Settings(format!("{shown} holds no certificate in PEM form")))?;
    Ok(Some(CertificateValidation::Full(chain)))
}
