//! The few listeners of this machine that pods may reach.
//!
//! Each has an address among those of Services, below the ones that Services get, which the pod's
//! gateway takes up as it does a Service's (see [`super::gateway`]). Where pods share this
//! machine's network, its names lead to the listener itself.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::Node;
use super::host::Isolation;
use crate::config::HostService;

/// The first address; Services get theirs from 10.96.0.10.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 2);
const MOST: usize = 8;

impl Node {
    /// Those that there are, with the addresses that pods know them by.
    pub(super) fn host_services(&self) -> impl Iterator<Item = (Ipv4Addr, &HostService)> {
        let shared = self.host.isolation != Isolation::Full;
        let first = FIRST.to_bits();
        (first..)
            .zip(self.config.host_services.iter().take(MOST))
            .map(move |(bits, service)| {
                let address = match service.listener.ip() {
                    std::net::IpAddr::V4(listener) if shared => listener,
                    _ => Ipv4Addr::from_bits(bits),
                };
                (address, service)
            })
    }
}

/// A listener as policies see it: a pod of its namespace, with its labels.
pub(super) fn as_peer(address: Ipv4Addr, service: &HostService) -> Value {
    json!({
        "metadata": { "namespace": service.namespace, "labels": service.labels },
        "status": { "podIP": address.to_string() },
    })
}
