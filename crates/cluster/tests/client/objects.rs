use std::time::Duration;

use catalyst_cluster::{ClusterError, ConnectionError, EnvironmentClient, ProjectClient};
use catalyst_crd::environment::ProjectRef;
use catalyst_crd::project::ProjectSource;
use catalyst_crd::{Environment, EnvironmentSpec, Project, ProjectSpec};
use serde_json::json;

use crate::scene::{PATIENCE, Scene};

fn environment(namespace: &str, name: &str) -> Environment {
    let mut it = Environment::new(
        name,
        EnvironmentSpec {
            project_ref: ProjectRef {
                name: "shop".to_owned(),
            },
            kind: "development".to_owned(),
            ..EnvironmentSpec::default()
        },
    );
    it.metadata.namespace = Some(namespace.to_owned());
    it
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_made_read_changed_and_deleted() {
    let scene = Scene::with_definitions().await;
    let client: EnvironmentClient = scene.cluster.objects();
    let ns = scene.namespace.as_str();
    assert!(client.get(ns, "preview-7").await.unwrap().is_none());
    let made = client.create(&environment(ns, "preview-7")).await.unwrap();
    let again = client
        .create(&environment(ns, "preview-7"))
        .await
        .unwrap_err();
    assert!(again.is_conflict());
    let text = again.to_string();
    assert!(
        text.contains(&format!("Environment {ns}/preview-7 in cluster test")),
        "{text}"
    );

    let mut newer = made.clone();
    newer.spec.kind = "deployment".to_owned();
    let newer = client.update(&newer).await.unwrap();
    assert_eq!(newer.spec.kind, "deployment");
    // Whoever read it before does not overwrite what was changed meanwhile.
    assert!(client.update(&made).await.unwrap_err().is_conflict());

    let change = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "deploymentMode": "production" } });
    let patched = client.patch(ns, "preview-7", &change).await.unwrap();
    assert_eq!(patched.spec.deployment_mode.as_deref(), Some("production"));
    assert_eq!(patched.spec.kind, "deployment", "what is not named stays");
    let missing = client.patch(ns, "preview-8", &change).await.unwrap_err();
    assert!(missing.is_not_found());
    assert!(
        missing.to_string().ends_with("it does not exist"),
        "{missing}"
    );

    let applied = client
        .apply("test", &environment(ns, "preview-7"))
        .await
        .unwrap();
    assert_eq!(applied.spec.kind, "development");
    let same = client
        .apply("test", &environment(ns, "preview-7"))
        .await
        .unwrap();
    assert_eq!(
        applied.metadata.resource_version,
        same.metadata.resource_version
    );

    for _ in 0..2 {
        client.delete(ns, "preview-7").await.unwrap();
    }
    assert!(client.get(ns, "preview-7").await.unwrap().is_none());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_listed_by_namespace_and_over_all() {
    let scene = Scene::with_definitions().await;
    let client: ProjectClient = scene.cluster.objects();
    let ns = scene.namespace.as_str();
    for name in ["shop", "blog"] {
        let mut project = Project::new(
            name,
            ProjectSpec {
                sources: vec![ProjectSource {
                    name: "primary".to_owned(),
                    repository_url: format!("https://github.com/acme/{name}"),
                    branch: "main".to_owned(),
                }],
                ..ProjectSpec::default()
            },
        );
        project.metadata.namespace = Some(ns.to_owned());
        client.create(&project).await.unwrap();
    }
    let names = |all: Vec<Project>| -> Vec<String> {
        let here = all
            .into_iter()
            .filter(|it| it.metadata.namespace.as_deref() == Some(ns));
        here.filter_map(|it| it.metadata.name).collect()
    };
    assert_eq!(names(client.list(ns).await.unwrap()), ["blog", "shop"]);
    assert_eq!(names(client.list_all().await.unwrap()), ["blog", "shop"]);
    assert!(client.list("no-such-namespace").await.unwrap().is_empty());
    // Refused by the definition's schema, field by field.
    let bad = json!({ "spec": { "sources": "none" } });
    let refused = client.patch(ns, "shop", &bad).await.unwrap_err();
    let answer = refused.answer().unwrap();
    assert_eq!((answer.code, answer.reason.as_str()), (422, "Invalid"));
    assert!(!refused.is_temporary() && !refused.is_forbidden() && !refused.is_unauthorized());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_read_in_pages_and_whole() {
    let scene = Scene::with_definitions().await;
    let client: EnvironmentClient = scene.cluster.objects();
    let ns = scene.namespace.as_str();
    let made = (0..510).map(|n| {
        let client = client.clone();
        async move {
            client
                .create(&environment(ns, &format!("preview-{n}")))
                .await
        }
    });
    for made in futures::future::join_all(made).await {
        made.unwrap();
    }
    assert_eq!(client.list(ns).await.unwrap().len(), 510);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_gone_once_its_finalizers_are() {
    let scene = Scene::with_definitions().await;
    let client: EnvironmentClient = scene.cluster.objects();
    let ns = scene.namespace.as_str();
    let mut held = environment(ns, "preview-7");
    held.metadata.finalizers = Some(vec!["example.com/keep".to_owned()]);
    client.create(&held).await.unwrap();
    client.delete(ns, "preview-7").await.unwrap();
    let waiting = client.until_gone(ns, "preview-7", Duration::from_millis(300));
    let error = waiting.await.unwrap_err();
    assert!(
        matches!(
            &error,
            ClusterError::Connection(ConnectionError::TimedOut { .. })
        ),
        "{error}"
    );
    let let_go = json!({ "metadata": { "finalizers": null } });
    let (gone, changed) = tokio::join!(
        client.until_gone(ns, "preview-7", PATIENCE),
        client.patch(ns, "preview-7", &let_go)
    );
    gone.unwrap();
    changed.unwrap();
    assert!(client.get(ns, "preview-7").await.unwrap().is_none());
    client.until_gone(ns, "preview-7", PATIENCE).await.unwrap();
    scene.stop().await;
}
