//! How pods of a namespace reach each other: by a Service's name or address, or by a pod's.
//!
//! Inside of each pod's network, connections to Service and pod addresses are turned to one
//! listener that this process holds there. It looks up who was meant, asks the policies of both
//! sides, connects in the other pod's network and passes the bytes on. TCP only.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use super::Node;
use super::host_services;
use super::network::PodNetwork;
use super::pod::Pod;
use super::policy::{Place, Policies};
use super::spec::{self, list, text};
use crate::controllers::endpoints;
use crate::node_api::PodRef;
use crate::objects::{Selector, resource};

impl Node {
    /// Listen in a new pod's network and put its rules in place.
    pub(crate) async fn start_gateway(
        self: &Arc<Self>,
        pod: &Arc<Pod>,
        network: &PodNetwork,
    ) -> Result<(), String> {
        let listener = network
            .listen(Ipv4Addr::LOCALHOST.into(), 0)
            .await
            .map_err(|error| format!("cannot listen in the pod's network: {error}"))?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        let closed = pod.set_gateway(port);
        self.write_hosts(pod);
        let script = self.rules(pod, network.subnet, port);
        network
            .apply_rules(&script)
            .await
            .map_err(|error| super::host::chain(&error))?;
        let weak = Arc::downgrade(pod);
        self.tasks.spawn(async move {
            closed
                .run_until_cancelled(accept(listener, weak))
                .await
                .unwrap_or_default();
        });
        Ok(())
    }

    fn rules(&self, pod: &Pod, subnet: super::network::Subnet, gateway: u16) -> String {
        let object = pod.object();
        let mut services = self.answered_services(&pod.reference.namespace);
        services.extend(
            self.host_services()
                .map(|(address, service)| (address, service.listener.port())),
        );
        let place = Place {
            subnet,
            gateway,
            services,
            host: own_addresses(),
        };
        Policies::of(&self.objects, &object).script(&object, &place)
    }

    /// Addresses and ports of a namespace's Services that a ready pod stands behind.
    fn answered_services(&self, namespace: &str) -> Vec<(Ipv4Addr, u16)> {
        let services =
            self.objects
                .list(resource::SERVICES, Some(namespace), &Selector::everything());
        let services = services.map(|list| list.items).unwrap_or_default();
        let mut answered = Vec::new();
        for service in &services {
            let Ok(address) = text(&service["spec"], "clusterIP").parse() else {
                continue;
            };
            for port in list(&service["spec"], "ports") {
                let number = port["port"]
                    .as_u64()
                    .and_then(|port| u16::try_from(port).ok());
                if let Some(number) = number.filter(|_| !self.ready_pods(service, port).is_empty())
                {
                    answered.push((address, number));
                }
            }
        }
        answered
    }

    /// Bring the rules of a running pod up to date with the policies.
    pub(crate) async fn refresh_rules(&self, pod: &Arc<Pod>) {
        let (Some(subnet), Some(gateway)) = (pod.subnet().await, pod.gateway()) else {
            return;
        };
        let script = self.rules(pod, subnet, gateway);
        if let Err(error) = pod.apply_rules(&script).await {
            tracing::error!(%error, pod = pod.reference.name, "a pod's network rules stay as they were");
            pod.event(
                "Warning",
                "NetworkPolicy",
                &format!("the pod's network rules stay as they were: {error}"),
            );
        }
    }

    /// Write the names of the namespace's Services into a pod's `/etc/hosts`.
    pub(crate) fn write_hosts(&self, pod: &Pod) {
        let own = match pod.address() {
            Some(address) => address.to_string(),
            None => super::HOST_IP.to_owned(),
        };
        let mut text = format!(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n{own}\t{}\n",
            pod.hostname()
        );
        for alias in list(&pod.object()["spec"], "hostAliases") {
            let names = spec::words(alias, "hostnames").join(" ");
            // Writing to a String does not fail.
            let _ = writeln!(text, "{}\t{names}", spec::text(alias, "ip"));
        }
        let namespace = &pod.reference.namespace;
        for (name, addresses) in self.service_names(namespace) {
            for address in addresses {
                let _ = writeln!(
                    text,
                    "{address}\t{name} {name}.{namespace} {name}.{namespace}.svc {name}.{namespace}.svc.cluster.local"
                );
            }
        }
        for (address, service) in self.host_services() {
            let _ = writeln!(text, "{address}\t{}", service.names.join(" "));
        }
        // Written in place: the file itself is what is mounted.
        if let Err(error) = std::fs::write(pod.folder.join("etc/hosts"), text) {
            tracing::debug!(%error, pod = pod.reference.name, "a pod's hosts file was not written");
        }
    }

    /// Names and addresses of a namespace's Services; a headless one has those of its pods, and
    /// each of them that has a host name has a name of its own.
    fn service_names(&self, namespace: &str) -> BTreeMap<String, Vec<String>> {
        let services =
            self.objects
                .list(resource::SERVICES, Some(namespace), &Selector::everything());
        let mut names = BTreeMap::new();
        for service in services.map(|list| list.items).unwrap_or_default() {
            let name = text(&service["metadata"], "name").to_owned();
            match text(&service["spec"], "clusterIP") {
                "None" => {
                    let mut addresses = Vec::new();
                    let first = list(&service["spec"], "ports").next().cloned();
                    for (pod, _) in self.ready_pods(&service, &first.unwrap_or_default()) {
                        let address = text(&pod["status"], "podIP").to_owned();
                        let hostname = text(&pod["spec"], "hostname");
                        if !hostname.is_empty() && text(&pod["spec"], "subdomain") == name {
                            names.insert(format!("{hostname}.{name}"), vec![address.clone()]);
                        }
                        addresses.push(address);
                    }
                    names.insert(name, addresses);
                }
                "" => {}
                address => {
                    names.insert(name, vec![address.to_owned()]);
                }
            }
        }
        names
    }

    /// The pods behind a port of a Service that are ready and not ending.
    fn ready_pods(&self, service: &Value, port: &Value) -> Vec<(Arc<Value>, u16)> {
        endpoints::of_port(&self.objects, service, port)
            .into_iter()
            .filter(|endpoint| endpoint.ready)
            .filter_map(|endpoint| {
                let PodRef {
                    namespace,
                    name,
                    uid,
                } = &endpoint.pod;
                let pod = self.objects.get(resource::PODS, namespace, name).ok()?;
                (pod["metadata"]["uid"] == **uid).then_some((pod, endpoint.port))
            })
            .collect()
    }

    /// Whom a connection from a pod to an address is for: the other pods and their port.
    fn behind(&self, from: &Pod, meant: SocketAddrV4) -> Vec<(Arc<Value>, u16)> {
        let namespace = Some(from.reference.namespace.as_str());
        let everything = Selector::everything();
        let address = meant.ip().to_string();
        let services = self
            .objects
            .list(resource::SERVICES, namespace, &everything);
        for service in services.map(|list| list.items).unwrap_or_default() {
            if text(&service["spec"], "clusterIP") == address {
                return list(&service["spec"], "ports")
                    .find(|port| port["port"] == meant.port())
                    .map(|port| self.ready_pods(&service, port))
                    .unwrap_or_default();
            }
        }
        // Whose address it is now, whatever the status of a pod that ended says it once was.
        self.all_pods()
            .into_iter()
            .filter(|pod| pod.address() == Some(*meant.ip()))
            .filter(|pod| pod.reference.namespace == from.reference.namespace)
            .map(|pod| (Arc::new(pod.object_with_ip()), meant.port()))
            .collect()
    }
}

async fn accept(listener: TcpListener, pod: Weak<Pod>) {
    loop {
        let accepted = listener.accept().await;
        let Some(pod) = pod.upgrade() else { return };
        match accepted {
            Ok((stream, _)) => {
                let tasks = pod.node.tasks.clone();
                tasks.spawn(async move { pass_on(&pod, stream).await });
            }
            Err(error) => {
                tracing::debug!(%error, "a pod's gateway cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn pass_on(from: &Arc<Pod>, mut inner: TcpStream) {
    let Ok(meant) = rustix::net::sockopt::ip_original_dst(&inner) else {
        return;
    };
    let node = &from.node;
    if let Some((address, service)) = node
        .host_services()
        .find(|(address, service)| meant == SocketAddrV4::new(*address, service.listener.port()))
    {
        let source = from.object_with_ip();
        let peer = host_services::as_peer(address, service);
        let policies = Policies::of(&node.objects, &source);
        if policies.lets_out(&source, &peer, meant.port())
            && let Ok(mut outer) = TcpStream::connect(service.listener).await
        {
            // An error here is the end of one side's connection.
            let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
            return;
        }
        let _ = inner.set_zero_linger();
        return;
    }
    let mut others = node.behind(from, meant);
    if !others.is_empty() {
        let first = rand::random_range(0..others.len());
        others.rotate_left(first);
    }
    for (other, port) in others {
        let source = from.object_with_ip();
        let allowed = Policies::of(&node.objects, &source).lets_out(&source, &other, port)
            && Policies::of(&node.objects, &other).admits(&other, &source, port);
        if !allowed {
            continue;
        }
        let Some(target) = node.pod(text(&other["metadata"], "uid")) else {
            continue;
        };
        let Ok(mut outer) = target.connect(port).await else {
            continue;
        };
        // An error here is the end of one side's connection.
        let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
        return;
    }
    // Closing with unread data or a zero linger resets the connection: refused, as it would be.
    let _ = inner.set_zero_linger();
}

/// This machine's own IPv4 addresses, from the kernel's routing table.
pub(super) fn own_addresses() -> Vec<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut addresses = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in table.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last.take()
            && !addresses.contains(&IpAddr::V4(address))
        {
            addresses.push(IpAddr::V4(address));
        }
    }
    addresses
}
