//! The arguments that tools take. What is not understood is refused, with the name of what is wrong.

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::answer::Refusal;

/// Reads a tool's arguments.
pub fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let at = error.path().to_string();
        let problem = error.into_inner();
        Refusal::Input(match at.as_str() {
            "." => problem.to_string(),
            at => format!("{at}: {problem}"),
        })
    })
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which preview: by one of the three, which mean the same.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhichPreview {
    /// The preview's id.
    #[serde(default)]
    pub pod_id: Option<String>,
    /// The preview's id.
    #[serde(default)]
    pub id: Option<String>,
    /// The namespace that the preview runs in.
    #[serde(default)]
    pub namespace: Option<String>,
}

impl WhichPreview {
    /// The id or namespace that was given.
    pub fn one(&self) -> Result<&str, Refusal> {
        one(&self.pod_id, &self.id, &self.namespace)
    }
}

/// Which previews to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhichPreviews {
    /// Only those with this status.
    #[serde(default)]
    pub status: Option<Status>,
    /// Only those of this repository, as OWNER/NAME.
    #[serde(default, alias = "repoFullName")]
    pub repository: Option<String>,
    /// Whether to tell what they use, where that is measured.
    #[serde(default = "yes")]
    #[allow(
        dead_code,
        reason = "taken from clients that send it; nothing is measured yet"
    )]
    pub include_metrics: bool,
    /// How many to skip.
    #[serde(default)]
    pub offset: u32,
    /// How many to tell at most, 1 to 500.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u32,
}

/// A preview's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Wished for; nothing of it is there yet.
    Pending,
    /// On its way.
    Deploying,
    /// It answers.
    Running,
    /// Given up.
    Failed,
    /// Being removed.
    Deleting,
}

/// Which lines of which preview's log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhichLogs {
    /// The preview's id.
    #[serde(default)]
    pub pod_id: Option<String>,
    /// The preview's id.
    #[serde(default)]
    pub id: Option<String>,
    /// The namespace that the preview runs in.
    #[serde(default)]
    pub namespace: Option<String>,
    /// How many lines from the end, 1 to 10000.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10000))]
    pub tail_lines: u32,
    /// Whether each line begins with the time at which it was written.
    #[serde(default = "yes")]
    pub timestamps: bool,
    /// The pod, by its Kubernetes name; without it the newest.
    #[serde(default)]
    pub pod: Option<String>,
    /// The container; without it the one that runs or failed last.
    #[serde(default)]
    pub container: Option<String>,
    /// The container's run before the present one.
    #[serde(default)]
    pub previous: bool,
}

impl WhichLogs {
    /// The id or namespace that was given.
    pub fn one(&self) -> Result<&str, Refusal> {
        one(&self.pod_id, &self.id, &self.namespace)
    }
}

/// Which cluster's namespaces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhichCluster {
    /// The cluster's name; without it the one that previews are made in.
    #[serde(default)]
    pub cluster_name: Option<String>,
}

/// Which namespace, and what of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhichNamespace {
    /// The namespace's name.
    pub namespace: String,
    /// What to tell of it; without this, everything.
    #[serde(default)]
    pub resources: Option<Vec<Resource>>,
    /// The cluster's name; without it the one that previews are made in.
    #[serde(default)]
    pub cluster_name: Option<String>,
}

/// What is in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Pods with their containers.
    Pods,
    /// What Kubernetes reports about its objects.
    Events,
}

fn one<'a>(
    pod_id: &'a Option<String>,
    id: &'a Option<String>,
    namespace: &'a Option<String>,
) -> Result<&'a str, Refusal> {
    let mut given = [pod_id, id, namespace]
        .into_iter()
        .filter_map(|it| it.as_deref())
        .filter(|it| !it.is_empty());
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Refusal::Input(
            "name the preview by podId, id or namespace".to_owned(),
        )),
        (Some(one), Some(other)) if one == other => Ok(one),
        (Some(_), Some(_)) => Err(Refusal::Input(
            "podId, id and namespace name different previews: give one of them".to_owned(),
        )),
    }
}

fn yes() -> bool {
    true
}

fn hundred() -> u32 {
    100
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
        match read(value.as_object().unwrap().clone()) {
            Ok(input) => Ok(input),
            Err(refusal) => {
                assert_eq!(refusal.code(), "INVALID_INPUT");
                let Refusal::Input(problem) = refusal else {
                    unreachable!("it is about the arguments");
                };
                Err(problem)
            }
        }
    }

    #[test]
    fn a_preview_is_named_in_one_of_three_ways() {
        for key in ["podId", "id", "namespace"] {
            let which: WhichPreview = parsed(json!({ key: "x" })).unwrap();
            assert_eq!(which.one().unwrap(), "x");
        }
        let same: WhichPreview = parsed(json!({ "podId": "x", "id": "x" })).unwrap();
        assert!(same.one().is_ok());
        for wrong in [
            json!({}),
            json!({ "id": "" }),
            json!({ "id": "x", "namespace": "y" }),
        ] {
            let which: WhichPreview = parsed(wrong.clone()).unwrap();
            assert_eq!(which.one().unwrap_err().code(), "INVALID_INPUT", "{wrong}");
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let logs: WhichLogs = parsed(json!({ "podId": "x" })).unwrap();
        assert_eq!((logs.tail_lines, logs.timestamps), (100, true));
        let list: WhichPreviews = parsed(json!({ "repoFullName": "acme/shop" })).unwrap();
        assert_eq!(list.repository.as_deref(), Some("acme/shop"));
        assert!(list.include_metrics);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problem = parsed::<WhichLogs>(json!({ "tailLines": "many" })).unwrap_err();
        assert!(problem.starts_with("tailLines: "), "{problem}");
        let problem = parsed::<WhichPreviews>(json!({ "status": "fine" })).unwrap_err();
        assert!(
            problem.contains("fine") && problem.contains("running"),
            "{problem}"
        );
        let problem = parsed::<Nothing>(json!({ "x": 1 })).unwrap_err();
        assert!(problem.contains("unknown field"), "{problem}");
    }
}
