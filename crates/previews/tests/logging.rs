//! Every step of a preview's life is one structured event, and no secret is in any.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "use_cases/common/mod.rs"]
mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use catalyst_model::state::PreviewStatus;
use common::operator::{Look, set};
use common::{PROJECT_NAMESPACE, World, eventually, later, pull_request, sha};
use serde_json::Value;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events about previews, by name, with the phase of life of each.
    fn events(&self) -> Vec<(String, Value)> {
        let lines = self.text();
        let fields = lines.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["fields"].take()
        });
        let ours = fields.filter(|it| it["component"] == "preview-environments");
        ours.map(|it| (it["event"].as_str().unwrap().to_owned(), it))
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_life_is_logged_step_by_step_without_secrets() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .init();

    let world = World::new().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(&api, "preview-7", Look::Building, "").await;
    world
        .preview(7, "is building", |it| it.status == PreviewStatus::Deploying)
        .await;
    set(
        &api,
        "preview-7",
        Look::Failed,
        "no canary-s3cret in the build",
    )
    .await;
    let id = world
        .preview(7, "failed", |it| it.status == PreviewStatus::Failed)
        .await
        .id;
    world.previews.retry(&world.operator, &id).await.unwrap();
    eventually("the retry has begun", || async {
        log.events()
            .iter()
            .any(|(name, _)| name == "retry-started")
            .then_some(())
    })
    .await;
    set(&api, "preview-7", Look::Ready, "").await;
    world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    world
        .event(
            "synchronize",
            &later(&opened, 2, |it| it.head_sha = sha('b')),
        )
        .await;
    world
        .event(
            "synchronize",
            &later(&opened, 3, |it| it.head_sha = sha('c')),
        )
        .await;
    world
        .event("closed", &later(&opened, 4, |it| it.open = false))
        .await;
    eventually("it is gone", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    eventually("its end is logged", || async {
        log.events()
            .iter()
            .any(|(name, _)| name == "deletion-completed")
            .then_some(())
    })
    .await;

    let events = log.events();
    for (name, phase) in [
        ("pod-record-created", "created"),
        ("deployment-initiated", "created"),
        ("k8s-cr-creation-started", "created"),
        ("deployment-started", "deploying"),
        ("deployment-failed", "failed"),
        ("retry-requested", "retrying"),
        ("retry-started", "retrying"),
        ("retry-completed", "running"),
        ("deployment-superseded", "superseded"),
        ("deletion-started", "deleting"),
        ("k8s-resources-deleted", "deleted"),
        ("deletion-completed", "deleted"),
    ] {
        let found = events.iter().find(|(event, _)| event == name);
        let (_, fields) = found.unwrap_or_else(|| unreachable!("{name} in {events:#?}"));
        assert_eq!(fields["phase"], phase, "{name}");
        assert_eq!(fields["preview"], id.as_str(), "{name}");
        assert_eq!(fields["repository"], "acme/shop", "{name}");
        assert_eq!(fields["number"], 7, "{name}");
        assert_eq!(fields["commit"].as_str().unwrap().len(), 40, "{name}");
        assert!(fields["since_request_ms"].is_i64(), "{name}");
    }
    let once = events
        .iter()
        .filter(|(event, _)| event == "retry-completed")
        .count();
    assert_eq!(once, 1);
    assert!(!log.text().contains("canary"), "{}", log.text());
}
