//! The table of kinds: what the API server knows about each, built in or from a CRD.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use serde_json::Value;

use super::error::ApiError;
use super::schema::{Schema, built_in};

/// Keys of the built-in kinds in the store: `plural` for the core group, else `plural.group`,
/// which is how Kubernetes writes a group and resource.
pub mod resource {
    #![allow(missing_docs, reason = "each is the name of a Kubernetes resource")]
    pub const NAMESPACES: &str = "namespaces";
    pub const NODES: &str = "nodes";
    pub const PODS: &str = "pods";
    pub const SERVICES: &str = "services";
    pub const ENDPOINTS: &str = "endpoints";
    pub const CONFIG_MAPS: &str = "configmaps";
    pub const SECRETS: &str = "secrets";
    pub const SERVICE_ACCOUNTS: &str = "serviceaccounts";
    pub const EVENTS: &str = "events";
    pub const PERSISTENT_VOLUME_CLAIMS: &str = "persistentvolumeclaims";
    pub const PERSISTENT_VOLUMES: &str = "persistentvolumes";
    pub const RESOURCE_QUOTAS: &str = "resourcequotas";
    pub const LIMIT_RANGES: &str = "limitranges";
    pub const DEPLOYMENTS: &str = "deployments.apps";
    pub const REPLICA_SETS: &str = "replicasets.apps";
    pub const STATEFUL_SETS: &str = "statefulsets.apps";
    pub const CONTROLLER_REVISIONS: &str = "controllerrevisions.apps";
    pub const JOBS: &str = "jobs.batch";
    pub const INGRESSES: &str = "ingresses.networking.k8s.io";
    pub const INGRESS_CLASSES: &str = "ingressclasses.networking.k8s.io";
    pub const NETWORK_POLICIES: &str = "networkpolicies.networking.k8s.io";
    pub const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";
    pub const STORAGE_CLASSES: &str = "storageclasses.storage.k8s.io";
    pub const LEASES: &str = "leases.coordination.k8s.io";
    pub const POD_DISRUPTION_BUDGETS: &str = "poddisruptionbudgets.policy";
    pub const CUSTOM_RESOURCE_DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
}

/// A kind of object.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: String,
    /// Lower-case plural, the last part of its path.
    pub plural: String,
    /// Lower-case singular.
    pub singular: String,
    /// CamelCase kind.
    pub kind: String,
    /// Kind of a list of it.
    pub list_kind: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What kubectl accepts in place of the plural.
    pub short_names: Vec<String>,
    /// Such as `all`.
    pub categories: Vec<String>,
    /// Field selectors beyond `metadata.name` and `metadata.namespace`.
    pub fields: Vec<String>,
    /// Every version, the storage version included; built-in kinds have one.
    pub versions: Vec<Version>,
    /// Whether it comes from a CRD.
    pub custom: bool,
    /// The key under which objects are stored, where they are another kind's.
    pub stored_as: Option<&'static str>,
}

/// A version of a kind.
#[derive(Debug, Clone)]
pub struct Version {
    /// Such as `v1`.
    pub name: String,
    /// Whether requests may name it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// Whether `status` is a subresource.
    pub status: bool,
    /// The `scale` subresource, where there is one.
    pub scale: Option<Scale>,
    /// The columns of `kubectl get` that a CRD names.
    pub columns: Vec<Column>,
    /// What objects look like.
    pub schema: Schema,
    /// Checks the values of custom objects.
    pub validator: Option<Arc<super::crd::Validator>>,
}

/// Where a kind keeps what its `scale` subresource shows; JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// The wanted number of replicas.
    pub spec_replicas: String,
    /// The present number.
    pub status_replicas: String,
    /// The selector: a `LabelSelector` object, or its text.
    pub selector: Option<String>,
}

/// An `additionalPrinterColumns` entry of a CRD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub type_: String,
    /// Such as `int32`; may be empty.
    pub format: String,
    /// What it says.
    pub description: String,
    /// Above 0: shown by `-o wide` only.
    pub priority: i64,
    /// JSONPath of the value.
    pub json_path: String,
}

impl Kind {
    /// The key in the store: `plural` or `plural.group`.
    pub fn resource(&self) -> String {
        join(&self.plural, &self.group)
    }

    /// The key under which its objects are stored, where that is another kind's.
    pub fn stored_in(&self) -> String {
        self.stored_as
            .map_or_else(|| self.resource(), str::to_owned)
    }

    /// `Kind` or `Kind.group`, as error messages name it.
    pub fn qualified(&self) -> String {
        join(&self.kind, &self.group)
    }

    /// `version` or `group/version`.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    /// A version that requests may name.
    pub fn served(&self, version: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.served && v.name == version)
    }

    /// The version in which objects are stored.
    pub fn storage(&self) -> &Version {
        self.versions
            .iter()
            .find(|version| version.storage)
            .unwrap_or(&self.versions[0])
    }
}

fn join(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

/// All kinds, by their key in the store. Custom kinds come and go while it is used.
#[derive(Debug)]
pub struct Kinds {
    by_resource: RwLock<BTreeMap<String, Arc<Kind>>>,
}

impl Kinds {
    /// The built-in kinds.
    pub fn built_in() -> Self {
        let by_resource = BUILT_IN
            .iter()
            .map(|row| {
                let kind = row.build();
                (kind.resource(), Arc::new(kind))
            })
            .collect();
        Self {
            by_resource: RwLock::new(by_resource),
        }
    }

    /// The kind of a key such as `deployments.apps`.
    pub fn get(&self, resource: &str) -> Result<Arc<Kind>, ApiError> {
        self.read()
            .get(resource)
            .cloned()
            .ok_or(ApiError::NoSuchResource)
    }

    /// The kind of a path such as `/apis/apps/v1/…/deployments`, if that version is served.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.read()
            .get(&join(plural, group))
            .filter(|kind| kind.served(version).is_some())
            .cloned()
    }

    /// The kind of an object, by its `apiVersion` and `kind`.
    pub fn of_object(&self, object: &Value) -> Option<Arc<Kind>> {
        let api_version = object["apiVersion"].as_str()?;
        let name = object["kind"].as_str()?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.find_kind(group, version, name)
    }

    /// The kind of a group, version and CamelCase name, if that version is served.
    pub fn find_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Kind>> {
        self.read()
            .values()
            .find(|known| {
                known.group == group && known.kind == kind && known.served(version).is_some()
            })
            .cloned()
    }

    /// All kinds, in the order of their keys.
    pub fn all(&self) -> Vec<Arc<Kind>> {
        self.read().values().cloned().collect()
    }

    /// Make a custom kind known, or replace it.
    pub(crate) fn register(&self, kind: Kind) {
        self.write().insert(kind.resource(), Arc::new(kind));
    }

    /// Forget a custom kind.
    pub(crate) fn unregister(&self, resource: &str) {
        self.write().remove(resource);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Kind>>> {
        self.by_resource
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<Kind>>> {
        self.by_resource
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A row of the table of built-in kinds.
struct Row {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    short_names: &'static [&'static str],
    all: bool,
    status: bool,
    scale: bool,
    fields: &'static [&'static str],
    stored_as: Option<&'static str>,
}

/// The defaults of a row, so that the table shows only what is special.
const ROW: Row = Row {
    group: "",
    version: "v1",
    plural: "",
    kind: "",
    namespaced: true,
    short_names: &[],
    all: false,
    status: false,
    scale: false,
    fields: &[],
    stored_as: None,
};

const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

#[rustfmt::skip]
const BUILT_IN: &[Row] = &[
    Row { plural: "namespaces", kind: "Namespace", namespaced: false, short_names: &["ns"], status: true, fields: &["status.phase"], ..ROW },
    Row { plural: "nodes", kind: "Node", namespaced: false, short_names: &["no"], status: true, fields: &["spec.unschedulable"], ..ROW },
    Row { plural: "pods", kind: "Pod", short_names: &["po"], all: true, status: true, fields: &["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"], ..ROW },
    Row { plural: "services", kind: "Service", short_names: &["svc"], all: true, status: true, fields: &["spec.clusterIP", "spec.type"], ..ROW },
    Row { plural: "endpoints", kind: "Endpoints", short_names: &["ep"], ..ROW },
    Row { plural: "configmaps", kind: "ConfigMap", short_names: &["cm"], ..ROW },
    Row { plural: "secrets", kind: "Secret", fields: &["type"], ..ROW },
    Row { plural: "serviceaccounts", kind: "ServiceAccount", short_names: &["sa"], ..ROW },
    Row { plural: "events", kind: "Event", short_names: &["ev"], fields: EVENT_FIELDS, ..ROW },
    Row { plural: "persistentvolumeclaims", kind: "PersistentVolumeClaim", short_names: &["pvc"], status: true, ..ROW },
    Row { plural: "persistentvolumes", kind: "PersistentVolume", namespaced: false, short_names: &["pv"], status: true, ..ROW },
    Row { plural: "resourcequotas", kind: "ResourceQuota", short_names: &["quota"], status: true, ..ROW },
    Row { plural: "limitranges", kind: "LimitRange", short_names: &["limits"], ..ROW },
    Row { group: "apps", plural: "deployments", kind: "Deployment", short_names: &["deploy"], all: true, status: true, scale: true, ..ROW },
    Row { group: "apps", plural: "replicasets", kind: "ReplicaSet", short_names: &["rs"], all: true, status: true, scale: true, fields: &["status.replicas"], ..ROW },
    Row { group: "apps", plural: "statefulsets", kind: "StatefulSet", short_names: &["sts"], all: true, status: true, scale: true, ..ROW },
    Row { group: "apps", plural: "controllerrevisions", kind: "ControllerRevision", ..ROW },
    Row { group: "batch", plural: "jobs", kind: "Job", all: true, status: true, fields: &["status.successful"], ..ROW },
    Row { group: "networking.k8s.io", plural: "ingresses", kind: "Ingress", short_names: &["ing"], status: true, ..ROW },
    Row { group: "networking.k8s.io", plural: "ingressclasses", kind: "IngressClass", namespaced: false, ..ROW },
    Row { group: "networking.k8s.io", plural: "networkpolicies", kind: "NetworkPolicy", short_names: &["netpol"], ..ROW },
    Row { group: "discovery.k8s.io", plural: "endpointslices", kind: "EndpointSlice", ..ROW },
    Row { group: "storage.k8s.io", plural: "storageclasses", kind: "StorageClass", namespaced: false, short_names: &["sc"], ..ROW },
    Row { group: "coordination.k8s.io", plural: "leases", kind: "Lease", ..ROW },
    Row { group: "policy", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget", short_names: &["pdb"], status: true, ..ROW },
    Row { group: "rbac.authorization.k8s.io", plural: "roles", kind: "Role", ..ROW },
    Row { group: "rbac.authorization.k8s.io", plural: "rolebindings", kind: "RoleBinding", ..ROW },
    Row { group: "rbac.authorization.k8s.io", plural: "clusterroles", kind: "ClusterRole", namespaced: false, ..ROW },
    Row { group: "rbac.authorization.k8s.io", plural: "clusterrolebindings", kind: "ClusterRoleBinding", namespaced: false, ..ROW },
    Row { group: "events.k8s.io", plural: "events", kind: "Event", short_names: &["ev"], fields: EVENT_FIELDS, stored_as: Some("events"), ..ROW },
    Row { group: "apiextensions.k8s.io", plural: "customresourcedefinitions", kind: "CustomResourceDefinition", namespaced: false, short_names: &["crd", "crds"], status: true, ..ROW },
];

impl Row {
    fn build(&self) -> Kind {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Kind {
            group: self.group.to_owned(),
            plural: self.plural.to_owned(),
            singular: self.kind.to_lowercase(),
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            namespaced: self.namespaced,
            short_names: owned(self.short_names),
            categories: if self.all {
                vec!["all".to_owned()]
            } else {
                Vec::new()
            },
            fields: owned(self.fields),
            versions: vec![Version {
                name: self.version.to_owned(),
                served: true,
                storage: true,
                status: self.status,
                scale: self.scale.then(|| Scale {
                    spec_replicas: "/spec/replicas".to_owned(),
                    status_replicas: "/status/replicas".to_owned(),
                    selector: Some("/spec/selector".to_owned()),
                }),
                columns: Vec::new(),
                schema: built_in(self.group, self.kind),
                validator: None,
            }],
            custom: false,
            stored_as: self.stored_as,
        }
    }
}
