//! The bodies of answers.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;

/// A pod's body as it comes, or a page.
pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Nothing.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A page.
pub(super) fn text(text: String) -> Body {
    Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// What a pod sends.
pub(super) fn stream(body: Incoming) -> Body {
    body.boxed_unsync()
}
