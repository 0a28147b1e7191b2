//! How often one may try to sign in, by the address one comes from.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::HashMapStateStore,
};
use http::{HeaderMap, StatusCode, header};
use ipnet::IpNet;

use super::AppState;

/// How many attempts an address has at once …
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// … and how long it takes until it has another one.
const ONE_MORE_AFTER: Duration = Duration::from_secs(3);

/// Above so many addresses, those that have all their attempts again are forgotten.
const REMEMBERED: usize = 10_000;

/// Counts attempts to sign in.
#[derive(Debug)]
pub struct SignInLimits {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    /// The proxies whose word about an address counts.
    proxies: Vec<IpNet>,
}

impl SignInLimits {
    /// Limits for those who come directly, or by way of these proxies.
    #[must_use]
    pub fn new(proxies: Vec<IpNet>) -> Self {
        let quota = Quota::with_period(ONE_MORE_AFTER)
            .unwrap_or_else(|| Quota::per_minute(AT_ONCE))
            .allow_burst(AT_ONCE);
        Self {
            limiter: RateLimiter::hashmap(quota),
            proxies,
        }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// The time to wait, where there were too many.
    fn attempt(&self, from: IpAddr) -> Result<(), Duration> {
        if self.limiter.len() > REMEMBERED {
            self.limiter.retain_recent();
        }
        self.limiter
            .check_key(&network(from))
            .map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }

    /// The address that a request comes from: the connection's, or what the trusted proxies between
    /// say. Whoever writes that header themselves is told apart by what the nearest proxy adds.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| self.proxies.iter().any(|net| net.contains(address));
        let told = headers.get_all("x-forwarded-for").iter();
        let told: Vec<IpAddr> = told
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map_while(|address| address.trim().parse().ok())
            .collect();
        let mut client = peer;
        for hop in told.into_iter().rev() {
            if !trusted(&client) {
                break;
            }
            client = hop;
        }
        client
    }
}

/// A home has a whole network of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(prefix).into()
        }
        address => address,
    }
}

/// Lets a request through unless its address has tried too often.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |info| info.0.ip());
    let client = state.limits.client(peer, request.headers());
    match state.limits.attempt(client) {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            tracing::warn!(%client, "too many attempts to sign in");
            let seconds = wait.as_secs() + 1;
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            let text = format!("Too many attempts to sign in. Try again in {seconds} s.\n");
            (StatusCode::TOO_MANY_REQUESTS, headers, text).into_response()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn limits() -> SignInLimits {
        SignInLimits::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn from(limits: &SignInLimits, peer: &str, forwarded: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        limits.client(ip(peer), &headers)
    }

    #[test]
    fn who_tries_often_waits_and_nobody_else_does() {
        let limits = limits();
        for _ in 0..AT_ONCE.get() {
            assert!(limits.attempt(ip("192.0.2.1")).is_ok());
        }
        let wait = limits.attempt(ip("192.0.2.1")).unwrap_err();
        assert!(wait <= ONE_MORE_AFTER, "{wait:?}");
        assert!(limits.attempt(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        assert_eq!(
            network(ip("2001:db8:1:2:3::4")),
            network(ip("2001:db8:1:2:ffff::"))
        );
        assert_ne!(network(ip("2001:db8:1:2::")), network(ip("2001:db8:1:3::")));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let limits = limits();
        assert_eq!(
            from(&limits, "192.0.2.1", &["198.51.100.7"]),
            ip("192.0.2.1")
        );
        assert_eq!(
            from(&limits, "10.0.0.9", &["198.51.100.7"]),
            ip("198.51.100.7")
        );
        // The client wrote the first one itself; the proxy added the second.
        let spoofed = ["203.0.113.5, 198.51.100.7"];
        assert_eq!(from(&limits, "10.0.0.9", &spoofed), ip("198.51.100.7"));
        let chain = ["203.0.113.5", "198.51.100.7, 10.1.2.3"];
        assert_eq!(from(&limits, "10.0.0.9", &chain), ip("198.51.100.7"));
        assert_eq!(from(&limits, "10.0.0.9", &["nonsense"]), ip("10.0.0.9"));
        assert_eq!(from(&limits, "10.0.0.9", &[]), ip("10.0.0.9"));
    }
}
