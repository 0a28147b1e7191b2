//! The demo's side of HTTP: a webhook out, a page in.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use url::Url;

/// Posts a webhook as GitHub does: signed, with an id of its own.
pub async fn post_signed(
    url: &str,
    event: &str,
    secret: &SecretString,
    body: Vec<u8>,
) -> anyhow::Result<()> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())?;
    mac.update(&body);
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", uuid::Uuid::new_v4().to_string())
        .header(
            "x-hub-signature-256",
            format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
        )
        .body(Full::new(Bytes::from(body)))?;
    let (status, text) = send(request)
        .await
        .with_context(|| format!("cannot post to {url}"))?;
    anyhow::ensure!(
        status.is_success(),
        "the webhook at {url} answered {status}: {}",
        text.trim()
    );
    Ok(())
}

/// A page's text, if it answers 200. Names below localhost are this machine, whatever its
/// resolver thinks of them.
pub async fn get(url: &str) -> anyhow::Result<String> {
    let mut url: Url = url.parse()?;
    let host = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    if url
        .host_str()
        .is_some_and(|host| host.ends_with(".localhost"))
    {
        url.set_host(Some("127.0.0.1"))?;
    }
    let request = Request::get(url.as_str())
        .header(header::HOST, host)
        .body(Full::default())?;
    let (status, text) = send(request).await?;
    anyhow::ensure!(status == http::StatusCode::OK, "{url} answers {status}");
    Ok(text)
}

async fn send(request: Request<Full<Bytes>>) -> anyhow::Result<(http::StatusCode, String)> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(Duration::from_secs(10), exchange)
        .await
        .context("no answer within 10 s")?
}
