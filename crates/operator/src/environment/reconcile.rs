//! One pass over an Environment: what is asked for, what is there, what is next.

use catalyst_crd::conditions::ConditionType;
use catalyst_crd::{Environment, EnvironmentStatus, Project, labels};
use catalyst_model::ids::CommitSha;
use jiff::Timestamp;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};

use super::build::{Build, Question};
use super::deploy::Site;
use super::progress::{Clock, Progress, Step, status};
use super::rendered::{after_workload, rendered};
use super::secrets::{self, Secrets};
use super::serving::{answering, keep, words};
use super::wanted::{Mode, wanted};
use super::write::Attempt;
use super::{delete, image, namespace, registry, write};
use crate::context::Context;
use crate::desired::quota::{limit_range, resource_quota};
use crate::desired::rendered::{Files, Recipe};
use crate::desired::workload::Ingredients;
use crate::desired::{self, Source, Target, digest};
use crate::error::Error;
use crate::metrics;

/// A pass over an Environment.
pub(super) async fn environment(
    environment: &Environment,
    context: &Context,
) -> Result<Action, Error> {
    let client = &context.cluster.client;
    if environment.metadata.deletion_timestamp.is_some() {
        return delete::environment(&environment.metadata, environment.status.as_ref(), context)
            .await;
    }
    // Before anything is made, so that whatever is made is also taken away.
    write::finalizer(client, environment.meta(), true).await?;

    let now = Timestamp::now();
    let mut story = Story::default();
    let result = advance(environment, context, now, &mut story).await;
    let before = context.written.before(environment);
    let before = before.as_ref();
    let serving = story.serving(context, before);
    let mut progress = story.progress;
    progress.serving = serving;
    progress
        .enforcement
        .clone_from(&context.enforcement.borrow());
    if let Err(error) = &result {
        match error.refusal() {
            Some(why) => refuse(&mut progress, why),
            // Nothing new is known; what was said before stays.
            None => return result.map(|()| Action::await_change()),
        }
    }

    let attempt = Attempt::of(
        environment,
        attempt_key(environment, story.project.as_ref()),
        now,
    );
    let clock = Clock {
        started: attempt.started,
        deadline: context.settings.deadline,
        now,
    };
    let (after, look_again) = status(&progress, before, environment.metadata.generation, clock);
    write::status(client, environment.meta(), before, &after).await?;
    context.written.remember(environment, &after);
    let retry = retry_of(environment);
    write::annotations(client, environment, &attempt, story.runs.as_deref(), retry).await?;
    tell(environment, before, &after, &attempt);
    result.map(|()| again_at(look_again))
}

/// A pass over an Environment that cannot be read: it is told why, and can still be deleted.
pub(super) async fn unreadable(
    invalid: &InvalidObject,
    context: &Context,
) -> Result<Action, Error> {
    let meta = &invalid.metadata;
    if meta.deletion_timestamp.is_some() {
        return delete::environment(meta, None, context).await;
    }
    let progress = Progress {
        namespace: Step::failed(
            "Unreadable",
            format!("this Environment cannot be read: {}", invalid.error),
        ),
        ..Progress::default()
    };
    let now = Timestamp::now();
    let clock = Clock {
        started: now,
        deadline: context.settings.deadline,
        now,
    };
    let (status, _) = status(&progress, None, meta.generation, clock);
    write::status(&context.cluster.client, meta, None, &status).await?;
    Ok(Action::await_change())
}

/// When to look again without a change.
pub(super) fn again_at(when: Option<Timestamp>) -> Action {
    match when {
        Some(when) => {
            let wait = when.duration_since(Timestamp::now());
            // A little later, so that the moment has come.
            let wait = std::time::Duration::try_from(wait).unwrap_or_default();
            Action::requeue(wait + std::time::Duration::from_millis(50))
        }
        None => Action::await_change(),
    }
}

/// What a pass learns.
#[derive(Default)]
struct Story {
    progress: Progress,
    project: Option<Project>,
    runs: Option<String>,
    /// Where its workload is.
    namespace: Option<String>,
    /// The commit that all of it is at.
    up: Option<CommitSha>,
}

impl Story {
    /// What answers at the URL now.
    fn serving(&self, context: &Context, before: Option<&EnvironmentStatus>) -> Option<String> {
        let pod = answering(&context.cluster.caches, self.namespace.as_deref()?)?;
        let said = before
            .and_then(|status| status.condition(ConditionType::Available))
            .map(|said| said.message.as_str());
        Some(words(&pod, self.up.as_ref().map(CommitSha::as_str), said))
    }
}

async fn advance(
    environment: &Environment,
    context: &Context,
    now: Timestamp,
    story: &mut Story,
) -> Result<(), Error> {
    let (cluster, settings) = (&context.cluster, &context.settings);
    let progress = &mut story.progress;
    let home = environment.namespace().unwrap_or_default();
    let home_labels = cluster
        .caches
        .namespaces
        .get(&ObjectRef::new(&home))
        .map(|namespace| namespace.labels().clone());
    let target = match Target::of(environment, &home_labels.unwrap_or_default(), settings) {
        Ok(target) => target,
        Err(problem) => {
            progress.namespace = problem.into();
            return Ok(());
        }
    };
    progress.url = Some(target.url.clone());
    story.namespace = Some(target.namespace.clone());

    let wanted = match wanted(environment, &target, context).await? {
        Ok(wanted) => wanted,
        Err(problem) => {
            // What runs goes on running.
            let seen = cluster
                .caches
                .namespaces
                .get(&ObjectRef::new(&target.namespace));
            if seen.is_some_and(|seen| desired::namespace::is_owned_by(&seen, &target.owner())) {
                progress.namespace = namespace::in_place(&target);
            }
            progress.build = problem.into();
            return Ok(());
        }
    };
    story.project = Some(wanted.project.clone());

    progress.namespace = namespace::ensure(context, &target, Some(&wanted.source)).await?;
    if !matches!(progress.namespace, Step::Done(_)) {
        if matches!(&progress.namespace, Step::Failed(_)) {
            // A foreign namespace is not watched; it may go some day.
            progress.look_again = now.saturating_add(std::time::Duration::from_secs(60)).ok();
        }
        return Ok(());
    }
    // What is built of a branch's newest commit is told apart by its name.
    let sources = wanted.builds.iter().map(|(_, source)| source);
    let commits: Option<Vec<_>> = std::iter::once(&wanted.source)
        .chain(sources)
        .map(Source::commit)
        .collect();
    if settings.builds.is_some()
        && let Some(commits) = commits
    {
        image::stop_others(context, &target, &commits).await?;
    }
    cluster
        .ensure(&resource_quota(&target, wanted.allowance))
        .await?;
    cluster
        .ensure(&limit_range(&target, wanted.allowance))
        .await?;
    cluster
        .ensure(&desired::policy::network_policy(&target, settings))
        .await?;
    let account = cluster
        .ensure(&desired::namespace::service_account(&target))
        .await?;
    registry::sync(context, &target, &account).await?;
    cluster
        .ensure(&desired::source::scripts(&target, settings))
        .await?;
    if wanted.source.installation.is_some() {
        let account = cluster
            .ensure(&desired::source::git_account(&target))
            .await?;
        registry::sync(context, &target, &account).await?;
        if let Some(policy) = desired::policy::git_credentials(&target, settings) {
            cluster.ensure(&policy).await?;
        }
    }
    let retry = retry_of(environment);
    let secrets = match secrets::sync(context, environment, &target, now).await? {
        Secrets::At(version) => version,
        Secrets::Waiting(step, look_again) => {
            keep(context, &target).await?;
            progress.build = step;
            progress.look_again = look_again;
            return Ok(());
        }
    };
    let of_template = |kind| Files {
        kind,
        path: wanted
            .template
            .as_ref()
            .and_then(|it| it.path.as_deref())
            .unwrap_or_default(),
        values: wanted.template.as_ref().and_then(|it| it.values.as_ref()),
        builds: &wanted.builds,
    };
    let (files, built) = match wanted.mode {
        Mode::Rendered(kind) => (Some(of_template(kind)), Build::AsItIs),
        Mode::Development | Mode::Production => {
            let question = Question {
                context,
                target: &target,
                wanted: &wanted,
                secrets: secrets.as_ref(),
                retry,
                now,
            };
            match question.answer().await? {
                Build::Files(kind) => {
                    let files = Files {
                        values: None,
                        builds: &[],
                        ..of_template(kind)
                    };
                    (Some(files), Build::AsItIs)
                }
                Build::Open(step, look_again) => {
                    keep(context, &target).await?;
                    progress.build = step;
                    progress.look_again = look_again;
                    return Ok(());
                }
                built => (None, built),
            }
        }
    };
    if let Some(files) = files {
        let recipe = Recipe {
            files,
            config: &wanted.config,
            target: &target,
            settings,
            retry,
            secrets: secrets.as_ref(),
        };
        let outcome = rendered(context, &recipe, &wanted.source, now).await?;
        progress.build = outcome.build;
        progress.deployment = outcome.deployment;
        progress.look_again = outcome.look_again;
        story.runs = outcome.runs;
        story.up = outcome.up;
        if outcome.is_without_url {
            progress.url = None;
        }
        return outcome.refused.map_or(Ok(()), Err);
    }
    cluster
        .ensure(&desired::routing::ingress(&target, None, settings))
        .await?;
    let ingredients = Ingredients {
        target: &target,
        settings,
        config: &wanted.config,
        retry,
        secrets: secrets.as_ref().map(|held| held.version.as_str()),
    };
    let extra = desired::services::variables(&wanted.config.services);
    let mut source = wanted.source.clone();
    let workload = match built {
        Build::Known(step, at, found) => {
            progress.build = step;
            source = at;
            let (plan, alternatives) = found.map(|it| (it.plan, it.alternatives)).unzip();
            progress.alternatives = alternatives.unwrap_or_default();
            ingredients.development(&source, plan.as_ref(), &extra)
        }
        Build::Built(step, at, built) => {
            progress.build = step;
            source = at;
            ingredients.built(&source, &built.image, built.port, built.words, &extra)
        }
        Build::AsItIs | Build::Files(_) | Build::Open(..) => {
            progress.build = Step::done("Configured", "an image is run as it is");
            ingredients.production(source.commit(), source.pull_request, &extra)
        }
    };
    let workload = match workload {
        Ok(workload) => workload,
        Err(problem) => {
            progress.build = problem.into();
            return Ok(());
        }
    };
    story.runs = Some(workload.words.clone());
    let site = Site {
        context,
        target: &target,
        config: &wanted.config,
        allowance: wanted.allowance,
        source: &source,
        retry,
        now,
    };
    (progress.deployment, progress.look_again) = site.deploy(&workload).await?;
    if matches!(progress.deployment, Step::Done(_)) {
        after_workload(context, &target).await?;
    }
    Ok(())
}

fn retry_of(environment: &Environment) -> Option<&str> {
    environment
        .annotations()
        .get(labels::RETRY)
        .map(String::as_str)
}

/// Changes with what is asked for, so that each push, edit and retry gets its own deadline.
fn attempt_key(environment: &Environment, project: Option<&Project>) -> String {
    digest(&(
        &environment.spec,
        project.map(|project| &project.spec),
        retry_of(environment),
        environment.annotations().get(labels::SECRETS),
    ))
}

/// The API server refuses an object: that is the fault of whichever step is under way.
fn refuse(progress: &mut Progress, why: String) {
    let steps = [
        &mut progress.namespace,
        &mut progress.build,
        &mut progress.deployment,
    ];
    let mut open = steps
        .into_iter()
        .filter(|step| !matches!(step, Step::Done(_)));
    if let Some(step) = open.next() {
        *step = Step::failed("Refused", why);
    }
}

/// One line in the log for each step that is reached.
fn tell(
    environment: &Environment,
    before: Option<&EnvironmentStatus>,
    after: &EnvironmentStatus,
    attempt: &Attempt,
) {
    let is = |status: Option<&EnvironmentStatus>, kind| {
        status
            .and_then(|status| status.condition(kind))
            .map(|c| (c.status.clone(), c.observed_generation, c.reason.clone()))
    };
    let reached = |kind: ConditionType| {
        let (old, new) = (is(before, kind), is(Some(after), kind));
        old != new && new.is_some_and(|(status, ..)| status == "True")
    };
    let name = format!(
        "{}/{}",
        environment.namespace().unwrap_or_default(),
        environment.name_any()
    );
    let commit = environment
        .spec
        .sources
        .first()
        .map(|source| source.commit_sha.as_str());
    let duration_ms = delete::since(attempt.started);
    let id = environment.annotations().get(labels::ENVIRONMENT_ID);
    if reached(ConditionType::NamespaceReady) {
        tracing::info!(environment = name, id, duration_ms, "namespace_ready");
    }
    if reached(ConditionType::Ready) {
        metrics::became_ready(duration_ms);
        tracing::info!(
            environment = name,
            id,
            commit,
            duration_ms,
            url = after.url,
            "ready"
        );
    }
    let failed = |status: Option<&EnvironmentStatus>| {
        let ready = status
            .filter(|status| matches!(status.phase.as_deref(), Some("Failed" | "Degraded")))?
            .condition(ConditionType::Ready)?;
        Some((ready.reason.clone(), ready.observed_generation))
    };
    let now = failed(Some(after));
    if now.is_some() && now != failed(before) {
        let why = after
            .condition(ConditionType::Ready)
            .map(|c| c.message.as_str());
        metrics::failed();
        tracing::warn!(environment = name, id, commit, duration_ms, why, "failed");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attempt_begins_anew_with_each_push_edit_and_retry_only() {
        let environment = |annotations: serde_json::Value, sha: &str| -> Environment {
            serde_json::from_value(json!({
                "metadata": { "name": "preview-1", "annotations": annotations },
                "spec": { "projectRef": { "name": "shop" }, "type": "development",
                    "sources": [{ "name": "primary", "commitSha": sha, "branch": "x" }] }
            }))
            .unwrap()
        };
        let project: Project =
            serde_json::from_value(json!({ "metadata": {}, "spec": { "sources": [] } })).unwrap();
        let key = |e: &Environment| attempt_key(e, Some(&project));
        let first = environment(json!({}), "a");
        let now = Timestamp::from_second(100).unwrap();
        let began = Attempt::of(&first, key(&first), now);
        assert_eq!(began.started, now);

        let text = format!("{} {}", began.key, began.started);
        let later = Timestamp::from_second(200).unwrap();
        let same = environment(json!({ labels::ATTEMPT: text, labels::RUNS: "x" }), "a");
        assert_eq!(Attempt::of(&same, key(&same), later).started, now);
        let pushed = environment(json!({ labels::ATTEMPT: text }), "b");
        assert_eq!(Attempt::of(&pushed, key(&pushed), later).started, later);
        let retried = environment(json!({ labels::ATTEMPT: text, labels::RETRY: "1" }), "a");
        assert_eq!(Attempt::of(&retried, key(&retried), later).started, later);
    }

    #[test]
    fn a_refusal_belongs_to_the_step_that_is_under_way() {
        let mut progress = Progress {
            namespace: Step::done("NamespaceReady", ""),
            ..Progress::default()
        };
        refuse(&mut progress, "Deployment x/web is refused: no".to_owned());
        assert_eq!(
            progress.build,
            Step::failed("Refused", "Deployment x/web is refused: no")
        );
        assert_eq!(progress.deployment, Step::Later);
    }
}
