//! Ports in all forms.

use serde_json::Value;

use super::load::scalar;

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    pub container: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: &'static str,
    /// The port of the machine, where the file publishes one.
    pub published: Option<u16>,
    /// Whether it is published at all.
    pub is_published: bool,
    /// `http` and the like, where the file says so.
    pub app_protocol: Option<String>,
    pub name: Option<String>,
}

/// Ports that one entry may stand for.
const MAX_RANGE: u16 = 100;

/// One entry of `ports`.
pub(super) fn port(value: &Value) -> Result<Vec<Port>, String> {
    match value {
        Value::Object(map) => {
            let target = map.get("target").map(scalar).unwrap_or_default();
            let published = map
                .get("published")
                .map(scalar)
                .filter(|text| !text.is_empty());
            let mut all = expand(
                &target,
                published.as_deref(),
                protocol(&map.get("protocol").map(scalar).unwrap_or_default())?,
            )?;
            for port in &mut all {
                port.app_protocol = map.get("app_protocol").map(scalar);
                port.name = map.get("name").map(scalar);
            }
            Ok(all)
        }
        Value::String(_) | Value::Number(_) => {
            let text = scalar(value);
            let (text, protocol) = match text.rsplit_once('/') {
                Some((text, name)) => (text.to_owned(), self::protocol(name)?),
                None => (text, "TCP"),
            };
            // The address before the ports, which may be IPv6, means nothing in a cluster.
            let (published, container) = match text.rsplit_once(':') {
                None => (None, text.as_str()),
                Some((before, container)) => {
                    let published = before.rsplit([':', ']']).next().unwrap_or_default();
                    (Some(published).filter(|text| !text.is_empty()), container)
                }
            };
            expand(container, published, protocol)
        }
        _ => Err("is no port".to_owned()),
    }
}

/// One entry of `expose`.
pub(super) fn expose(value: &Value) -> Result<Vec<Port>, String> {
    let text = scalar(value);
    let (text, protocol) = match text.rsplit_once('/') {
        Some((text, name)) => (text.to_owned(), self::protocol(name)?),
        None => (text, "TCP"),
    };
    let mut all = expand(&text, None, protocol)?;
    all.iter_mut().for_each(|port| port.is_published = false);
    Ok(all)
}

fn protocol(name: &str) -> Result<&'static str, String> {
    match name.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok("TCP"),
        "udp" => Ok("UDP"),
        "sctp" => Ok("SCTP"),
        other => Err(format!("{other:?} is no protocol")),
    }
}

fn expand(
    container: &str,
    published: Option<&str>,
    protocol: &'static str,
) -> Result<Vec<Port>, String> {
    let (from, to) = range(container)?;
    if to - from >= MAX_RANGE {
        return Err(format!(
            "{container:?} stands for more than {MAX_RANGE} ports"
        ));
    }
    // A published range for one container port means any of them.
    let start = published.map(range).transpose()?.map(|(start, _)| start);
    Ok((from..=to)
        .map(|container| Port {
            container,
            protocol,
            published: start
                .and_then(|start| start.checked_add(container - from))
                .filter(|&port| port > 0),
            is_published: true,
            app_protocol: None,
            name: None,
        })
        .collect())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("{text:?} is no port or range of ports");
    let number = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(text)?, number(text)?),
    };
    if from > to {
        return Err(wrong());
    }
    Ok((from, to))
}

/// The port of an image whose own is well known.
pub(super) fn well_known(image: &str) -> Option<u16> {
    let name = image_name(image);
    Some(match name {
        "postgres" | "postgresql" | "postgis" | "timescaledb" | "pgvector" => 5432,
        "mysql" | "mariadb" | "percona" => 3306,
        "redis" | "valkey" | "keydb" | "redis-stack" | "redis-stack-server" | "dragonfly" => 6379,
        "mongo" | "mongodb" => 27017,
        "memcached" => 11211,
        "rabbitmq" => 5672,
        "elasticsearch" | "opensearch" => 9200,
        "kafka" => 9092,
        "zookeeper" => 2181,
        "nats" => 4222,
        "minio" => 9000,
        "mailhog" | "mailpit" => 1025,
        "meilisearch" => 7700,
        "clickhouse-server" => 8123,
        "cassandra" => 9042,
        "influxdb" => 8086,
        "etcd" => 2379,
        "consul" => 8500,
        "vault" => 8200,
        "nginx" | "httpd" | "caddy" | "traefik" | "wordpress" | "adminer" | "phpmyadmin" => {
            return web(name);
        }
        _ => return None,
    })
}

/// Ports of images that serve pages by themselves.
fn web(name: &str) -> Option<u16> {
    Some(if name == "adminer" { 8080 } else { 80 })
}

/// `ghcr.io/team/postgres:16@sha256:…` is `postgres`.
pub(super) fn image_name(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

/// Whether a port is one that databases, brokers and debuggers speak on.
pub(crate) fn is_no_web_port(port: u16) -> bool {
    matches!(
        port,
        22 | 25
            | 53
            | 1025
            | 1433
            | 1521
            | 1883
            | 2181
            | 2379
            | 2525
            | 3306
            | 4222
            | 5005
            | 5432
            | 5433
            | 5672
            | 5678
            | 6379
            | 6380
            | 7687
            | 8125
            | 9042
            | 9092
            | 9093
            | 9200
            | 9229
            | 9230
            | 9300
            | 11211
            | 27017
            | 29092
            | 33060
            | 35729
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_a_port_is_read() {
        let short = |value: Value| -> Vec<(Option<u16>, u16, &'static str)> {
            port(&value)
                .unwrap()
                .into_iter()
                .map(|port| (port.published, port.container, port.protocol))
                .collect()
        };
        for (text, expected) in [
            (json!("3000"), vec![(None, 3000, "TCP")]),
            (json!(3000), vec![(None, 3000, "TCP")]),
            (json!("8080:80"), vec![(Some(8080), 80, "TCP")]),
            (json!("127.0.0.1:8080:80"), vec![(Some(8080), 80, "TCP")]),
            (json!("127.0.0.1::80"), vec![(None, 80, "TCP")]),
            (json!("[::1]:8080:80"), vec![(Some(8080), 80, "TCP")]),
            (json!("::1:8080:80"), vec![(Some(8080), 80, "TCP")]),
            (json!("53:53/udp"), vec![(Some(53), 53, "UDP")]),
            (
                json!("9000-9001:8000-8001"),
                vec![(Some(9000), 8000, "TCP"), (Some(9001), 8001, "TCP")],
            ),
            (
                json!("3000-3001"),
                vec![(None, 3000, "TCP"), (None, 3001, "TCP")],
            ),
            (json!("8000-9000:80"), vec![(Some(8000), 80, "TCP")]),
            (
                json!({ "target": 80, "published": "8080", "protocol": "tcp", "mode": "host" }),
                vec![(Some(8080), 80, "TCP")],
            ),
            (
                json!({ "target": 80, "published": 8080 }),
                vec![(Some(8080), 80, "TCP")],
            ),
            (json!({ "target": 80 }), vec![(None, 80, "TCP")]),
            (json!("0:80"), vec![(None, 80, "TCP")]),
        ] {
            assert_eq!(short(text.clone()), expected, "{text}");
        }
        for wrong in [
            json!("x"),
            json!("80:"),
            json!("70000"),
            json!("80/x"),
            json!("1-500"),
            json!("9-8"),
            json!([]),
            json!({ "published": 80 }),
        ] {
            assert!(port(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn images_are_known_by_their_last_name() {
        assert_eq!(
            well_known("docker.io/bitnami/postgresql:16@sha256:abc"),
            Some(5432)
        );
        assert_eq!(well_known("localhost:5000/redis"), Some(6379));
        assert_eq!(well_known("team/app"), None);
    }
}
