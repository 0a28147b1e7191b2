//! Environments whose objects are written in the repository: compose files, kustomizations,
//! manifests and charts.

mod apply;
mod chart;
mod prune;
mod secrets;
mod state;

use std::collections::BTreeMap;

use catalyst_model::ids::CommitSha;
use catalyst_render::source::Kind;
use catalyst_render::{Bundle, Warning};
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::Ingress;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;

use super::image::{Image, Workshop};
use super::inspection::{Look, inspect};
use super::progress::Step;
use crate::builds::BuildSettings;
use crate::context::Context;
use crate::desired::build::{Builder, Order};
use crate::desired::rendered::{Desired, Recipe};
use crate::desired::workload::NAME;
use crate::desired::{Problem, Source, Target, routing};
use crate::error::Error;
use apply::apply;
use chart::Charted;
pub(super) use prune::after_workload;
use prune::{Names, remove_others};

/// How far it is.
pub(super) struct Outcome {
    pub build: Step,
    pub deployment: Step,
    pub look_again: Option<Timestamp>,
    /// How it is run, in words.
    pub runs: Option<String>,
    /// The commit that all of it is at, once it is up.
    pub up: Option<CommitSha>,
    /// Whether the URL leads nowhere: nothing that was rendered answers HTTP.
    pub is_without_url: bool,
    /// Why the pass ends here: the API server refuses one of the objects.
    pub refused: Option<Error>,
}

impl Outcome {
    fn open(build: Step, look_again: Option<Timestamp>) -> Self {
        Self {
            build,
            deployment: Step::Later,
            look_again,
            runs: None,
            up: None,
            is_without_url: false,
            refused: None,
        }
    }
}

impl From<Problem> for Outcome {
    fn from(problem: Problem) -> Self {
        Self::open(problem.into(), None)
    }
}

/// Brings the objects up.
///
/// What an earlier commit had goes when all of this one is up, and the URL leads to this one then:
/// until that, and if it fails, the earlier one goes on answering.
pub(super) async fn rendered(
    context: &Context,
    recipe: &Recipe<'_>,
    source: &Source,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let target = recipe.target;
    let path = match recipe.path() {
        Ok(path) => path,
        Err(problem) => return Ok(problem.into()),
    };
    let bundle = match inspect(context, target, source, &path, recipe.retry, now).await? {
        Look::Known(bundle) => bundle,
        Look::Open(step, look_again) => return Ok(Outcome::open(step, look_again)),
    };
    let source = source.known(&bundle.commit);
    let (desired, rendering) = if recipe.files.kind == Kind::Helm {
        match chart::chart(context, recipe, &bundle.folder, &source, now).await? {
            Charted::Known(known) => (known.0, Some(known.1)),
            Charted::Open(step, look_again) => return Ok(Outcome::open(step, look_again)),
        }
    } else {
        match translated(context, recipe, &bundle, &source, now).await? {
            Ok(desired) => (desired, None),
            Err(outcome) => return Ok(outcome),
        }
    };
    let names = names(&desired.objects);
    let there = secrets::known(context, target);
    secrets::announce(context, target, &names).await?;
    if let Some(rendering) = &rendering {
        chart::settle(context, target, rendering, &desired, &there).await?;
    }
    let build = Step::done("Rendered", desired.message());
    let (deployment, look_again) = match apply(context, target, &desired, now).await {
        Err(error) if error.refusal().is_some() => {
            return Ok(Outcome {
                refused: Some(error),
                ..Outcome::open(build, None)
            });
        }
        other => other?,
    };
    let is_up = matches!(deployment, Step::Done(_));
    // Old pods may be what a quota has no room beside.
    let needs_room = matches!(&deployment, Step::Failed(said) if said.reason == "PodRefused");
    route(context, target, &desired, is_up).await?;
    if let Some(rendering) = rendering.filter(|_| is_up) {
        chart::is_up(context, target, &rendering).await?;
    }
    if is_up || needs_room {
        remove_others(context, target, &names).await?;
    }
    Ok(Outcome {
        build,
        deployment: match deployment {
            Step::Done(_) => Step::done("Deployed", format!("{} is up", bundle.commit)),
            other => other,
        },
        look_again,
        is_without_url: desired.route.is_none(),
        runs: Some(desired.words),
        up: is_up.then_some(bundle.commit),
        refused: None,
    })
}

/// The images that the objects need.
enum Images {
    /// All of them, by what they were to be called, and what their Dockerfiles ask for in vain.
    Built(BTreeMap<String, String>, Vec<Warning>),
    /// Some are not there yet, or cannot be.
    Open(Step, Option<Timestamp>),
}

/// The objects of files that are read here, with the images built that they need.
async fn translated(
    context: &Context,
    recipe: &Recipe<'_>,
    bundle: &Bundle,
    source: &Source,
    now: Timestamp,
) -> Result<Result<Desired, Outcome>, Error> {
    let (folder, commit) = (&bundle.folder, &bundle.commit);
    let desired = match recipe.desired(folder, source, commit) {
        Ok(desired) => desired,
        Err(problem) => return Ok(Err(problem.into())),
    };
    if desired.builds.is_empty() {
        return Ok(Ok(desired));
    }
    let settings = &context.settings;
    let Some(builds) = &settings.builds else {
        let all = desired.builds.iter();
        let all: Vec<_> = all
            .map(|build| format!("{} (by {})", build.name, build.dockerfile))
            .collect();
        return Ok(Err(Outcome::open(not_built(&all), None)));
    };
    let builder = Builder {
        target: recipe.target,
        settings,
        builds,
    };
    let mut orders = Vec::new();
    for spec in &desired.builds {
        match builder.service(folder, source, spec) {
            Ok(order) => orders.push(order),
            Err(problem) => return Ok(Err(problem.into())),
        }
    }
    let (built, warnings) = match built(context, recipe, builds, &orders, now).await? {
        Images::Built(built, warnings) => (built, warnings),
        Images::Open(step, look_again) => return Ok(Err(Outcome::open(step, look_again))),
    };
    let desired = recipe.desired_with(folder, source, commit, &built);
    Ok(desired.map_err(Outcome::from).map(|mut desired| {
        desired.warnings.extend(warnings);
        desired
    }))
}

/// Builds images, side by side. What fails is told first.
async fn built(
    context: &Context,
    recipe: &Recipe<'_>,
    builds: &BuildSettings,
    orders: &[Order],
    now: Timestamp,
) -> Result<Images, Error> {
    let workshop = Workshop {
        context,
        target: recipe.target,
        builds,
        secrets: recipe.secrets,
        retry: recipe.retry,
        now,
    };
    let mut built = BTreeMap::new();
    let mut open: Option<(Step, Option<Timestamp>)> = None;
    for order in orders {
        match workshop.build(order).await? {
            Image::Built(image) => drop(built.insert(order.image.clone(), image)),
            Image::Open(step, again) => {
                let is_worse =
                    matches!(step, Step::Failed(_)) && !matches!(open, Some((Step::Failed(_), _)));
                if open.is_none() || is_worse {
                    open = Some((step, again));
                }
            }
        }
    }
    Ok(match open {
        Some((step, again)) => Images::Open(step, again),
        None => {
            let warnings = orders.iter().filter_map(|order| order.warning(builds));
            Images::Built(built, warnings.collect())
        }
    })
}

/// Nothing builds images here: whatever needs a build says so.
fn not_built(all: &[String]) -> Step {
    Step::failed(
        "NeedsImageBuild",
        format!(
            "images have to be built first, which nothing does here: {}. Name images that exist \
             instead of building them, or add another way to run it from its source (a dev script in \
             package.json, a Procfile, a Makefile with dev:) and a template of type managed; on a \
             Kubernetes, Catalyst can be set up to build (CATALYST_BUILD_REGISTRY)",
            all.join(", ")
        ),
    )
}

/// Lets the URL lead to what is up; to what is coming up, where it leads nowhere yet.
async fn route(
    context: &Context,
    target: &Target,
    desired: &Desired,
    is_up: bool,
) -> Result<(), Error> {
    let cluster = &context.cluster;
    let there = cluster
        .caches
        .ingresses
        .get(&ObjectRef::<Ingress>::new(NAME).within(&target.namespace));
    match (&desired.route, there) {
        (Some(route), there) if is_up || there.is_none() => {
            let wanted = routing::ingress(target, Some(route), &context.settings);
            cluster.ensure(&wanted).await.map(drop)
        }
        (None, Some(_)) if is_up => cluster.delete::<Ingress>(&target.namespace, NAME).await,
        _ => Ok(()),
    }
}

/// The kinds and names of objects.
fn names(objects: &[Value]) -> Names {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects
        .iter()
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect()
}
