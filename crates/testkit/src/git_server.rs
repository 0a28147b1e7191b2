//! A Git server over HTTPS, as GitHub is one: private repositories open to a token that reads them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// Whether a token reads the repository of this path, such as `/acme/shop.git`.
pub type Accepts = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// A running server on a loopback port; it stops when dropped.
pub struct GitServer {
    address: SocketAddr,
    authority: String,
    folder: tempfile::TempDir,
    seen: Seen,
    serving: tokio::task::JoinHandle<()>,
}

type Seen = Arc<Mutex<Vec<(String, u16)>>>;

#[derive(Clone)]
struct Door {
    root: PathBuf,
    accepts: Accepts,
    seen: Seen,
}

impl GitServer {
    /// Starts one that is known as `host`, whose repositories need a token that `accepts` takes.
    pub async fn start(host: &str, accepts: Accepts) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (acceptor, authority) = tls(host);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let seen = Seen::default();
        let router = Router::new().fallback(handle).with_state(Door {
            root: folder.path().to_owned(),
            accepts,
            seen: seen.clone(),
        });
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    // A client that does not trust us, or leaves, is none of the test's trouble.
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = TowerToHyperService::new(router);
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            authority,
            folder,
            seen,
            serving,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate (PEM) that vouches for it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Makes a bare repository, and returns its folder. Any commit of it can be fetched by its name.
    pub fn create(&self, full_name: &str) -> PathBuf {
        let folder = self.folder.path().join(format!("{full_name}.git"));
        std::fs::create_dir_all(&folder).expect("a folder");
        for arguments in [
            &["init", "--quiet", "--bare", "--initial-branch=main"][..],
            &["config", "uploadpack.allowAnySHA1InWant", "true"],
        ] {
            let done = std::process::Command::new("git")
                .args(arguments)
                .current_dir(&folder)
                .status();
            assert!(done.expect("git").success(), "git {arguments:?}");
        }
        folder
    }

    /// Every request so far: its path, and the answer's status.
    pub fn seen(&self) -> Vec<(String, u16)> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn tls(host: &str) -> (TlsAcceptor, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(vec![]).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let vouched = authority
        .self_signed(&authority_key)
        .expect("a certificate");
    let issuer = Issuer::from_params(&authority, &authority_key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![host.to_owned()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("a certificate and its key");
    (TlsAcceptor::from(Arc::new(config)), vouched.pem())
}

async fn handle(
    State(door): State<Door>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let answer = answer(&door, &method, &uri, &headers, body).await;
    let mut seen = door.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push((uri.path().to_owned(), answer.status().as_u16()));
    answer
}

async fn answer(
    door: &Door,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let end = uri.path().find(".git/").map_or(0, |at| at + 4);
    let repository = &uri.path()[..end];
    let allowed = token(headers).is_some_and(|token| (door.accepts)(&token, repository));
    if !allowed {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"GitHub\"")
            .body(Body::empty())
            .expect("an answer");
    }
    backend(&door.root, method, uri, headers, body).await
}

/// The password of a Basic authorization whose user is the one that GitHub has for tokens.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.strip_prefix("x-access-token:").map(str::to_owned)
}

/// Git's own server, by CGI.
async fn backend(
    root: &Path,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writing = tokio::spawn(async move {
        // It may have read enough before the end.
        let _ = stdin.write_all(&body).await;
    });
    let output = child.wait_with_output().await.expect("git ends");
    let _ = writing.await;
    let split = output
        .stdout
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("CGI's headers");
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output.stdout[..split]).lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        response = match name {
            "Status" => response.status(&value.as_bytes()[..3]),
            name => response.header(name, value),
        };
    }
    let body = Body::from(output.stdout[split + 4..].to_vec());
    response.body(body).expect("an answer")
}
