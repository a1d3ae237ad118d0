//! Opens a TCP connection to a server without sending anything.

use std::time::Duration;

use elasticsearch::http::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Connects to the host and port of a URL.
pub(super) async fn open(url: &Url) -> Result<TcpStream, Failure> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(9200);
    match timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Failure::Unreachable(format!("cannot reach {url} ({error})"))),
        Err(_) => {
            let seconds = CONNECT.as_secs();
            Err(Failure::Unreachable(format!("{url} did not answer within {seconds} s")))
        }
    }
}
