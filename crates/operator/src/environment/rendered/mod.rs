//! Environments whose objects are written in the repository: compose files, kustomizations and
//! manifests.

mod apply;
mod prune;
mod secrets;
mod state;

use std::collections::BTreeMap;

use catalyst_model::ids::CommitSha;
use catalyst_render::Folder;
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::Ingress;
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;

use super::image::{Image, Workshop};
use super::inspection::{Seen, inspect};
use super::progress::Step;
use crate::context::Context;
use crate::desired::build::Builder;
use crate::desired::rendered::{Desired, Recipe};
use crate::desired::workload::NAME;
use crate::desired::{Problem, Source, Target, routing};
use crate::error::Error;
use apply::apply;
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
        Seen::Known(bundle) => bundle,
        Seen::Open(step, look_again) => return Ok(Outcome::open(step, look_again)),
    };
    let source = source.known(&bundle.commit);
    let desired = match recipe.desired(&bundle.folder, &source, &bundle.commit) {
        Ok(desired) => desired,
        Err(problem) => return Ok(problem.into()),
    };
    let built = match images(context, recipe, &bundle.folder, &source, &desired, now).await? {
        Images::Built(built) => built,
        Images::Open(step, look_again) => return Ok(Outcome::open(step, look_again)),
    };
    let desired = if built.is_empty() {
        desired
    } else {
        match recipe.desired_with(&bundle.folder, &source, &bundle.commit, &built) {
            Ok(desired) => desired,
            Err(problem) => return Ok(problem.into()),
        }
    };
    let names = names(&desired.objects);
    secrets::announce(context, target, &names).await?;
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
    /// All of them, by what they were to be called.
    Built(BTreeMap<String, String>),
    /// Some are not there yet, or cannot be.
    Open(Step, Option<Timestamp>),
}

/// Builds the images, side by side. What fails is told first.
async fn images(
    context: &Context,
    recipe: &Recipe<'_>,
    folder: &Folder,
    source: &Source,
    desired: &Desired,
    now: Timestamp,
) -> Result<Images, Error> {
    if desired.builds.is_empty() {
        return Ok(Images::Built(BTreeMap::new()));
    }
    let settings = &context.settings;
    let Some(builds) = &settings.builds else {
        return Ok(Images::Open(not_built(desired), None));
    };
    let (target, retry) = (recipe.target, recipe.retry);
    let builder = Builder {
        target,
        settings,
        builds,
    };
    let workshop = Workshop {
        context,
        target,
        builds,
        secrets: recipe.secrets,
        retry,
        now,
    };
    let mut built = BTreeMap::new();
    let mut open: Option<(Step, Option<Timestamp>)> = None;
    for spec in &desired.builds {
        let order = match builder.service(folder, source, spec) {
            Ok(order) => order,
            Err(problem) => return Ok(Images::Open(problem.into(), None)),
        };
        match workshop.build(&order).await? {
            Image::Built(image) => drop(built.insert(spec.image.clone(), image)),
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
        None => Images::Built(built),
    })
}

/// Nothing builds images here: whatever needs a build says so.
fn not_built(desired: &Desired) -> Step {
    let all: Vec<_> = desired
        .builds
        .iter()
        .map(|build| format!("{} (by {})", build.name, build.dockerfile))
        .collect();
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
