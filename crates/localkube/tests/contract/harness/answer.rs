//! What a server answered.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::{PATIENCE, items_of, text};

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    what: String,
    pub code: u16,
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl Answer {
    pub(super) async fn read(what: String, response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = tokio::time::timeout(PATIENCE, body.collect_bytes())
            .await
            .unwrap_or_else(|_| panic!("{what}: the answer did not end"))
            .unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self {
            what,
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// The body, if the answer has this code.
    #[track_caller]
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}: {}", self.what, self.text);
        self.body
    }

    /// The answer is a `Status` of this code and reason; returns its message.
    #[track_caller]
    pub fn refused(&self, code: u16, reason: &str) -> String {
        let status = &self.body;
        assert_eq!(self.code, code, "{}: {}", self.what, self.text);
        let said = json!({
            "kind": status["kind"], "apiVersion": status["apiVersion"], "status": status["status"],
            "reason": status["reason"], "code": status["code"],
        });
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        });
        assert_eq!(said, expected, "{}: {}", self.what, self.text);
        text(&status["message"])
    }

    /// The causes of a refusal as `reason field`, sorted.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = items_of(&self.body["details"]["causes"])
            .map(|cause| format!("{} {}", text(&cause["reason"]), text(&cause["field"])))
            .collect();
        causes.sort();
        causes
    }

    /// The texts of the `Warning` headers.
    pub fn warnings(&self) -> Vec<String> {
        self.headers
            .get_all("warning")
            .iter()
            .map(|value| {
                let value = value.to_str().unwrap();
                let text = value.strip_prefix("299 - \"").unwrap_or(value);
                text.strip_suffix('"').unwrap_or(text).replace("\\\"", "\"")
            })
            .collect()
    }
}

/// An answer that comes line by line.
pub struct Lines {
    what: String,
    pub code: u16,
    stream: Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn new(what: String, response: Response<Body>) -> Self {
        let code = response.status().as_u16();
        let stream = response
            .into_body()
            .into_data_stream()
            .filter_map(async |bytes| bytes.ok().map(|bytes| bytes.to_vec()));
        Self {
            what,
            code,
            stream: Box::pin(stream),
            buffer: Vec::new(),
        }
    }

    /// The next line; none where the stream ended.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next.unwrap_or_else(|_| panic!("{}: nothing more came", self.what)) {
                Some(bytes) => self.buffer.extend(bytes),
                None if self.buffer.is_empty() => return None,
                None => self.buffer.push(b'\n'),
            }
        }
    }

    /// The next event of a watch, as its type and object.
    pub async fn event(&mut self) -> (String, Value) {
        let line = self.line().await;
        let line = line.unwrap_or_else(|| panic!("{}: the watch ended", self.what));
        let event: Value = serde_json::from_str(&line).unwrap();
        (text(&event["type"]), event["object"].clone())
    }

    /// The next event as `TYPE name`.
    pub async fn next(&mut self) -> String {
        let (kind, object) = self.event().await;
        format!("{kind} {}", super::name(&object))
    }

    /// The rest, until the stream ends.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        lines
    }
}
