//! A TLS proxy for a server without TLS, with a certificate that the test chooses. The certificates in `tls/` are
//! issued by an authority made for these tests; their key protects nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub struct TlsProxy {
    address: SocketAddr,
    shown: Arc<Mutex<TlsAcceptor>>,
}

/// The path of `ca.crt`, or of a certificate that it signed.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

impl TlsProxy {
    /// Runs until the process ends.
    pub fn in_front_of(server: SocketAddr, certificate: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shown = Arc::new(Mutex::new(acceptor(certificate)));
        let serving = shown.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let acceptor = serving.lock().unwrap().clone();
                    tokio::spawn(async move {
                        // In many tests the client rejects the certificate, so errors are ignored.
                        let Ok(mut client) = acceptor.accept(stream).await else { return };
                        let mut server = TcpStream::connect(server).await.unwrap();
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    });
                }
            });
        });
        TlsProxy { address, shown }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Uses this certificate from the next connection on.
    pub fn show(&self, certificate: &str) {
        *self.shown.lock().unwrap() = acceptor(certificate);
    }
}

fn acceptor(certificate: &str) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
