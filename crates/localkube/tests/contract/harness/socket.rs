//! The WebSocket protocol of `exec` and `attach`: the first byte of a message is its channel.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{SinkExt, StreamExt};
use http::Request;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Answer, PATIENCE};

/// A session.
pub struct Exec {
    /// The protocol that the server chose.
    pub protocol: String,
    socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
}

/// What a session printed, and how it ended.
#[derive(Debug, Default)]
pub struct Ended {
    pub stdout: String,
    pub stderr: String,
    /// The `Status` on the error channel; null where there was none.
    pub status: Value,
}

impl Exec {
    pub(super) async fn connect(
        client: &kube::Client,
        path: &str,
        protocols: &str,
    ) -> Result<Self, Answer> {
        let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        let request = Request::get(path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", key)
            .header("sec-websocket-protocol", protocols)
            .body(Body::empty())
            .unwrap();
        let response = client.send(request).await.unwrap();
        if response.status() != 101 {
            return Err(Answer::read(format!("exec {path}"), response).await);
        }
        let protocol = response
            .headers()
            .get("sec-websocket-protocol")
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default();
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        Ok(Self { protocol, socket })
    }

    /// Sends bytes on a channel.
    pub async fn send(&mut self, channel: u8, bytes: &[u8]) {
        let mut message = vec![channel];
        message.extend_from_slice(bytes);
        self.socket
            .send(Message::Binary(message.into()))
            .await
            .unwrap();
    }

    /// Closes standard input, as v5 of the protocol can.
    pub async fn close_stdin(&mut self) {
        self.send(255, &[0]).await;
    }

    /// Everything until the server closes the session.
    pub async fn end(mut self) -> Ended {
        let mut ended = Ended::default();
        tokio::time::timeout(PATIENCE, self.read(&mut ended, |_| false))
            .await
            .unwrap_or_else(|_| panic!("the session did not end: {ended:?}"));
        ended
    }

    /// Reads until standard output holds a text.
    pub async fn until(&mut self, wanted: &str) -> Ended {
        let mut ended = Ended::default();
        tokio::time::timeout(
            PATIENCE,
            self.read(&mut ended, |so_far| so_far.stdout.contains(wanted)),
        )
        .await
        .unwrap_or_else(|_| panic!("{wanted:?} did not come: {ended:?}"));
        ended
    }

    async fn read(&mut self, ended: &mut Ended, enough: impl Fn(&Ended) -> bool) {
        while let Some(Ok(message)) = self.socket.next().await {
            let Message::Binary(bytes) = message else {
                continue;
            };
            let Some((channel, bytes)) = bytes.split_first() else {
                continue;
            };
            let said = String::from_utf8_lossy(bytes);
            match channel {
                1 => ended.stdout.push_str(&said),
                2 => ended.stderr.push_str(&said),
                3 if !bytes.is_empty() => ended.status = serde_json::from_slice(bytes).unwrap(),
                _ => {}
            }
            if enough(ended) {
                return;
            }
        }
    }
}
