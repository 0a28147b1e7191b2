//! The parts of Kubernetes' functions that are about texts alone: regular expressions, URLs, quantities, addresses.

use std::net::IpAddr;

use crate::objects::Quantity;

/// A regular expression, in the syntax and with the linear time of Kubernetes' own.
pub(super) fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| error.to_string().replace('\n', " "))
}

/// An absolute URL, or a path that begins with a slash.
pub(super) fn url(text: &str) -> Result<url::Url, String> {
    // Paths are looked at as if they were somewhere.
    let whole = if text.starts_with('/') {
        format!("none://{text}")
    } else {
        text.to_owned()
    };
    let spaced = text.contains(char::is_whitespace);
    let parsed = url::Url::parse(&whole).ok().filter(|_| !spaced);
    parsed.ok_or_else(|| {
        format!(
            "URL parse error during conversion from string: parse {text:?}: invalid URI for request"
        )
    })
}

/// The parts of a URL as written: its scheme, and its host with the port.
pub(super) fn scheme(text: &str) -> String {
    if text.starts_with('/') {
        return String::new();
    }
    text.split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase())
        .unwrap_or_default()
}

/// `host:port` as written, without the user.
pub(super) fn host(text: &str) -> String {
    let Some((_, rest)) = text.split_once("://") else {
        return String::new();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
        .to_owned()
}

/// The host's name, and the port as written; either may be empty.
pub(super) fn host_and_port(text: &str) -> (String, String) {
    let host = host(text);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (host.as_str(), ""),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    (name.to_owned(), port.to_owned())
}

/// A quantity such as `500Mi`.
pub(super) fn quantity(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text).ok_or_else(|| {
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
    })
}

/// An address. One of IPv4 in the notation of IPv6 is none, as in Kubernetes.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    let mapped =
        |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    text.parse::<IpAddr>()
        .ok()
        .filter(|address| !mapped(address))
        .ok_or_else(|| format!("IP Address {text:?} parse error during conversion from string"))
}

/// A network: its address and the length of its prefix.
pub(super) fn cidr(text: &str) -> Result<(IpAddr, u8), String> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let address = ip(address).ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let plain = length == "0" || !length.starts_with('0');
        let length: u8 = length
            .parse()
            .ok()
            .filter(|_| plain && length.bytes().all(|b| b.is_ascii_digit()))?;
        (length <= longest).then_some((address, length))
    });
    parsed.ok_or_else(|| {
        format!("network address parse error during conversion from string: {text:?}")
    })
}

/// Whether an address is in a network.
pub(super) fn contains(network: (IpAddr, u8), address: IpAddr) -> bool {
    network.0.is_ipv4() == address.is_ipv4()
        && prefix(network.0, network.1) == prefix(address, network.1)
}

fn prefix(address: IpAddr, length: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    bits.checked_shr(u32::from(width - length))
        .unwrap_or_default()
}
