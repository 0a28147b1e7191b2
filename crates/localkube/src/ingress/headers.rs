//! What a proxy changes in the head of a request or an answer (RFC 9110, section 7.6).

use std::net::SocketAddr;

use http::header::{
    CONNECTION, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The protocol that a message changes to, or asks to, if it does.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    asked.then(|| headers.get(UPGRADE).cloned()).flatten()
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Remove what is meant for this connection alone. `change` is the protocol to which the message
/// changes, if it does: that is passed on.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap, change: Option<HeaderValue>) {
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| option.parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if let Some(protocol) = change {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Tell the pod who asked and by which name. What the client says of this itself is not passed
/// on: it could say anything.
pub(super) fn set_forwarded(
    headers: &mut HeaderMap,
    host: &HeaderValue,
    peer: SocketAddr,
    port: u16,
) {
    headers.remove(FORWARDED);
    headers.insert(HOST, host.clone());
    headers.insert(FORWARDED_HOST, host.clone());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(FORWARDED_PORT, HeaderValue::from(port));
    // An address is made of digits, letters, dots and colons.
    if let Ok(address) = HeaderValue::from_str(&peer.ip().to_canonical().to_string()) {
        headers.insert(FORWARDED_FOR, address.clone());
        headers.insert(REAL_IP, address);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_is_removed() {
        let mut head = headers(&[
            ("connection", "close, x-private"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut head, None);
        assert_eq!(head, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn a_change_of_protocol_is_passed_on() {
        let mut head = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ]);
        let change = upgrade(&head);
        assert_eq!(change.as_ref().unwrap(), "websocket");
        remove_hop_by_hop(&mut head, change);
        assert_eq!(
            head,
            headers(&[("connection", "upgrade"), ("upgrade", "websocket")])
        );
        assert!(upgrade(&headers(&[("upgrade", "h2c")])).is_none());
    }

    #[test]
    fn who_asks_is_told_by_the_proxy_and_not_by_the_client() {
        let mut head = headers(&[
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "203.0.113.8"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=203.0.113.9"),
        ]);
        let host = HeaderValue::from_static("a.localhost:8080");
        set_forwarded(
            &mut head,
            &host,
            SocketAddr::from(([127, 0, 0, 1], 5)),
            8080,
        );
        let expected = headers(&[
            ("host", "a.localhost:8080"),
            ("x-forwarded-host", "a.localhost:8080"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "8080"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
        ]);
        assert_eq!(head, expected);
    }
}
