//! The columns of the built-in kinds.

mod pod;
mod rows;

use serde_json::Value;

use super::table::{Heading, age};
use crate::objects::{Kind, resource};

/// A table's row as its kind makes it.
type Row = fn(&Value, jiff::Timestamp) -> Vec<Value>;

const fn heading(name: &'static str, kind: char) -> Heading {
    let type_ = match kind {
        'i' | 'I' => "integer",
        _ => "string",
    };
    Heading {
        name,
        type_,
        wide: kind.is_ascii_uppercase(),
    }
}

/// Headings, each after its type as [`headings`] explains it.
macro_rules! headings {
    ($($kind:literal $name:literal),* $(,)?) => {{
        const HEADINGS: &[Heading] = &[$(heading($name, $kind)),*];
        HEADINGS
    }};
}

/// The headings of a kind's table: `s` and `i` are strings and integers, capitals show with
/// `-o wide` only.
pub(super) fn headings(kind: &Kind) -> &'static [Heading] {
    match kind.resource().as_str() {
        resource::PODS => {
            headings!['s' "Name", 's' "Ready", 's' "Status", 's' "Restarts", 's' "Age", 'S' "IP", 'S' "Node", 'S' "Nominated Node", 'S' "Readiness Gates"]
        }
        resource::DEPLOYMENTS => {
            headings!['s' "Name", 's' "Ready", 'i' "Up-to-date", 'i' "Available", 's' "Age", 'S' "Containers", 'S' "Images", 'S' "Selector"]
        }
        resource::REPLICA_SETS => {
            headings!['s' "Name", 'i' "Desired", 'i' "Current", 'i' "Ready", 's' "Age", 'S' "Containers", 'S' "Images", 'S' "Selector"]
        }
        resource::STATEFUL_SETS => {
            headings!['s' "Name", 's' "Ready", 's' "Age", 'S' "Containers", 'S' "Images"]
        }
        resource::JOBS => {
            headings!['s' "Name", 's' "Status", 's' "Completions", 's' "Duration", 's' "Age", 'S' "Containers", 'S' "Images", 'S' "Selector"]
        }
        resource::SERVICES => {
            headings!['s' "Name", 's' "Type", 's' "Cluster-IP", 's' "External-IP", 's' "Port(s)", 's' "Age", 'S' "Selector"]
        }
        resource::ENDPOINTS => headings!['s' "Name", 's' "Endpoints", 's' "Age"],
        resource::ENDPOINT_SLICES => {
            headings!['s' "Name", 's' "AddressType", 's' "Ports", 's' "Endpoints", 's' "Age"]
        }
        resource::INGRESSES => {
            headings!['s' "Name", 's' "Class", 's' "Hosts", 's' "Address", 's' "Ports", 's' "Age"]
        }
        resource::INGRESS_CLASSES => {
            headings!['s' "Name", 's' "Controller", 's' "Parameters", 's' "Age"]
        }
        resource::NETWORK_POLICIES => headings!['s' "Name", 's' "Pod-Selector", 's' "Age"],
        resource::NAMESPACES => headings!['s' "Name", 's' "Status", 's' "Age"],
        resource::NODES => {
            headings!['s' "Name", 's' "Status", 's' "Roles", 's' "Age", 's' "Version", 'S' "Internal-IP", 'S' "External-IP", 'S' "OS-Image", 'S' "Kernel-Version", 'S' "Container-Runtime"]
        }
        resource::EVENTS => {
            headings!['s' "Last Seen", 's' "Type", 's' "Reason", 's' "Object", 'S' "Subobject", 'S' "Source", 's' "Message", 'S' "First Seen", 'S' "Count", 'S' "Name"]
        }
        resource::CONFIG_MAPS => headings!['s' "Name", 'i' "Data", 's' "Age"],
        resource::SECRETS => headings!['s' "Name", 's' "Type", 'i' "Data", 's' "Age"],
        resource::SERVICE_ACCOUNTS => headings!['s' "Name", 'i' "Secrets", 's' "Age"],
        resource::PERSISTENT_VOLUME_CLAIMS => {
            headings!['s' "Name", 's' "Status", 's' "Volume", 's' "Capacity", 's' "Access Modes", 's' "StorageClass", 's' "VolumeAttributesClass", 's' "Age", 'S' "VolumeMode"]
        }
        resource::PERSISTENT_VOLUMES => {
            headings!['s' "Name", 's' "Capacity", 's' "Access Modes", 's' "Reclaim Policy", 's' "Status", 's' "Claim", 's' "StorageClass", 's' "Reason", 's' "Age", 'S' "VolumeMode"]
        }
        resource::STORAGE_CLASSES => {
            headings!['s' "Name", 's' "Provisioner", 's' "ReclaimPolicy", 's' "VolumeBindingMode", 's' "AllowVolumeExpansion", 's' "Age"]
        }
        resource::RESOURCE_QUOTAS => headings!['s' "Name", 's' "Request", 's' "Limit", 's' "Age"],
        resource::LEASES => headings!['s' "Name", 's' "Holder", 's' "Age"],
        resource::POD_DISRUPTION_BUDGETS => {
            headings!['s' "Name", 's' "Min Available", 's' "Max Unavailable", 'i' "Allowed Disruptions", 's' "Age"]
        }
        resource::CUSTOM_RESOURCE_DEFINITIONS | resource::LIMIT_RANGES => {
            headings!['s' "Name", 's' "Created At"]
        }
        "clusterroles.rbac.authorization.k8s.io" | "roles.rbac.authorization.k8s.io" => {
            headings!['s' "Name", 's' "Created At"]
        }
        "clusterrolebindings.rbac.authorization.k8s.io"
        | "rolebindings.rbac.authorization.k8s.io" => headings!['s' "Name", 's' "Role", 's' "Age"],
        "events.events.k8s.io" => {
            headings!['s' "Last Seen", 's' "Type", 's' "Reason", 's' "Object", 'S' "Subobject", 'S' "Source", 's' "Message", 'S' "First Seen", 'S' "Count", 'S' "Name"]
        }
        _ => headings!['s' "Name", 's' "Age"],
    }
}

/// The row of an object under [`headings`].
pub(super) fn cells(kind: &Kind, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let row: Row = match kind.resource().as_str() {
        resource::PODS => pod::row,
        resource::DEPLOYMENTS => rows::deployment,
        resource::REPLICA_SETS => rows::replica_set,
        resource::STATEFUL_SETS => rows::stateful_set,
        resource::JOBS => rows::job,
        resource::SERVICES => rows::service,
        resource::ENDPOINTS => rows::endpoints,
        resource::ENDPOINT_SLICES => rows::endpoint_slice,
        resource::INGRESSES => rows::ingress,
        resource::INGRESS_CLASSES => rows::ingress_class,
        resource::NETWORK_POLICIES => rows::network_policy,
        resource::NAMESPACES => rows::namespace,
        resource::NODES => rows::node,
        resource::EVENTS | "events.events.k8s.io" => rows::event,
        resource::CONFIG_MAPS => rows::config_map,
        resource::SECRETS => rows::secret,
        resource::SERVICE_ACCOUNTS => rows::service_account,
        resource::PERSISTENT_VOLUME_CLAIMS => rows::claim,
        resource::PERSISTENT_VOLUMES => rows::volume,
        resource::STORAGE_CLASSES => rows::storage_class,
        resource::RESOURCE_QUOTAS => rows::quota,
        resource::LEASES => rows::lease,
        resource::POD_DISRUPTION_BUDGETS => rows::disruption_budget,
        resource::CUSTOM_RESOURCE_DEFINITIONS
        | resource::LIMIT_RANGES
        | "clusterroles.rbac.authorization.k8s.io"
        | "roles.rbac.authorization.k8s.io" => rows::created_at,
        "clusterrolebindings.rbac.authorization.k8s.io"
        | "rolebindings.rbac.authorization.k8s.io" => rows::binding,
        _ => |object, now| {
            vec![
                rows::name(object),
                age(&object["metadata"]["creationTimestamp"], now).into(),
            ]
        },
    };
    row(object, now)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::Kinds;

    #[test]
    fn every_row_has_a_cell_for_each_heading() {
        let object = json!({ "metadata": { "name": "a" } });
        for kind in Kinds::built_in().all() {
            let cells = cells(&kind, &object, jiff::Timestamp::now());
            assert_eq!(cells.len(), headings(&kind).len(), "{}", kind.resource());
        }
    }
}
