//! Previews in several clusters.

use std::time::{Duration, Instant};

use crate::common::operator::StandIn;
use crate::common::{World, eventually, pull_request};
use catalyst_cluster::{Cluster, Clusters};
use catalyst_model::state::PreviewStatus;
use catalyst_model::views::LogQuery;
use catalyst_previews::{ErrorKind, NewProject};
use catalyst_testkit::github::FakePullRequest;
use catalyst_testkit::proxy::Weather;

/// A project of another repository, for the second cluster.
fn shop(cluster: Option<&str>) -> NewProject {
    NewProject {
        team: "acme".into(),
        name: "boutique".into(),
        repository: "acme/boutique".into(),
        clone_url: None,
        branch: "main".into(),
        installation_id: None,
        cluster: cluster.map(str::to_owned),
        preset: None,
    }
}

/// A pull request of that repository.
fn abroad(number: u64, digit: char) -> FakePullRequest {
    let mut it = pull_request(number, digit);
    it.repository.id = 2;
    it.repository.full_name = "acme/boutique".into();
    it.head_repository = Some(it.repository.clone());
    it
}

async fn names(cluster: &Cluster) -> Vec<String> {
    let all = cluster.objects::<catalyst_crd::Environment>();
    let all = all.list_all().await.unwrap().into_iter();
    all.filter_map(|it| Some(format!("{}/{}", it.metadata.namespace?, it.metadata.name?)))
        .collect()
}

async fn notices(world: &World) -> Vec<String> {
    let previews = &world.previews;
    let view = previews.operations(&world.operator).await.unwrap();
    view.notices
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_lives_in_the_cluster_of_its_project_from_its_beginning_to_its_end() {
    let (world, eu, _proxy) = World::with_two_clusters().await;
    let operators = [StandIn::start(&world.cluster), StandIn::start(&eu)];
    let made = world
        .previews
        .create_project(&world.operator, shop(Some("eu")))
        .await
        .unwrap();
    assert_eq!(made.cluster.as_deref(), Some("eu"));
    world.event("opened", &pull_request(1, 'a')).await;
    world.event("opened", &abroad(7, 'b')).await;
    let runs = |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
    let home = world.preview(1, "runs", runs).await;
    let away = world.preview(7, "runs", runs).await;
    assert_eq!(names(&world.cluster).await, ["acme-shop/preview-1"]);
    assert_eq!(names(&eu).await, ["acme-boutique/preview-7"]);
    assert_eq!(world.detail(&home.id).await.cluster, "local");
    assert_eq!(world.detail(&away.id).await.cluster, "eu");
    assert!(!world.detail(&away.id).await.conditions.is_empty());

    // Errors say which cluster was asked.
    let query = LogQuery::default();
    let logs = world.previews.logs(&world.operator, &away.id, &query).await;
    assert_eq!(logs.err().unwrap().kind(), ErrorKind::NotFound);

    // A push, a sweep and the end happen there too.
    let mut pushed = abroad(7, 'c');
    pushed.updated_at = crate::common::second(2);
    world.event("synchronize", &pushed).await;
    world
        .preview(7, "runs the push", |it| {
            runs(it) && it.commit.starts_with('c')
        })
        .await;
    world.previews.sweep().await.unwrap();
    assert_eq!(names(&eu).await, ["acme-boutique/preview-7"]);
    world
        .previews
        .delete(&world.operator, &away.id)
        .await
        .unwrap();
    eventually("it is gone", || async {
        names(&eu).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(names(&world.cluster).await, ["acme-shop/preview-1"]);
    drop(operators);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_reached_holds_up_its_own_previews_only_and_is_said() {
    let (world, eu, proxy) = World::with_two_clusters().await;
    let operators = [StandIn::start(&world.cluster), StandIn::start(&eu)];
    let project = shop(Some("eu"));
    world
        .previews
        .create_project(&world.operator, project)
        .await
        .unwrap();
    assert!(
        !notices(&world)
            .await
            .iter()
            .any(|it| it.contains("cluster eu"))
    );
    proxy.set(Weather::Broken);
    // More than there are hands.
    for number in 100..120 {
        world.event("opened", &abroad(number, 'b')).await;
    }
    world.event("opened", &pull_request(1, 'a')).await;
    let runs = |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
    world.preview(1, "runs all the same", runs).await;
    let waiting = world
        .preview(100, "says what it waits for", |it| it.message.is_some())
        .await;
    assert_eq!(waiting.status, PreviewStatus::Pending);
    let message = waiting.message.unwrap();
    assert!(message.contains("cluster eu"), "{message}");
    eventually("the operators' page says so", || async {
        let all = notices(&world).await;
        all.iter().any(|it| it.contains("cluster eu")).then_some(())
    })
    .await;
    // Its page does not wait for it, either.
    eventually("it is known to be silent", || async {
        let began = Instant::now();
        world.detail(&waiting.id).await;
        (began.elapsed() < Duration::from_secs(1)).then_some(())
    })
    .await;
    // A sweep takes nothing for gone.
    world.previews.sweep().await.unwrap();
    assert_eq!(world.list().await.len(), 21);

    proxy.set(Weather::Fine);
    for number in 100..120 {
        world.preview(number, "runs in the end", runs).await;
    }
    drop(operators);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_in_one_cluster_and_a_second_one_of_its_name_is_said_to_be_in_the_way() {
    let (world, eu, _proxy) = World::with_two_clusters().await;
    let previews = &world.previews;
    let unknown = previews
        .create_project(&world.operator, shop(Some("us")))
        .await;
    let unknown = unknown.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Invalid);
    assert!(unknown.to_string().contains("eu, local"), "{unknown}");

    let made = previews
        .create_project(&world.operator, shop(None))
        .await
        .unwrap();
    assert_eq!(made.cluster.as_deref(), Some("local"));
    let elsewhere = previews
        .create_project(&world.operator, shop(Some("eu")))
        .await;
    let elsewhere = elsewhere.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::Conflict);
    assert!(
        elsewhere.to_string().contains("cluster local"),
        "{elsewhere}"
    );

    // Made by hand, behind our back.
    let mut twin = world
        .cluster
        .objects::<catalyst_crd::Project>()
        .get("acme", "boutique")
        .await
        .unwrap()
        .unwrap();
    twin.metadata = kube::api::ObjectMeta {
        name: twin.metadata.name,
        namespace: twin.metadata.namespace,
        ..Default::default()
    };
    eu.ensure_namespace("acme", &[]).await.unwrap();
    eu.objects::<catalyst_crd::Project>()
        .create(&twin)
        .await
        .unwrap();
    eventually("it is said", || async {
        world.previews.sweep().await.unwrap();
        let all = world.previews.projects(&world.operator).await.unwrap();
        let it = all.into_iter().find(|it| it.name == "boutique").unwrap();
        assert_eq!(it.cluster.as_deref(), Some("local"));
        it.problem.filter(|it| it.contains("stands in eu too"))
    })
    .await;

    // Once the first is gone, the other is the project.
    let projects = world.cluster.objects::<catalyst_crd::Project>();
    projects.delete("acme", "boutique").await.unwrap();
    eventually("it lives in the other cluster", || async {
        let all = world.previews.projects(&world.operator).await.unwrap();
        let it = all.into_iter().find(|it| it.name == "boutique")?;
        (it.cluster.as_deref() == Some("eu") && it.problem.is_none()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_gets_another_name_keeps_its_previews() {
    let mut world = World::new().await;
    let operator = StandIn::start(&world.cluster);
    world.event("opened", &pull_request(1, 'a')).await;
    let runs = |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
    let preview = world.preview(1, "runs", runs).await;
    let before = world.environment("preview-1").await.unwrap();
    world.shut_down().await;

    let renamed = Cluster::new("renamed", world.cluster.client());
    world.clusters = Clusters::from(renamed);
    world.restart();
    eventually("it is known by its new name", || async {
        let detail = world.detail(&preview.id).await;
        (detail.cluster == "renamed").then_some(())
    })
    .await;
    world.previews.sweep().await.unwrap();
    world.preview(1, "still runs", runs).await;
    let after = world.environment("preview-1").await.unwrap();
    assert_eq!(before.metadata.uid, after.metadata.uid);
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_in_a_cluster_that_is_not_configured_stays_and_is_said() {
    let (mut world, eu, _proxy) = World::with_two_clusters().await;
    let operators = [StandIn::start(&world.cluster), StandIn::start(&eu)];
    let project = shop(Some("eu"));
    world
        .previews
        .create_project(&world.operator, project)
        .await
        .unwrap();
    world.event("opened", &abroad(7, 'b')).await;
    let runs = |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
    let preview = world.preview(7, "runs", runs).await;
    world.shut_down().await;
    world.clusters = Clusters::from(world.cluster.clone());
    world.restart();
    world.previews.sweep().await.unwrap();
    let said = notices(&world).await;
    assert!(
        said.iter().any(|it| it.contains("KUBECONFIG_EU")),
        "{said:?}"
    );
    assert_eq!(world.detail(&preview.id).await.cluster, "eu");
    world.preview(7, "is not given up", runs).await;
    assert_eq!(names(&eu).await, ["acme-boutique/preview-7"]);
    drop(operators);
}
