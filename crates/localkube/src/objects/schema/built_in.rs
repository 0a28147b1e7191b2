//! The schemas of the built-in kinds: `k8s-openapi`'s, with what its generator leaves out added
//! from two tables.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use k8s_openapi::{api, apiextensions_apiserver, apimachinery};
use serde_json::{Map, Value};

use super::parse::Parser;
use super::{Node, Schema};

/// Where lists and maps differ from atomic lists and granular maps, as Kubernetes' own OpenAPI
/// states it (release 1.34): definition, field (empty: the type itself), list type, keys of the
/// list, merge key and strategy of strategic merge patches. `-` stands for none.
const TOPOLOGY: &str = "
api.apps.v1.DeploymentSpec strategy - - - retainKeys
api.apps.v1.DeploymentStatus conditions map type type merge
api.apps.v1.ReplicaSetStatus conditions map type type merge
api.apps.v1.StatefulSetStatus conditions map type type merge
api.batch.v1.JobStatus conditions atomic - type merge
api.batch.v1.PodFailurePolicyOnExitCodesRequirement values set - - -
api.batch.v1.UncountedTerminatedPods failed set - - -
api.batch.v1.UncountedTerminatedPods succeeded set - - -
api.core.v1.ConfigMapKeySelector - atomic - - -
api.core.v1.Container env map name name merge
api.core.v1.Container ports map containerPort,protocol containerPort merge
api.core.v1.Container volumeDevices map devicePath devicePath merge
api.core.v1.Container volumeMounts map mountPath mountPath merge
api.core.v1.ContainerRestartRuleOnExitCodes values set - - -
api.core.v1.ContainerStatus allocatedResourcesStatus map name name merge
api.core.v1.ContainerStatus volumeMounts map mountPath mountPath merge
api.core.v1.EndpointAddress - atomic - - -
api.core.v1.EndpointPort - atomic - - -
api.core.v1.EphemeralContainer env map name name merge
api.core.v1.EphemeralContainer ports map containerPort,protocol containerPort merge
api.core.v1.EphemeralContainer volumeDevices map devicePath devicePath merge
api.core.v1.EphemeralContainer volumeMounts map mountPath mountPath merge
api.core.v1.FileKeySelector - atomic - - -
api.core.v1.LocalObjectReference - atomic - - -
api.core.v1.NamespaceStatus conditions map type type merge
api.core.v1.NodeSelector - atomic - - -
api.core.v1.NodeSelectorTerm - atomic - - -
api.core.v1.NodeSpec podCIDRs set - - merge
api.core.v1.NodeStatus addresses map type type merge
api.core.v1.NodeStatus conditions map type type merge
api.core.v1.ObjectFieldSelector - atomic - - -
api.core.v1.ObjectReference - atomic - - -
api.core.v1.PersistentVolumeClaimStatus conditions map type type merge
api.core.v1.PersistentVolumeSpec claimRef granular - - -
api.core.v1.PodSpec containers map name name merge
api.core.v1.PodSpec ephemeralContainers map name name merge
api.core.v1.PodSpec hostAliases map ip ip merge
api.core.v1.PodSpec imagePullSecrets map name name merge
api.core.v1.PodSpec initContainers map name name merge
api.core.v1.PodSpec nodeSelector atomic - - -
api.core.v1.PodSpec resourceClaims map name name merge,retainKeys
api.core.v1.PodSpec schedulingGates map name name merge
api.core.v1.PodSpec topologySpreadConstraints map topologyKey,whenUnsatisfiable topologyKey merge
api.core.v1.PodSpec volumes map name name merge,retainKeys
api.core.v1.PodStatus conditions map type type merge
api.core.v1.PodStatus hostIPs atomic - ip merge
api.core.v1.PodStatus podIPs map ip ip merge
api.core.v1.PodStatus resourceClaimStatuses map name name merge,retainKeys
api.core.v1.ResourceFieldSelector - atomic - - -
api.core.v1.ResourceRequirements claims map name - -
api.core.v1.ResourceStatus resources map resourceID - -
api.core.v1.ScopeSelector - atomic - - -
api.core.v1.SecretKeySelector - atomic - - -
api.core.v1.SecretReference - atomic - - -
api.core.v1.ServiceAccount secrets map name name merge
api.core.v1.ServiceSpec ports map port,protocol port merge
api.core.v1.ServiceSpec selector atomic - - -
api.core.v1.ServiceStatus conditions map type type merge
api.core.v1.TopologySelectorTerm - atomic - - -
api.core.v1.TypedLocalObjectReference - atomic - - -
api.discovery.v1.Endpoint addresses set - - -
api.discovery.v1.EndpointPort - atomic - - -
api.networking.v1.ServiceBackendPort - atomic - - -
api.policy.v1.PodDisruptionBudgetStatus conditions map type type merge
api.rbac.v1.RoleRef - atomic - - -
api.rbac.v1.Subject - atomic - - -
apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus conditions map type - -
apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps x-kubernetes-validations map rule rule merge
apimachinery.pkg.apis.meta.v1.LabelSelector - atomic - - -
apimachinery.pkg.apis.meta.v1.ObjectMeta finalizers set - - merge
apimachinery.pkg.apis.meta.v1.ObjectMeta ownerReferences map uid uid merge
apimachinery.pkg.apis.meta.v1.OwnerReference - atomic - - -
";

/// What Kubernetes fills in where a field is absent and the value is always the same: definition,
/// field, value. What depends on other fields is in `crate::objects::defaults`.
const DEFAULTS: &str = r#"
api.apps.v1.DeploymentSpec replicas 1
api.apps.v1.DeploymentSpec revisionHistoryLimit 10
api.apps.v1.DeploymentSpec progressDeadlineSeconds 600
api.apps.v1.DeploymentSpec strategy {}
api.apps.v1.DeploymentStrategy type "RollingUpdate"
api.apps.v1.ReplicaSetSpec replicas 1
api.apps.v1.StatefulSetSpec replicas 1
api.apps.v1.StatefulSetSpec revisionHistoryLimit 10
api.apps.v1.StatefulSetSpec podManagementPolicy "OrderedReady"
api.apps.v1.StatefulSetSpec updateStrategy {"type":"RollingUpdate","rollingUpdate":{"partition":0}}
api.apps.v1.StatefulSetSpec persistentVolumeClaimRetentionPolicy {"whenDeleted":"Retain","whenScaled":"Retain"}
api.batch.v1.JobSpec backoffLimit 6
api.batch.v1.JobSpec completionMode "NonIndexed"
api.batch.v1.JobSpec suspend false
api.batch.v1.JobSpec manualSelector false
api.batch.v1.JobSpec podReplacementPolicy "TerminatingOrFailed"
api.core.v1.ConfigMapVolumeSource defaultMode 420
api.core.v1.Container resources {}
api.core.v1.Container terminationMessagePath "/dev/termination-log"
api.core.v1.Container terminationMessagePolicy "File"
api.core.v1.ContainerPort protocol "TCP"
api.core.v1.DownwardAPIVolumeSource defaultMode 420
api.core.v1.GRPCAction service ""
api.core.v1.HTTPGetAction path "/"
api.core.v1.HTTPGetAction scheme "HTTP"
api.core.v1.HostPathVolumeSource type ""
api.core.v1.ObjectFieldSelector apiVersion "v1"
api.core.v1.PersistentVolumeClaimSpec volumeMode "Filesystem"
api.core.v1.PersistentVolumeClaimStatus phase "Pending"
api.core.v1.PersistentVolumeSpec persistentVolumeReclaimPolicy "Retain"
api.core.v1.PersistentVolumeSpec volumeMode "Filesystem"
api.core.v1.PodSpec dnsPolicy "ClusterFirst"
api.core.v1.PodSpec restartPolicy "Always"
api.core.v1.PodSpec schedulerName "default-scheduler"
api.core.v1.PodSpec securityContext {}
api.core.v1.PodSpec terminationGracePeriodSeconds 30
api.core.v1.Probe failureThreshold 3
api.core.v1.Probe periodSeconds 10
api.core.v1.Probe successThreshold 1
api.core.v1.Probe timeoutSeconds 1
api.core.v1.ProjectedVolumeSource defaultMode 420
api.core.v1.Secret type "Opaque"
api.core.v1.SecretVolumeSource defaultMode 420
api.core.v1.ServicePort protocol "TCP"
api.core.v1.ServiceSpec sessionAffinity "None"
api.core.v1.ServiceSpec type "ClusterIP"
api.core.v1.ServiceSpec internalTrafficPolicy "Cluster"
api.networking.v1.NetworkPolicyPort protocol "TCP"
api.storage.v1.StorageClass reclaimPolicy "Delete"
api.storage.v1.StorageClass volumeBindingMode "Immediate"
"#;

struct BuiltIn {
    definitions: Map<String, Value>,
    types: Arc<Vec<Node>>,
    /// The definition's name and type of each `group/Kind`.
    roots: HashMap<&'static str, (String, usize)>,
}

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(|| {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let names = kinds(&mut generator);
    let mut definitions = generator.take_definitions(true);
    overlay(&mut definitions);
    let mut parser = Parser::new(&definitions);
    let roots = names
        .into_iter()
        .map(|(kind, name)| {
            let index = parser.named(&name);
            (kind, (name, index))
        })
        .collect();
    let types = parser.finish();
    BuiltIn {
        definitions,
        types,
        roots,
    }
});

/// OpenAPI definitions by name (`io.k8s.api.core.v1.Pod`), those of every built-in kind and of
/// all they refer to, with Kubernetes' extensions and defaults.
pub(crate) fn definitions() -> &'static Map<String, Value> {
    &BUILT_IN.definitions
}

/// The schema of a built-in kind.
pub(crate) fn built_in(group: &str, kind: &str) -> Schema {
    let root = root(group, kind).map_or(0, |(_, index)| *index);
    Schema {
        types: BUILT_IN.types.clone(),
        root,
    }
}

/// The definition's name of a built-in kind, as OpenAPI documents refer to it.
pub(crate) fn definition_name(group: &str, kind: &str) -> Option<&'static str> {
    root(group, kind).map(|(name, _)| name.as_str())
}

fn root(group: &str, kind: &str) -> Option<&'static (String, usize)> {
    BUILT_IN.roots.get(format!("{group}/{kind}").as_str())
}

fn overlay(definitions: &mut Map<String, Value>) {
    for line in TOPOLOGY.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let [definition, field, kind, keys, merge_key, strategy] = words[..] else {
            continue;
        };
        let Some(schema) = definitions.get_mut(&format!("io.k8s.{definition}")) else {
            continue;
        };
        if field == "-" {
            schema["x-kubernetes-map-type"] = kind.into();
            continue;
        }
        let Some(property) = schema["properties"].get_mut(field) else {
            continue;
        };
        let is_list = property["type"] == "array";
        if kind != "-" {
            let name = if is_list {
                "x-kubernetes-list-type"
            } else {
                "x-kubernetes-map-type"
            };
            property[name] = kind.into();
        }
        if keys != "-" {
            property["x-kubernetes-list-map-keys"] = keys.split(',').collect();
        }
        if merge_key != "-" {
            property["x-kubernetes-patch-merge-key"] = merge_key.into();
        }
        if strategy != "-" {
            property["x-kubernetes-patch-strategy"] = strategy.into();
        }
    }
    for line in DEFAULTS.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [definition, field, default] = words[..] else {
            continue;
        };
        let property = definitions
            .get_mut(&format!("io.k8s.{definition}"))
            .and_then(|schema| schema["properties"].get_mut(field));
        if let (Some(property), Ok(default)) = (property, serde_json::from_str(default)) {
            property["default"] = default;
        }
    }
}

/// Generate the schemas of every built-in kind; returns `group/Kind` and the definition's name.
fn kinds(generator: &mut SchemaGenerator) -> Vec<(&'static str, String)> {
    macro_rules! generate {
        ($($id:literal => $type:ty),* $(,)?) => {
            vec![$({
                generator.subschema_for::<$type>();
                ($id, <$type>::schema_name().into_owned())
            }),*]
        };
    }
    generate! {
        "/Namespace" => api::core::v1::Namespace,
        "/Node" => api::core::v1::Node,
        "/Pod" => api::core::v1::Pod,
        "/Service" => api::core::v1::Service,
        "/Endpoints" => api::core::v1::Endpoints,
        "/ConfigMap" => api::core::v1::ConfigMap,
        "/Secret" => api::core::v1::Secret,
        "/ServiceAccount" => api::core::v1::ServiceAccount,
        "/Event" => api::core::v1::Event,
        "/PersistentVolumeClaim" => api::core::v1::PersistentVolumeClaim,
        "/PersistentVolume" => api::core::v1::PersistentVolume,
        "/ResourceQuota" => api::core::v1::ResourceQuota,
        "/LimitRange" => api::core::v1::LimitRange,
        "apps/Deployment" => api::apps::v1::Deployment,
        "apps/ReplicaSet" => api::apps::v1::ReplicaSet,
        "apps/StatefulSet" => api::apps::v1::StatefulSet,
        "apps/ControllerRevision" => api::apps::v1::ControllerRevision,
        "batch/Job" => api::batch::v1::Job,
        "networking.k8s.io/Ingress" => api::networking::v1::Ingress,
        "networking.k8s.io/IngressClass" => api::networking::v1::IngressClass,
        "networking.k8s.io/NetworkPolicy" => api::networking::v1::NetworkPolicy,
        "discovery.k8s.io/EndpointSlice" => api::discovery::v1::EndpointSlice,
        "storage.k8s.io/StorageClass" => api::storage::v1::StorageClass,
        "coordination.k8s.io/Lease" => api::coordination::v1::Lease,
        "policy/PodDisruptionBudget" => api::policy::v1::PodDisruptionBudget,
        "rbac.authorization.k8s.io/Role" => api::rbac::v1::Role,
        "rbac.authorization.k8s.io/RoleBinding" => api::rbac::v1::RoleBinding,
        "rbac.authorization.k8s.io/ClusterRole" => api::rbac::v1::ClusterRole,
        "rbac.authorization.k8s.io/ClusterRoleBinding" => api::rbac::v1::ClusterRoleBinding,
        "events.k8s.io/Event" => api::events::v1::Event,
        "apiextensions.k8s.io/CustomResourceDefinition" =>
            apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        "autoscaling/Scale" => api::autoscaling::v1::Scale,
        // Not stored: what requests about other objects carry.
        "meta/DeleteOptions" => apimachinery::pkg::apis::meta::v1::DeleteOptions,
        "policy/Eviction" => api::policy::v1::Eviction,
        "authentication.k8s.io/TokenRequest" => api::authentication::v1::TokenRequest,
        "authentication.k8s.io/TokenReview" => api::authentication::v1::TokenReview,
        "authentication.k8s.io/SelfSubjectReview" => api::authentication::v1::SelfSubjectReview,
        "authorization.k8s.io/SubjectAccessReview" => api::authorization::v1::SubjectAccessReview,
        "authorization.k8s.io/LocalSubjectAccessReview" =>
            api::authorization::v1::LocalSubjectAccessReview,
        "authorization.k8s.io/SelfSubjectAccessReview" =>
            api::authorization::v1::SelfSubjectAccessReview,
        "authorization.k8s.io/SelfSubjectRulesReview" =>
            api::authorization::v1::SelfSubjectRulesReview,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::schema::{Form, ListKind};

    #[test]
    fn every_line_of_the_tables_names_a_field_that_exists() {
        for line in TOPOLOGY
            .lines()
            .chain(DEFAULTS.lines())
            .filter(|line| !line.is_empty())
        {
            let mut words = line.split(' ');
            let definition = format!("io.k8s.{}", words.next().unwrap());
            let schema = definitions()
                .get(&definition)
                .unwrap_or_else(|| panic!("{line}"));
            let field = words.next().unwrap();
            assert!(
                field == "-" || schema["properties"].get(field).is_some(),
                "{line}"
            );
        }
    }

    #[test]
    fn containers_are_a_map_by_name_below_a_deployment() {
        let schema = built_in("apps", "Deployment");
        let containers = schema
            .root()
            .field("spec")
            .field("template")
            .field("spec")
            .field("containers");
        assert_eq!(
            *containers.list_kind(),
            ListKind::Map(vec!["name".to_owned()])
        );
        let ports = containers.items().field("ports");
        let key = ports.item_key(
            &["containerPort".to_owned(), "protocol".to_owned()],
            &json!({ "containerPort": 80 }),
        );
        assert_eq!(
            Value::Object(key.unwrap()),
            json!({ "containerPort": 80, "protocol": "TCP" })
        );
        assert!(matches!(
            containers.items().field("image").node().form,
            Form::Scalar(_)
        ));
    }
}
