//! TLS on loopback: kubectl sends a token over TLS only.
//!
//! The certificate is made once for each data folder, signed by an authority whose key is thrown
//! away, so nobody can make another that the kubeconfig would trust.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::auth;
use crate::config::StartError;
use crate::tasks::Tasks;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The server's certificate and key, and who vouches for it.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Key, certificate and the authority's certificate, in PEM.
    pem: String,
    /// The authority's certificate alone.
    authority: String,
}

impl Identity {
    /// Read the identity of a folder, or make it.
    pub fn open(folder: &Path) -> Result<Self, StartError> {
        let path = folder.join("api.pem");
        let pem = auth::private_file(&path, || make().map_err(std::io::Error::other))?;
        let last = pem.rfind("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        Ok(Self {
            authority: pem[last..].to_owned(),
            pem,
        })
    }

    /// The certificate that a client must trust, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    fn acceptor(&self) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
        let key = PrivateKeyDer::from_pem_slice(self.pem.as_bytes())?;
        let chain =
            CertificateDer::pem_slice_iter(self.pem.as_bytes()).collect::<Result<_, _>>()?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn make() -> Result<String, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "catalyst local cluster");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let mut server = CertificateParams::new(
        ["127.0.0.1", "::1", "localhost"]
            .map(str::to_owned)
            .to_vec(),
    )?;
    server
        .distinguished_name
        .push(DnType::CommonName, "kubernetes");
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok(format!(
        "{}{}{}",
        key.serialize_pem(),
        certificate.pem(),
        authority_certificate.pem()
    ))
}

/// Accepts connections and hands them over once keys are agreed, so that a client that does not
/// answer keeps nobody else waiting.
pub(super) struct Listener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Listener {
    /// Accept on a listener for as long as the tasks run.
    pub fn new(
        mut listener: TcpListener,
        identity: &Identity,
        tasks: &Tasks,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let acceptor = identity.acceptor()?;
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        let handshakes = tasks.clone();
        tasks.spawn(async move {
            loop {
                // axum's own listener waits a moment where the process has no file handles left.
                let (stream, peer) = axum::serve::Listener::accept(&mut listener).await;
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                handshakes.spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        // The receiver goes when the server stops.
                        Ok(Ok(stream)) => drop(sender.send((stream, peer)).await),
                        Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
                        Err(_) => tracing::debug!("a client was too slow to agree on TLS"),
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Nothing accepts any more: the cluster is stopping, and this server with it.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_stays_and_can_serve() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::open(folder.path()).unwrap();
        assert!(identity.acceptor().is_ok());
        assert_eq!(identity.authority().matches("BEGIN CERTIFICATE").count(), 1);
        assert_eq!(Identity::open(folder.path()).unwrap().pem, identity.pem);
    }
}
