//! The operator, and who leads.

use std::fs;
use std::time::Duration;

use catalyst_cluster::Cluster;
use catalyst_cluster::lease::Election;
use catalyst_operator::network::NetworkProbe;
use catalyst_operator::{
    BuildSettings, CredentialsDoor, Daemon, EgressRule, Engine, Identity, OperatorSettings, WebSide,
};
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use super::secrets::token_file;
use crate::settings::{BuildEngine, Common, PreviewRouting, SettingsError};

/// The operator's settings; `local` means that it works on the embedded cluster.
pub fn operator_settings(
    common: &Common,
    routing: &PreviewRouting,
    local: bool,
) -> Result<OperatorSettings, SettingsError> {
    if common.allow_local_repositories && !local {
        return Err(SettingsError::LocalRepositories);
    }
    let mut egress = EgressRule::public_https();
    for rule in routing
        .preview_egress
        .iter()
        .filter(|rule| !rule.is_empty())
    {
        egress.push(egress_rule(rule).ok_or_else(|| SettingsError::Egress(rule.clone()))?);
    }
    let own = routing.own_namespace().map(ToOwned::to_owned);
    let ingress = routing
        .ingress_namespace
        .clone()
        .filter(|name| !name.is_empty());
    let certificates = routing.git_certificates.as_ref().map(|path| {
        fs::read_to_string(path).map_err(|source| SettingsError::GitCertificates {
            path: path.clone(),
            source,
        })
    });
    let web = match routing.internal_url.as_ref().filter(|_| !local) {
        Some(url) => {
            let token = token_file(routing.operator_token_file.clone());
            Some(WebSide::new(url, token).map_err(|e| SettingsError::Client(Box::new(e)))?)
        }
        None => None,
    };
    Ok(OperatorSettings {
        web,
        credentials: routing.credentials_url.as_ref().map(CredentialsDoor::at),
        git_certificates: certificates.transpose()?,
        preview_domain: routing.preview_domain.clone(),
        local_preview_routing: local || routing.local_preview_routing,
        ingress_port: routing.ingress_port,
        ingress_class: routing.ingress_class.clone(),
        ingress_namespace: ingress
            .or(own)
            .unwrap_or_else(|| "ingress-nginx".to_owned()),
        git_image: routing.git_clone_image.clone(),
        helm_image: routing.helm_image.clone(),
        images: routing.images.clone(),
        // The embedded cluster runs no images.
        builds: if local {
            None
        } else {
            build_settings(routing)?
        },
        allow_local_repositories: common.allow_local_repositories,
        egress,
        deadline: Duration::from_secs(60 * u64::from(routing.deploy_deadline_minutes)),
        network_probe: network_probe(common, routing).filter(|_| !local),
        ..OperatorSettings::default()
    })
}

/// How images are built, where that is set up.
fn build_settings(routing: &PreviewRouting) -> Result<Option<BuildSettings>, SettingsError> {
    let given = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
    let Some(registry) = given(&routing.build_registry) else {
        return Ok(None);
    };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./:_-".contains(c);
    if !registry.chars().all(is_plain) || registry.contains("//") || registry.starts_with('/') {
        return Err(SettingsError::BuildRegistry(registry));
    }
    let engine = match (routing.build_engine, &routing.buildkit_address) {
        (BuildEngine::Kaniko, _) => Engine::Kaniko,
        (BuildEngine::Buildkit, Some(address)) => Engine::BuildKit(Daemon {
            address: address.clone(),
            identity: buildkit_identity(routing)?,
        }),
        (BuildEngine::Buildkit, None) => return Err(SettingsError::NoBuildkit),
    };
    Ok(Some(BuildSettings {
        image: given(&routing.build_image).unwrap_or_else(|| engine.usual_image().to_owned()),
        engine,
        registry,
        insecure: routing.build_registry_insecure,
    }))
}

/// By what a BuildKit daemon knows its clients.
fn buildkit_identity(routing: &PreviewRouting) -> Result<Option<Identity>, SettingsError> {
    let folder = routing.buildkit_certificates.as_ref();
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path)
            .map_err(|source| SettingsError::BuildkitCertificates { path, source })
    };
    Ok(Some(Identity {
        authority: read("ca.pem")?,
        certificate: read("cert.pem")?,
        key: read("key.pem")?,
    }))
}

/// Where the operator tries out whether policies are enforced: from a pod with a port of its own.
fn network_probe(common: &Common, routing: &PreviewRouting) -> Option<NetworkProbe> {
    Some(NetworkProbe {
        namespace: routing.own_namespace()?.to_owned(),
        pod: routing.pod_name.clone().filter(|name| !name.is_empty())?,
        port: common.metrics_listen?.port(),
    })
}

/// Catalyst's own namespace, where nothing says otherwise.
pub(super) const SYSTEM: &str = "catalyst-system";

/// The Lease that operators elect their leader by, in Catalyst's own namespace.
const LEADER_LEASE: &str = "catalyst-operator";

/// This process as a candidate for leading the operators of a cluster.
pub fn election(cluster: &Cluster, routing: &PreviewRouting) -> Election {
    let namespace = routing.own_namespace().unwrap_or(SYSTEM);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The same pod is another candidate after each restart.
    let identity = format!("{}-{:08x}", host.trim(), rand::random::<u32>());
    Election::new(cluster, namespace, LEADER_LEASE, identity)
}

/// Runs the controllers whenever `election` is won, until `shutdown`.
pub async fn run_elected(
    election: Election,
    settings: OperatorSettings,
    shutdown: CancellationToken,
) {
    let work = |client, stop| catalyst_operator::run(client, settings.clone(), stop);
    election.run(&shutdown, PATIENCE, work).await;
}

/// Reads `CIDR:PORT[,PORT…]`. IPv6 addresses hold colons too; the last one separates the ports.
pub(super) fn egress_rule(text: &str) -> Option<EgressRule> {
    let (cidr, ports) = text.rsplit_once(':')?;
    let (address, prefix) = cidr.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    if prefix > if address.is_ipv4() { 32 } else { 128 } {
        return None;
    }
    let ports: Option<Vec<u16>> = ports
        .split(',')
        .map(|port| port.parse().ok().filter(|port| *port != 0))
        .collect();
    Some(EgressRule {
        cidr: cidr.to_owned(),
        except: Vec::new(),
        ports: ports?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_egress_rule_is_a_range_and_its_ports() {
        let rule = egress_rule("10.1.2.0/24:5432,6379").unwrap();
        assert_eq!(
            (rule.cidr.as_str(), rule.ports),
            ("10.1.2.0/24", vec![5432, 6379])
        );
        assert_eq!(egress_rule("fd00::/8:443").unwrap().cidr, "fd00::/8");
        for bad in [
            "",
            "10.0.0.0/8",
            "10.0.0.0:443",
            "10.0.0.0/33:443",
            "x/8:1",
            "10.0.0.0/8:0",
        ] {
            assert!(egress_rule(bad).is_none(), "{bad}");
        }
    }
}
