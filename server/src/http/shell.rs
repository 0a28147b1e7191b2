//! The WebSocket of a shell: upgraded, then pumped between the browser and the use case.
//!
//! Binary messages, each of which begins with the number of its channel, as in Kubernetes' own
//! exec protocol:
//!
//! | channel | from the browser | to the browser |
//! |---|---|---|
//! | 0 | what was typed | |
//! | 1 | | the terminal's output |
//! | 3 | | the end, as JSON: `{"end": "exited", "message": "The shell ended."}` |
//! | 4 | the terminal's size, as JSON: `{"Width": 80, "Height": 24}` | |
//! | 5 | bytes of output taken, 32 bits, big-endian | bytes of input taken |
//!
//! Either side sends at most [`WINDOW`] bytes that the other has not acknowledged on channel 5.
//! Close codes: 1000 the shell ended or a limit was reached, 1001 Catalyst stops, 1008 the rights
//! are gone, 1011 the shell could not be run, 4001 signed out.
//!
//! [`WINDOW`]: catalyst_previews::shell::WINDOW

use std::{future::ready, time::Duration};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
        },
    },
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use catalyst_previews::{
    ShellEnd, ShellRequest, ShellTicket,
    shell::{FromViewer, TerminalSize, ToViewer, WINDOW},
};
use futures::{SinkExt, StreamExt};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tower_sessions::Session;

use super::{
    AppState, errors,
    session::{self, SignedIn},
};

const TYPED: u8 = 0;
const OUTPUT: u8 = 1;
const END: u8 = 3;
const RESIZE: u8 = 4;
const TAKEN: u8 = 5;

/// How long a browser may take to hear why its shell has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the address says besides the pod.
#[derive(Debug, Deserialize)]
pub struct ShellQuery {
    container: Option<String>,
    shell: Option<String>,
    #[serde(default = "columns")]
    cols: u16,
    #[serde(default = "rows")]
    rows: u16,
}

fn columns() -> u16 {
    80
}

fn rows() -> u16 {
    24
}

/// `GET /api/ws/exec/{namespace}/{pod}`: a shell, for members of the team. 403, 404 and 409 come
/// before the upgrade; asked for without one, whoever may open this shell gets 426, so that a page
/// whose WebSocket failed can find out why.
pub async fn open(
    State(state): State<AppState>,
    SignedIn(actor): SignedIn,
    session: Session,
    Path((namespace, pod)): Path<(String, String)>,
    Query(query): Query<ShellQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let request = ShellRequest {
        namespace,
        pod,
        container: query.container,
        shell: query.shell,
        size: TerminalSize {
            width: query.cols.clamp(1, 1000),
            height: query.rows.clamp(1, 1000),
        },
    };
    let ticket = match state.previews.shell(&actor, &request).await {
        Ok(ticket) => ticket,
        Err(error) => return errors::json(&error),
    };
    let Ok(upgrade) = upgrade else {
        let error = json!({ "success": false, "error": "this is a WebSocket" });
        return (StatusCode::UPGRADE_REQUIRED, Json(error)).into_response();
    };
    upgrade
        .max_message_size(2 * WINDOW)
        .max_frame_size(2 * WINDOW)
        .on_upgrade(move |socket| async move {
            let signed_out = session::signed_out(session, actor.user_id);
            serve(socket, ticket, signed_out).await;
        })
}

async fn serve(socket: WebSocket, ticket: ShellTicket, signed_out: impl Future<Output = ()>) {
    let (mut sink, stream) = socket.split();
    let end = match ticket.open().await {
        Ok(shell) => {
            let read = stream
                .take_while(|message| ready(!matches!(message, Ok(Message::Close(_)) | Err(_))))
                .filter_map(|message| ready(message.ok().and_then(read)));
            let write = (&mut sink).with(|message| ready(Ok::<_, axum::Error>(written(message))));
            shell
                .carry(Box::pin(read), Box::pin(write), signed_out)
                .await
        }
        Err(error) => {
            let error = errors::chain(&error);
            tracing::warn!(error, "a shell could not be opened");
            ShellEnd::NotRun(error)
        }
    };
    let farewell = async {
        let message = json!({ "end": end.word(), "message": end.words() });
        sink.send(channel(END, message.to_string().as_bytes()))
            .await?;
        let frame = CloseFrame {
            code: close_code(&end),
            reason: short(&end.words()).into(),
        };
        sink.send(Message::Close(Some(frame))).await
    };
    // The browser may be gone, or take nothing any more.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// What a browser's message says; none for what a newer page may send.
fn read(message: Message) -> Option<FromViewer> {
    let Message::Binary(bytes) = message else {
        return None;
    };
    let rest = bytes.slice(1.min(bytes.len())..);
    match *bytes.first()? {
        TYPED => Some(FromViewer::Typed(rest)),
        RESIZE => {
            #[derive(Deserialize)]
            #[serde(rename_all = "PascalCase")]
            struct Size {
                width: u16,
                height: u16,
            }
            let size: Size = serde_json::from_slice(&rest).ok()?;
            Some(FromViewer::Resized(TerminalSize {
                width: size.width.clamp(1, 1000),
                height: size.height.clamp(1, 1000),
            }))
        }
        TAKEN => {
            let count = u32::from_be_bytes(rest.as_ref().try_into().ok()?);
            Some(FromViewer::Taken(usize::try_from(count).ok()?))
        }
        _ => None,
    }
}

fn written(message: ToViewer) -> Message {
    match message {
        ToViewer::Output(bytes) => channel(OUTPUT, &bytes),
        ToViewer::Taken(count) => {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            channel(TAKEN, &count.to_be_bytes())
        }
        ToViewer::Alive => Message::Ping(Bytes::new()),
    }
}

fn channel(number: u8, bytes: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(number);
    message.put_slice(bytes);
    Message::Binary(message.freeze())
}

fn close_code(end: &ShellEnd) -> u16 {
    match end {
        ShellEnd::Exited(_) | ShellEnd::Left | ShellEnd::Idle(_) | ShellEnd::Expired(_) => 1000,
        ShellEnd::Stopping => 1001,
        ShellEnd::Revoked | ShellEnd::TooMuch => 1008,
        ShellEnd::NotRun(_) | ShellEnd::Broken(_) | ShellEnd::Unverified => 1011,
        ShellEnd::SignedOut => 4001,
    }
}

/// A close frame carries at most 123 bytes of reason; all of it is in the message before.
fn short(words: &str) -> String {
    words[..words.floor_char_boundary(123)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_their_channel_means_and_unknown_ones_nothing() {
        let read = |bytes: &'static [u8]| read(Message::Binary(Bytes::from_static(bytes)));
        assert_eq!(
            read(b"\0ls\n"),
            Some(FromViewer::Typed(Bytes::from_static(b"ls\n")))
        );
        let size = TerminalSize {
            width: 120,
            height: 1,
        };
        assert_eq!(
            read(b"\x04{\"Width\":120,\"Height\":0}"),
            Some(FromViewer::Resized(size))
        );
        assert_eq!(read(b"\x05\0\0\x01\0"), Some(FromViewer::Taken(256)));
        for odd in [
            &b""[..],
            b"\x05\0",
            b"\x04{}",
            b"\x04{\"Width\":-1,\"Height\":2}",
            b"\x09x",
        ] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_close_reason_fits_into_its_frame_and_splits_no_character() {
        assert_eq!(short("short"), "short");
        let long = short(&"é".repeat(100));
        assert_eq!(long.len(), 122);
    }
}
