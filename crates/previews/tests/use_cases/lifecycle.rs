//! A pull request's life: opened, pushed to, closed, reopened.

use crate::common::operator::{Look, finalizers, set};
use crate::common::{PROJECT_NAMESPACE, World, later, pull_request, sha};
use catalyst_crd::labels::{ENVIRONMENT_FINALIZER, REQUEST};
use catalyst_model::state::PreviewStatus;
use catalyst_model::views::{DeploymentResult, StepState};
use kube::ResourceExt;

#[tokio::test]
async fn a_pull_request_becomes_a_preview_and_goes() {
    let world = World::new().await;
    let opened = pull_request(7, 'a');
    let event = world.event("opened", &opened);
    let receipt = catalyst_previews::for_request(Some("request-1".to_owned()), event).await;
    assert_eq!(receipt.preview_deployment, Some("initiated"));
    assert_eq!(receipt.pr_number, Some(7));

    let pending = world.preview(7, "is there", |_| true).await;
    assert_eq!(pending.status, PreviewStatus::Pending);
    assert_eq!(pending.namespace, "acme-shop-preview-7");
    let environment = world.environment_at("preview-7", &sha('a')).await;
    assert_eq!(
        environment.annotations().get(REQUEST).map(String::as_str),
        Some("request-1"),
        "who asked for it can be followed to the operator"
    );
    assert_eq!(environment.spec.project_ref.name, "shop");
    assert_eq!(environment.spec.sources[0].pr_number, Some(7));

    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(&api, "preview-7", Look::Building, "npm install").await;
    let deploying = |it: &_| matches!(it, PreviewStatus::Deploying);
    let building = world
        .preview(7, "is building", |it| deploying(&it.status))
        .await;
    assert_eq!(building.message.as_deref(), Some("npm install"));
    set(&api, "preview-7", Look::Ready, "").await;
    let running = world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    assert_eq!(running.serving_commit, Some(sha('a')));
    assert_eq!(
        running.url.as_deref(),
        Some("http://acme-shop-preview-7.localhost:8080/")
    );
    let detail = world.detail(&running.id).await;
    assert!(
        detail.steps.iter().all(|it| it.state == StepState::Done),
        "{:?}",
        detail.steps
    );
    assert_eq!(detail.deployments[0].result, DeploymentResult::Ready);
    assert_eq!(detail.runs.as_deref(), Some("a static site"));

    finalizers(&api, &environment, &[ENVIRONMENT_FINALIZER])
        .await
        .unwrap();
    let closed = later(&opened, 2, |it| it.open = false);
    let receipt = world.event("closed", &closed).await;
    assert_eq!(receipt.preview_deployment, Some("cleanup_initiated"));
    world
        .preview(7, "is going", |it| it.status == PreviewStatus::Deleting)
        .await;
    crate::common::eventually("the Environment is being deleted", || async {
        let it = world.environment("preview-7").await.unwrap();
        it.metadata.deletion_timestamp.map(drop)
    })
    .await;
    assert!(
        world.removed().await.is_empty(),
        "not before it is really gone"
    );
    finalizers(&api, &environment, &[]).await.unwrap();
    crate::common::eventually("it has left the list", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    let removed = world.removed().await;
    assert_eq!(removed[0].id, running.id);
    let history = world.detail(&running.id).await.deployments;
    assert_eq!(history.len(), 1);
}

#[tokio::test]
async fn a_push_replaces_the_running_commit_and_the_old_one_serves_meanwhile() {
    let world = World::new().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(&api, "preview-7", Look::Ready, "").await;
    let first = world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;

    let pushed = later(&opened, 2, |it| it.head_sha = sha('b'));
    world.event("synchronize", &pushed).await;
    world.environment_at("preview-7", &sha('b')).await;
    let second = world
        .preview(7, "is at b", |it| it.commit == sha('b'))
        .await;
    assert_eq!(second.id, first.id, "the id is stable over pushes");
    assert_eq!(second.status, PreviewStatus::Pending);
    assert_eq!(second.serving_commit, Some(sha('a')));
    assert_eq!(second.url, first.url);

    set(&api, "preview-7", Look::Ready, "").await;
    let running = |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
    let running = world.preview(7, "runs at b", running).await;
    assert_eq!(running.serving_commit, Some(sha('b')));
    let detail = world.detail(&running.id).await;
    let results: Vec<_> = detail
        .deployments
        .iter()
        .map(|it| (it.commit.clone(), it.result))
        .collect();
    assert_eq!(
        results,
        [
            (sha('b'), DeploymentResult::Ready),
            (sha('a'), DeploymentResult::Ready)
        ]
    );
}

#[tokio::test]
async fn a_push_before_the_first_commit_is_up_supersedes_it() {
    let world = World::new().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    world.environment_at("preview-7", &sha('a')).await;
    world
        .event(
            "synchronize",
            &later(&opened, 2, |it| it.head_sha = sha('b')),
        )
        .await;
    world.environment_at("preview-7", &sha('b')).await;
    let preview = world
        .preview(7, "is at b", |it| it.commit == sha('b'))
        .await;
    let detail = world.detail(&preview.id).await;
    assert_eq!(detail.deployments[1].result, DeploymentResult::Superseded);
    assert_eq!(
        detail.deployments[1].message.as_deref(),
        Some("superseded by newer commit")
    );
}

#[tokio::test]
async fn a_failed_one_says_why_and_a_retry_is_a_new_attempt_of_the_same_commit() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(
        &api,
        "preview-7",
        Look::Failed,
        "no canary-s3cret in the build",
    )
    .await;
    let failed = world
        .preview(7, "failed", |it| it.status == PreviewStatus::Failed)
        .await;
    assert_eq!(
        failed.message.as_deref(),
        Some("no [redacted] in the build")
    );
    let detail = world.detail(&failed.id).await;
    assert!(detail.allowed.retry);
    assert_eq!(
        detail.steps[3].state,
        StepState::Failed,
        "{:?}",
        detail.steps
    );

    world
        .previews
        .retry(&world.operator, &failed.id)
        .await
        .unwrap();
    let again = world
        .preview(7, "starts anew", |it| it.status == PreviewStatus::Pending)
        .await;
    assert_eq!(again.message, None);
    let second = world
        .previews
        .retry(&world.operator, &failed.id)
        .await
        .unwrap_err();
    assert_eq!(second.kind(), catalyst_previews::ErrorKind::Conflict);
    crate::common::eventually("the cluster is asked for a retry", || async {
        let it = world.environment("preview-7").await?;
        let retry = it.metadata.annotations?.remove(catalyst_crd::labels::RETRY);
        (retry.as_deref() == Some("aaaaaaa-2")).then_some(())
    })
    .await;
    set(&api, "preview-7", Look::Ready, "").await;
    let running = world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    let attempts: Vec<_> = world.detail(&running.id).await.deployments;
    let attempts: Vec<_> = attempts.iter().map(|it| (it.attempt, it.result)).collect();
    assert_eq!(
        attempts,
        [(2, DeploymentResult::Ready), (1, DeploymentResult::Failed)]
    );
    let audited = world.audited(&running.id).await;
    assert_eq!(audited, [("local".to_owned(), "preview.retry".to_owned())]);
}

#[tokio::test]
async fn one_reopened_while_it_goes_comes_back_once_it_is_gone() {
    let world = World::new().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    let environment = world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    finalizers(&api, &environment, &[ENVIRONMENT_FINALIZER])
        .await
        .unwrap();
    world
        .event("closed", &later(&opened, 2, |it| it.open = false))
        .await;
    crate::common::eventually("the Environment is being deleted", || async {
        let it = world.environment("preview-7").await.unwrap();
        it.metadata.deletion_timestamp.map(drop)
    })
    .await;
    world.event("reopened", &later(&opened, 3, |_| ())).await;
    let back = world
        .preview(7, "is wished for", |it| it.status == PreviewStatus::Pending)
        .await;
    let first = environment.metadata.uid;
    finalizers(&api, &world.environment("preview-7").await.unwrap(), &[])
        .await
        .unwrap();
    let second = crate::common::eventually("another Environment is made", || async {
        let it = world.environment("preview-7").await?;
        (it.metadata.uid != first).then_some(it)
    })
    .await;
    assert_eq!(second.spec.sources[0].commit_sha, sha('a'));
    set(&api, "preview-7", Look::Ready, "").await;
    let running = world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    assert_eq!(running.id, back.id);
}

#[tokio::test]
async fn an_environment_deleted_behind_our_back_is_made_again() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    let first = world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(&api, "preview-7", Look::Ready, "").await;
    world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    world.cluster.delete(&api, "preview-7").await.unwrap();
    crate::common::eventually("another Environment is made", || async {
        let it = world.environment("preview-7").await?;
        (it.metadata.uid != first.metadata.uid).then_some(())
    })
    .await;
    let said = world
        .preview(7, "is on its way", |it| {
            it.status == PreviewStatus::Deploying
        })
        .await;
    assert!(said.message.unwrap().contains("deleted in the cluster"));
    set(&api, "preview-7", Look::Ready, "").await;
    world
        .preview(7, "runs again", |it| it.status == PreviewStatus::Running)
        .await;
}

#[tokio::test]
async fn an_environment_changed_behind_our_back_is_set_right() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(&api, "preview-7", Look::Ready, "").await;
    world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    let patch = serde_json::json!({ "spec": { "sources": [
        { "name": "primary", "commitSha": sha('e'), "branch": "x" }
    ] } });
    let patch = kube::api::Patch::Merge(patch);
    api.patch("preview-7", &kube::api::PatchParams::default(), &patch)
        .await
        .unwrap();
    world.environment_at("preview-7", &sha('a')).await;
}

#[tokio::test]
async fn one_that_a_person_deleted_stays_away_until_the_next_push() {
    let world = World::new().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    world.environment_at("preview-7", &sha('a')).await;
    let id = world.preview(7, "is there", |_| true).await.id;
    world.previews.delete(&world.operator, &id).await.unwrap();
    world.gone("preview-7").await;
    crate::common::eventually("it has left the list", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    world
        .event("edited", &later(&opened, 2, |it| it.title = "Other".into()))
        .await;
    let newest = world.worked_off().await.remove(0);
    assert_eq!(newest.decision.as_deref(), Some("skip"));
    assert!(newest.reason.unwrap().contains("a person removed"));
    assert!(world.list().await.is_empty());
    world
        .event(
            "synchronize",
            &later(&opened, 3, |it| it.head_sha = sha('b')),
        )
        .await;
    let back = world
        .preview(7, "is back", |it| it.commit == sha('b'))
        .await;
    assert_eq!(back.id, id);
    let audited = world.audited(&id).await;
    assert_eq!(audited, [("local".to_owned(), "preview.delete".to_owned())]);
}
