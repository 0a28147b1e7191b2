//! Charts: what is built for one is built, helm renders it in a pod, once for what it is rendered
//! from, and what it makes up is written once.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_render::helm::Chart;
use catalyst_render::{Bundle, Folder, Warning};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector::ObjectRef;

use super::secrets;
use super::{Images, built, not_built};
use crate::context::Context;
use crate::desired::build::Builder;
use crate::desired::chart::{GENERATED, INSTALLED, Request, first_values, written, written_text};
use crate::desired::inspect::Subject;
use crate::desired::record::{record, recorded};
use crate::desired::rendered::{Desired, Recipe};
use crate::desired::{Problem, Source, Target};
use crate::environment::inspection::{Look, Looking, Words, inspect_as, keep, kept};
use crate::environment::progress::Step;
use crate::error::Error;

/// What came of a chart.
pub(super) enum Charted {
    /// Its objects, and what is to be noted with them.
    Known(Box<(Desired, Rendering)>),
    /// Nothing yet, or nothing at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

impl From<Problem> for Charted {
    fn from(problem: Problem) -> Self {
        Self::Open(problem.into(), None)
    }
}

/// A chart that was rendered.
pub(super) struct Rendering {
    chart: Chart,
    key: String,
    /// Whether nothing of it was noted yet.
    is_new: bool,
}

/// The objects of the chart that lies in `folder`, which is `source` at a commit that is known.
pub(super) async fn chart(
    context: &Context,
    recipe: &Recipe<'_>,
    folder: &Folder,
    source: &Source,
    now: Timestamp,
) -> Result<Charted, Error> {
    let target = recipe.target;
    let images = match images(context, recipe, folder, source, now).await? {
        Ok(images) => images,
        Err(open) => return Ok(open),
    };
    let (request, mut warnings) = match recipe.request(folder, source, &images.named) {
        Ok(request) => request,
        Err(problem) => return Ok(problem.into()),
    };
    warnings.extend(images.warnings);
    let key = request.key(target);
    let known = kept(context, target, &Subject::chart(), &key);
    let rendering = match known.and_then(|packed| Chart::unpack(&packed)) {
        Some(chart) => Rendering {
            chart,
            key,
            is_new: false,
        },
        None => match render(context, recipe, &request, now).await? {
            Ok(chart) => Rendering {
                chart,
                key,
                is_new: true,
            },
            Err(open) => return Ok(open),
        },
    };
    // The first one that came up was the installation; all others are upgrades.
    let first = noted(context, target, INSTALLED);
    let upgrading = !first.is_empty() && first != rendering.key;
    Ok(
        match recipe.of_chart(
            &rendering.chart,
            upgrading,
            warnings,
            source,
            &images.pinned,
        ) {
            Ok(desired) => Charted::Known(Box::new((desired, rendering))),
            Err(problem) => problem.into(),
        },
    )
}

/// Has helm render it.
async fn render(
    context: &Context,
    recipe: &Recipe<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<Result<Chart, Charted>, Error> {
    let target = recipe.target;
    let key = request.key(target);
    let values = request.secret(target);
    let name = values.metadata.name.clone().unwrap_or_default();
    // Removed with what else is not wanted, once the chart is up.
    secrets::announce(context, target, &[("Secret".to_owned(), name)].into()).await?;
    context.cluster.ensure_unseen(&values).await?;
    let version = context
        .cluster
        .client
        .apiserver_version()
        .await
        .map_err(Error::api("ask for the version of", "the API server"))?;
    let looking = Looking {
        context,
        target,
        subject: &Subject::chart(),
        key: &key,
        now,
        words: Words {
            waiting: "Rendering",
            doing: "helm is rendering the chart",
            failed: "NotRendered",
            not_done: "the chart cannot be rendered",
        },
    };
    let job = request.job(
        target,
        recipe.retry,
        &version.git_version,
        &context.settings,
    );
    let report = match looking.by(&job).await? {
        Look::Known(report) => report,
        Look::Open(step, look_again) => return Ok(Err(Charted::Open(step, look_again))),
    };
    let bundle = match Bundle::unpack(&report) {
        Ok(bundle) => bundle,
        Err(error) => {
            let step = Step::failed("NotRendered", format!("the chart: {error}"));
            return Ok(Err(Charted::Open(step, None)));
        }
    };
    Ok(Chart::read(&bundle.folder)
        .map_err(|error| recipe.not_rendered(&request.path, &error).into()))
}

/// Notes a chart whose objects are admitted, and writes what it makes up, where nothing of it was
/// written. `there`: the Secrets that there were before.
pub(super) async fn settle(
    context: &Context,
    target: &Target,
    rendering: &Rendering,
    desired: &Desired,
    there: &BTreeSet<String>,
) -> Result<(), Error> {
    if !rendering.is_new {
        return Ok(());
    }
    let mut known = written(&noted(context, target, GENERATED));
    let had = !known.is_empty();
    known.retain(|secret, _| there.contains(secret));
    for one in &rendering.chart.generated {
        let dressed = desired.objects.iter().find(|object| {
            object["kind"] == "Secret" && object["metadata"]["name"] == one.secret.as_str()
        });
        if let Some((manager, secret)) = dressed.and_then(|it| first_values(one, it, &known)) {
            context.cluster.apply_as(&manager, &secret).await?;
        }
    }
    if had || !rendering.chart.generated.is_empty() {
        let text = written_text(&rendering.chart);
        context
            .cluster
            .ensure(&record(target, GENERATED, &text))
            .await?;
    }
    let packed = rendering.chart.pack();
    keep(context, target, &Subject::chart(), &rendering.key, &packed).await
}

/// Notes that a chart is up, if it is the first one.
pub(super) async fn is_up(
    context: &Context,
    target: &Target,
    rendering: &Rendering,
) -> Result<(), Error> {
    if !noted(context, target, INSTALLED).is_empty() {
        return Ok(());
    }
    let first = record(target, INSTALLED, &rendering.key);
    context.cluster.ensure(&first).await.map(drop)
}

fn noted(context: &Context, target: &Target, name: &str) -> String {
    let place = ObjectRef::<ConfigMap>::new(name).within(&target.namespace);
    let there = context.cluster.caches.config_maps.get(&place);
    there
        .map(|there| recorded(&there).to_owned())
        .unwrap_or_default()
}

/// Images that are built for a chart.
#[derive(Default)]
struct Built {
    /// Their names, by that of their build.
    named: BTreeMap<String, String>,
    /// What runs, by these names.
    pinned: BTreeMap<String, String>,
    /// What their Dockerfiles ask for in vain.
    warnings: Vec<Warning>,
}

/// Builds the images that the template names.
async fn images(
    context: &Context,
    recipe: &Recipe<'_>,
    folder: &Folder,
    source: &Source,
    now: Timestamp,
) -> Result<Result<Built, Charted>, Error> {
    if recipe.files.builds.is_empty() {
        return Ok(Ok(Built::default()));
    }
    let target = recipe.target;
    let Some(builds) = &context.settings.builds else {
        let all = recipe.files.builds.iter();
        let names: Vec<_> = all.map(|(build, _)| build.name.clone()).collect();
        return Ok(Err(Charted::Open(not_built(&names), None)));
    };
    let builder = Builder {
        target,
        settings: &context.settings,
        builds,
    };
    let mut orders = Vec::new();
    let mut named = BTreeMap::new();
    for (build, from) in recipe.files.builds {
        let own = from.name == source.name;
        let other = if own {
            None
        } else {
            let subject = Subject::other(from);
            let path = build.path.as_deref().unwrap_or_default().trim_matches('/');
            match inspect_as(&subject, context, target, from, path, recipe.retry, now).await? {
                Look::Known(bundle) => Some(bundle),
                Look::Open(step, look_again) => return Ok(Err(Charted::Open(step, look_again))),
            }
        };
        let ordered = match &other {
            None => builder.program(folder, source, "", Some(build)),
            Some(bundle) => {
                builder.program(&bundle.folder, &from.known(&bundle.commit), "", Some(build))
            }
        };
        match ordered {
            Ok((order, _)) => {
                named.insert(build.name.clone(), order.image.clone());
                orders.push(order);
            }
            Err(problem) => return Ok(Err(problem.into())),
        }
    }
    Ok(match built(context, recipe, builds, &orders, now).await? {
        Images::Built(pinned, warnings) => Ok(Built {
            named,
            pinned,
            warnings,
        }),
        Images::Open(step, look_again) => Err(Charted::Open(step, look_again)),
    })
}
