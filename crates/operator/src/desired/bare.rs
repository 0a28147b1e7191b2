//! What a preview is made of, shown without an environment to make it for.

use catalyst_render::detect::Plan;
use catalyst_render::{Rendered, Route};
use serde_json::{Value, json};

use super::target::Target;
use super::workload::{Ingredients, NAME, deployment};
use super::{Problem, Reference, Source, routing};
use crate::repository::Repository;
use crate::settings::OperatorSettings;

/// The objects of a repository that is run from its source.
///
/// # Errors
/// If the plan cannot be made a workload.
pub fn rendered(plan: &Plan) -> Result<Rendered, Problem> {
    let settings = OperatorSettings::default();
    let target = Target {
        team: "team".to_owned(),
        project: "project".to_owned(),
        name: "preview".to_owned(),
        home: "team-project".to_owned(),
        namespace: "team-project-preview".to_owned(),
        host: HOST.to_owned(),
        url: format!("https://{HOST}/"),
    };
    let repository = Repository::parse("https://github.com/owner/repository", false)
        .map_err(|error| Problem::new("RepositoryRefused", error.to_string()))?;
    let source = Source {
        name: "primary".to_owned(),
        repository,
        reference: Reference::Newest,
        branch: "main".to_owned(),
        pull_request: None,
        installation: None,
    };
    let config = catalyst_crd::EnvironmentConfig::default();
    let ingredients = Ingredients {
        target: &target,
        settings: &settings,
        config: &config,
        retry: None,
    };
    let workload = ingredients.development(&source, Some(plan), Vec::new())?;
    let mut objects = vec![
        typed(
            "v1",
            "ConfigMap",
            json!(super::source::scripts(&target, &settings)),
        ),
        typed(
            "v1",
            "Service",
            json!(routing::service(&target, workload.port)),
        ),
        typed(
            "apps/v1",
            "Deployment",
            json!(deployment(&target, &workload, &settings)),
        ),
    ];
    for object in &mut objects {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|key, _| key == "name");
        }
    }
    Ok(Rendered {
        objects,
        route: Some(Route::all(NAME, 80, plan.kind.clone())),
        ..Rendered::default()
    })
}

/// The host that is shown, as nobody's.
const HOST: &str = "preview.example.com";

/// The Ingress of a route, at a host that is nobody's.
#[must_use]
pub fn ingress(route: &Route) -> Value {
    typed(
        "networking.k8s.io/v1",
        "Ingress",
        json!({
            "metadata": { "name": NAME },
            "spec": routing::ingress_spec(HOST, route, None)
        }),
    )
}

fn typed(version: &str, kind: &str, mut object: Value) -> Value {
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    object
}
