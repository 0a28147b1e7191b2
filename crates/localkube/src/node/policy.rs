//! NetworkPolicies: who may talk to whom.
//!
//! Traffic between pods passes through the node, which asks here for each connection. What leaves
//! through the pod's way out is judged by nftables inside of the pod's network; the script is
//! made here. The ingress proxy stands in for whichever ingress controller a policy names: a rule
//! lets it in that lets in everyone or names namespaces.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::{Value, json};

use super::network::{POD_RANGE, Subnet};
use super::spec::{self, list, text};
use crate::objects::{Objects, Selector, resource};

/// The addresses that Services get.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/12";

/// What the rules of a pod's network have to know beside the policies.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub subnet: Subnet,
    /// The port in the pod's network where connections to Services and other pods are taken up.
    pub gateway: u16,
    /// The addresses and ports of Services that a pod answers for.
    pub services: Vec<(Ipv4Addr, u16)>,
    /// This machine's own addresses.
    pub host: Vec<IpAddr>,
}

/// The policies that select a pod.
pub(crate) struct Policies(Vec<Arc<Value>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }
}

impl Policies {
    /// Those of its namespace that select the pod.
    pub fn of(objects: &Objects, pod: &Value) -> Self {
        let namespace = text(&pod["metadata"], "namespace");
        let all = objects.list(
            resource::NETWORK_POLICIES,
            Some(namespace),
            &Selector::everything(),
        );
        let all = all.map(|list| list.items).unwrap_or_default();
        Self(
            all.into_iter()
                .filter(|policy| {
                    selects(&policy["spec"]["podSelector"], &pod["metadata"]["labels"])
                })
                .collect(),
        )
    }

    fn isolating(&self, direction: Direction) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .map(|policy| &policy["spec"])
            .filter(move |spec| {
                let types = spec::words(spec, "policyTypes");
                if types.is_empty() {
                    direction == Direction::Ingress || spec.get("egress").is_some()
                } else {
                    types.iter().any(|name| name == direction.name())
                }
            })
    }

    /// The rules of a direction; none where the pod is not isolated in it.
    fn rules(&self, direction: Direction) -> Option<Vec<&Value>> {
        let field = if direction == Direction::Ingress {
            "ingress"
        } else {
            "egress"
        };
        let mut isolating = self.isolating(direction).peekable();
        isolating.peek()?;
        Some(isolating.flat_map(|spec| list(spec, field)).collect())
    }

    /// Whether a pod of the same namespace may connect to this one.
    pub fn admits(&self, pod: &Value, from: &Value, port: u16) -> bool {
        self.lets_through(Direction::Ingress, "from", pod, pod, from, port)
    }

    /// Whether this pod may connect to another.
    pub fn lets_out(&self, pod: &Value, to: &Value, port: u16) -> bool {
        self.lets_through(Direction::Egress, "to", pod, to, to, port)
    }

    fn lets_through(
        &self,
        direction: Direction,
        peers: &str,
        pod: &Value,
        port_of: &Value,
        peer: &Value,
        port: u16,
    ) -> bool {
        let Some(rules) = self.rules(direction) else {
            return true;
        };
        let namespace = text(&pod["metadata"], "namespace");
        let theirs = text(&peer["metadata"], "namespace");
        let address: Option<Ipv4Addr> = text(&peer["status"], "podIP").parse().ok();
        rules.into_iter().any(|rule| {
            let to_peer = is_empty(&rule[peers])
                || list(rule, peers).any(|wanted| {
                    if let Some(block) = wanted.get("ipBlock") {
                        return address.is_some_and(|address| in_block(address, block));
                    }
                    names_namespace(wanted, namespace, theirs)
                        && wanted
                            .get("podSelector")
                            .is_none_or(|selector| selects(selector, &peer["metadata"]["labels"]))
                });
            to_peer && has_port(rule, "TCP", port, port_of)
        })
    }

    /// Whether the ingress proxy may connect.
    pub fn admits_proxy(&self, pod: &Value, port: u16) -> bool {
        let Some(rules) = self.rules(Direction::Ingress) else {
            return true;
        };
        rules.into_iter().any(|rule| {
            let peer = is_empty(&rule["from"])
                || list(rule, "from").any(|from| from.get("namespaceSelector").is_some());
            peer && has_port(rule, "TCP", port, pod)
        })
    }

    /// The nftables script for a pod's way out.
    pub fn script(&self, pod: &Value, place: &Place) -> String {
        let Place {
            subnet,
            gateway,
            services,
            host,
        } = place;
        let mut script = String::from(
            "table inet catalyst\ndelete table inet catalyst\ntable inet catalyst {\n",
        );
        let mut line = |text: &str| {
            // Writing to a String does not fail.
            let _ = writeln!(script, "{text}");
        };
        line("chain services { type nat hook output priority -100; policy accept;");
        // Only what somebody answers for, so that all else is refused as it would be elsewhere.
        for (address, port) in services {
            line(&format!(
                "ip daddr {address} tcp dport {port} redirect to :{gateway}"
            ));
        }
        line(&format!(
            "ip daddr {POD_RANGE} ip daddr & {} == {} ip daddr != {} meta l4proto tcp redirect to :{gateway}",
            Subnet::HOST_BITS,
            Subnet::POD_BITS,
            subnet.cidr()
        ));
        line("}\nchain out { type filter hook output priority 0; policy drop;");
        line(
            "oif lo accept\nct status dnat accept\nct state established,related accept\nmeta nfproto ipv6 reject",
        );
        // The machine itself, whatever a policy says: its services are not for pods.
        line(&format!(
            "ip daddr {{ 127.0.0.0/8, {SERVICE_RANGE}, 0.0.0.0/8 }} reject"
        ));
        line(&format!(
            "ip daddr {POD_RANGE} ip daddr != {} reject",
            subnet.cidr()
        ));
        for address in host.iter().filter(|address| address.is_ipv4()) {
            line(&format!("ip daddr {address} reject"));
        }
        match self.rules(Direction::Egress) {
            None => line("accept"),
            Some(rules) => {
                for rule in rules {
                    for rule in way_out(rule, pod, *subnet) {
                        line(&rule);
                    }
                }
            }
        }
        // Refusing tells a program at once what dropping would have it wait for.
        line("meta l4proto tcp reject with tcp reset\nreject\n}\n}");
        script
    }
}

/// One egress rule in nftables' words.
fn way_out(rule: &Value, pod: &Value, subnet: Subnet) -> Vec<String> {
    let mut targets = Vec::new();
    if is_empty(&rule["to"]) {
        targets.push(String::new());
    }
    for to in list(rule, "to") {
        if let Some(block) = to.get("ipBlock") {
            let cidr = text(block, "cidr");
            if !is_cidr(cidr) {
                continue;
            }
            let except: Vec<&str> = list(block, "except")
                .filter_map(Value::as_str)
                .filter(|cidr| is_cidr(cidr))
                .collect();
            targets.push(if except.is_empty() {
                format!("ip daddr {cidr} ")
            } else {
                format!("ip daddr {cidr} ip daddr != {{ {} }} ", except.join(", "))
            });
        } else if names_dns(to) {
            targets.push(format!("ip daddr {} ", subnet.dns()));
        }
    }
    let ports = ports(rule, pod);
    targets
        .iter()
        .flat_map(|target| {
            ports
                .iter()
                .map(move |port| format!("{target}{port}accept"))
        })
        .collect()
}

/// The ports of a rule as nftables matches; one empty match where it has none.
fn ports(rule: &Value, pod: &Value) -> Vec<String> {
    if is_empty(&rule["ports"]) {
        return vec![String::new()];
    }
    list(rule, "ports")
        .filter_map(|port| {
            let protocol = match text(port, "protocol") {
                "UDP" => "udp",
                "" | "TCP" => "tcp",
                _ => return None,
            };
            if port.get("port").is_none_or(Value::is_null) {
                return Some(format!("meta l4proto {protocol} "));
            }
            let first = spec::port(pod, &port["port"])?;
            match port["endPort"].as_u64() {
                Some(last) => Some(format!("{protocol} dport {first}-{last} ")),
                None => Some(format!("{protocol} dport {first} ")),
            }
        })
        .collect()
}

/// Whether a peer means the cluster's DNS, which is the pod's own resolver here.
fn names_dns(peer: &Value) -> bool {
    let namespace = json!({ "kubernetes.io/metadata.name": "kube-system" });
    let labels = json!({ "k8s-app": "kube-dns" });
    peer.get("namespaceSelector")
        .is_some_and(|selector| selects(selector, &namespace))
        && peer
            .get("podSelector")
            .is_none_or(|selector| selects(selector, &labels))
}

/// Whether a peer of a policy of namespace `own` means pods of the namespace `theirs`.
fn names_namespace(peer: &Value, own: &str, theirs: &str) -> bool {
    match peer.get("namespaceSelector") {
        None => peer.get("podSelector").is_some() && own == theirs,
        Some(selector) => selects(selector, &json!({ "kubernetes.io/metadata.name": theirs })),
    }
}

fn has_port(rule: &Value, protocol: &str, port: u16, pod: &Value) -> bool {
    is_empty(&rule["ports"])
        || list(rule, "ports").any(|wanted| {
            let same = matches!(text(wanted, "protocol"), "") && protocol == "TCP"
                || text(wanted, "protocol") == protocol;
            let first = spec::port(pod, &wanted["port"]);
            let any = wanted.get("port").is_none_or(Value::is_null);
            let last = wanted["endPort"]
                .as_u64()
                .and_then(|last| u16::try_from(last).ok());
            same && (any
                || first.is_some_and(|first| (first..=last.unwrap_or(first)).contains(&port)))
        })
}

fn selects(selector: &Value, labels: &Value) -> bool {
    Selector::from_label_selector(selector).is_ok_and(|selector| selector.matches_labels(labels))
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn parse_cidr(cidr: &str) -> Option<(Ipv4Addr, u32)> {
    let (address, length) = cidr.split_once('/')?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    Some((address.parse().ok()?, length))
}

fn is_cidr(cidr: &str) -> bool {
    parse_cidr(cidr).is_some()
}

fn in_cidr(address: Ipv4Addr, cidr: &str) -> bool {
    parse_cidr(cidr).is_some_and(|(network, length)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        address.to_bits() & mask == network.to_bits() & mask
    })
}

fn in_block(address: Ipv4Addr, block: &Value) -> bool {
    in_cidr(address, text(block, "cidr"))
        && !list(block, "except")
            .filter_map(Value::as_str)
            .any(|cidr| in_cidr(address, cidr))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(app: &str) -> Value {
        json!({
            "metadata": { "namespace": "shop", "labels": { "app": app } },
            "spec": { "containers": [{ "name": "c", "ports": [{ "name": "http", "containerPort": 3000 }] }] },
            "status": { "podIP": "10.42.0.100" },
        })
    }

    fn place() -> Place {
        Place {
            subnet: Subnet::new(0),
            gateway: 45000,
            services: vec![(Ipv4Addr::new(10, 96, 0, 10), 80)],
            host: vec![IpAddr::from([192, 0, 2, 2])],
        }
    }

    fn policies(spec: Value) -> Policies {
        Policies(vec![Arc::new(json!({ "spec": spec }))])
    }

    #[test]
    fn a_pod_that_no_policy_selects_is_open() {
        let none = Policies(vec![]);
        let place = place();
        assert!(none.admits(&pod("a"), &pod("b"), 1));
        assert!(none.script(&pod("a"), &place).contains("\naccept\n"));
    }

    #[test]
    fn rules_are_matched_by_peer_and_port() {
        let some = policies(json!({
            "policyTypes": ["Ingress"],
            "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "app": "web" } } }], "ports": [{ "port": "http" }] }],
        }));
        assert!(some.admits(&pod("db"), &pod("web"), 3000));
        assert!(!some.admits(&pod("db"), &pod("web"), 3001));
        assert!(!some.admits(&pod("db"), &pod("other"), 3000));
        assert!(some.lets_out(&pod("db"), &pod("other"), 1));
        assert!(!some.admits_proxy(&pod("db"), 3000));
    }

    #[test]
    fn another_namespace_is_reached_only_where_a_rule_names_it() {
        let to_web = |namespace: &str| {
            policies(json!({
                "policyTypes": ["Egress"],
                "egress": [
                    { "to": [{ "podSelector": {} }] },
                    { "to": [{
                        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                        "podSelector": { "matchLabels": { "app": "web" } },
                    }], "ports": [{ "port": 3001 }] },
                ],
            }))
        };
        let mut web = pod("web");
        web["metadata"]["namespace"] = json!("system");
        assert!(to_web("system").lets_out(&pod("a"), &web, 3001));
        assert!(!to_web("system").lets_out(&pod("a"), &web, 3000));
        assert!(!to_web("other").lets_out(&pod("a"), &web, 3001));
        web["metadata"]["labels"]["app"] = json!("else");
        assert!(!to_web("system").lets_out(&pod("a"), &web, 3001));
    }

    #[test]
    fn the_way_out_is_by_block_and_port_and_never_to_this_machine() {
        let some = policies(json!({
            "policyTypes": ["Egress"],
            "egress": [
                { "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } }, "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } } }], "ports": [{ "protocol": "UDP", "port": 53 }] },
                { "to": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "169.254.0.0/16"] } }], "ports": [{ "protocol": "TCP", "port": 443 }] },
            ],
        }));
        let script = some.script(&pod("a"), &place());
        let at = |text: &str| {
            script
                .find(text)
                .unwrap_or_else(|| panic!("{text} in {script}"))
        };
        assert!(at("ip daddr 192.0.2.2 reject") < at("ip daddr 0.0.0.0/0"));
        at("ip daddr 10.96.0.10 tcp dport 80 redirect to :45000");
        at("ip daddr 10.42.0.3 udp dport 53 accept");
        at("ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8, 169.254.0.0/16 } tcp dport 443 accept");
        assert!(!script.contains("\naccept\n"));
    }
}
