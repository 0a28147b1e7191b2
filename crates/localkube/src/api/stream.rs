//! `exec`, `attach` and `portforward` over WebSockets.
//!
//! Each message begins with the number of its channel. Protocols: `v4.channel.k8s.io` and
//! `v5.channel.k8s.io` (which can also close a channel). The older SPDY is not spoken; kubectl
//! and kube-rs use WebSockets.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::pods;
use super::request::Query;
use super::target::Asked;
use super::{Api, read};
use crate::node_api::{Duplex, ExecOptions, ExecSession, PodRef, TerminalSize};
use crate::objects::ApiError;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// In v5: the other byte names a channel that its sender closes.
const CLOSE: u8 = 255;

const V4: &str = "v4.channel.k8s.io";
const V5: &str = "v5.channel.k8s.io";
/// Bytes of output a message carries at most.
const CHUNK: usize = 32 * 1024;

pub(super) async fn answer(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|_| {
        ApiError::BadRequest(
            "this needs a WebSocket (v4.channel.k8s.io or v5.channel.k8s.io); SPDY is not spoken here"
                .to_owned(),
        )
    })?;
    let upgrade = upgrade.protocols([V5, V4]);
    let Some(protocol) = upgrade
        .selected_protocol()
        .and_then(|name| name.to_str().ok())
    else {
        return Err(ApiError::BadRequest(format!(
            "no common WebSocket subprotocol: this server speaks {V4} and {V5}"
        )));
    };
    let v5 = protocol == V5;
    if asked.subresource.as_deref() == Some("portforward") {
        return port_forward(api, asked, query, upgrade).await;
    }
    let (pod, container, object) = pods::container(api, asked, query)?;
    if !pods::has_node(&object) {
        return Err(ApiError::BadRequest(format!(
            "pod {} does not have a host assigned",
            asked.name()
        )));
    }
    let options = ExecOptions {
        container,
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        tty: query.flag("tty"),
    };
    if !(options.stdin || options.stdout || options.stderr) {
        return Err(ApiError::BadRequest(
            "you must specify at least 1 of stdin, stdout, stderr".to_owned(),
        ));
    }
    let session = if asked.subresource.as_deref() == Some("exec") {
        if options.command.is_empty() {
            return Err(ApiError::BadRequest(
                "you must specify at least one command for the container".to_owned(),
            ));
        }
        api.node.exec(&pod, options).await?
    } else {
        api.node
            .attach(
                &pod,
                ExecOptions {
                    command: Vec::new(),
                    ..options
                },
            )
            .await?
    };
    let stopping = api.tasks.stopping();
    Ok(upgrade.on_upgrade(move |socket| async move {
        // Dropping the session hangs up, whoever ended it.
        stopping
            .run_until_cancelled(serve(socket, session, v5))
            .await;
    }))
}

/// Carry a session until its command ends or the client goes.
async fn serve(socket: WebSocket, mut session: ExecSession, v5: bool) {
    let (sink, stream) = socket.split();
    let (output, messages) = mpsc::channel::<Message>(16);
    let writing = write(sink, messages);
    let readers = {
        let stdout = session
            .stdout
            .take()
            .map(|reader| copy(STDOUT, reader, output.clone()));
        let stderr = session
            .stderr
            .take()
            .map(|reader| copy(STDERR, reader, output.clone()));
        async move {
            tokio::join!(
                async {
                    if let Some(stdout) = stdout {
                        stdout.await
                    }
                },
                async {
                    if let Some(stderr) = stderr {
                        stderr.await
                    }
                },
            )
        }
    };
    let exit = session.exit;
    let running = async move {
        // What was printed comes before the exit code, however they arrive.
        let (exit, _) = tokio::join!(exit, readers);
        let status = channel(ERROR, exit_status(exit).to_string().as_bytes());
        // The client may be gone already.
        let _ = output.send(status).await;
        drop(output);
    };
    let reading = input(stream, session.stdin.take(), session.resize.take(), v5);
    tokio::select! {
        _ = async { tokio::join!(writing, running) } => {}
        () = reading => {}
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    // Clients take a close without a code for an accident. They may also be gone already.
    let frame = CloseFrame {
        code: close_code::NORMAL,
        reason: "".into(),
    };
    let _ = sink.send(Message::Close(Some(frame))).await;
    let _ = sink.close().await;
}

fn channel(number: u8, bytes: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(number);
    message.put_slice(bytes);
    Message::Binary(message.freeze())
}

async fn copy(
    number: u8,
    mut reader: Box<dyn AsyncRead + Send + Unpin>,
    output: mpsc::Sender<Message>,
) {
    let mut buffer = vec![0; CHUNK];
    // The end of a pseudo-terminal is an error of its reader.
    while let Ok(read @ 1..) = reader.read(&mut buffer).await {
        if output.send(channel(number, &buffer[..read])).await.is_err() {
            return;
        }
    }
}

/// Take the client's messages until it goes.
async fn input(
    mut stream: SplitStream<WebSocket>,
    mut stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    resize: Option<mpsc::Sender<TerminalSize>>,
    v5: bool,
) {
    while let Some(Ok(message)) = stream.next().await {
        let bytes: Bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text.as_str().to_owned()),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        let Some((&number, bytes)) = bytes.split_first() else {
            continue;
        };
        match number {
            STDIN => {
                if let Some(writer) = &mut stdin
                    && (writer.write_all(bytes).await.is_err() || writer.flush().await.is_err())
                {
                    // The command no longer reads; its output is still wanted.
                    stdin = None;
                }
            }
            RESIZE => {
                let size: Value = serde_json::from_slice(bytes).unwrap_or_default();
                let cells = |field: &str| {
                    size[field]
                        .as_u64()
                        .and_then(|cells| u16::try_from(cells).ok())
                };
                if let (Some(resize), Some(width), Some(height)) =
                    (&resize, cells("Width"), cells("Height"))
                {
                    let _ = resize.send(TerminalSize { width, height }).await;
                }
            }
            CLOSE if v5 && bytes.first() == Some(&STDIN) => {
                if let Some(mut writer) = stdin.take() {
                    let _ = writer.shutdown().await;
                }
            }
            _ => {}
        }
    }
}

/// How a command ended, as the `Status` on the error channel.
fn exit_status(exit: Result<i32, ApiError>) -> Value {
    match exit {
        Ok(0) => json!({ "metadata": {}, "status": "Success" }),
        Ok(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: command terminated with exit code {code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        Err(error) => error.status(),
    }
}

/// Two channels a port, data and errors, each of which begins with the port's number.
async fn port_forward(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let pod = read::find(api, asked)?;
    let reference = PodRef {
        namespace: asked.namespace().to_owned(),
        name: asked.name().to_owned(),
        uid: pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    };
    let mut ports = Vec::new();
    for text in query.all("ports").flat_map(|ports| ports.split(',')) {
        let port = text.parse::<u16>().ok().filter(|port| *port > 0);
        ports.push(port.ok_or_else(|| ApiError::BadRequest(format!("{text:?} is not a port")))?);
    }
    if ports.is_empty() || ports.len() > 100 {
        return Err(ApiError::BadRequest(
            "between 1 and 100 ports must be given".to_owned(),
        ));
    }
    let api = api.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let stopping = api.tasks.stopping();
        stopping
            .run_until_cancelled(forward(&api, &reference, &ports, socket))
            .await;
    }))
}

async fn forward(api: &Api, pod: &PodRef, ports: &[u16], socket: WebSocket) {
    let (sink, mut stream) = socket.split();
    let (output, messages) = mpsc::channel::<Message>(16);
    let mut writers = Vec::new();
    let mut copies = Vec::new();
    for (index, &port) in ports.iter().enumerate() {
        let (data, error) = (index as u8 * 2, index as u8 * 2 + 1);
        for number in [data, error] {
            let _ = output.try_send(channel(number, &port.to_le_bytes()));
        }
        match api.node.port_forward(pod, port).await {
            Ok(connection) => {
                let connection: Box<dyn Duplex> = connection;
                let (reader, writer) = tokio::io::split(connection);
                writers.push(Some(writer));
                copies.push(copy(data, Box::new(reader), output.clone()));
            }
            Err(failure) => {
                writers.push(None);
                let _ = output.try_send(channel(error, failure.to_string().as_bytes()));
            }
        }
    }
    drop(output);
    let reading = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(bytes) = message else {
                continue;
            };
            let Some((&number, bytes)) = bytes.split_first() else {
                continue;
            };
            let writer = writers
                .get_mut(usize::from(number / 2))
                .and_then(Option::as_mut);
            if let Some(writer) = writer.filter(|_| number % 2 == 0) {
                let _ = writer.write_all(bytes).await;
            }
        }
    };
    tokio::select! {
        _ = async { tokio::join!(write(sink, messages), futures::future::join_all(copies)) } => {}
        () = reading => {}
    }
}
