use catalyst_github::client::{
    CommitState, CommitStatus, DeploymentState, DeploymentStatus, STATUS_CONTEXT,
};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_commit_gets_a_status_that_links_to_the_preview() {
    let world = World::new().await;
    let status = CommitStatus {
        state: CommitState::Success,
        description: &"é".repeat(200),
        target_url: Some("http://acme-shop-preview-7.localhost:8080/"),
    };
    let commit = SHA.parse().unwrap();
    let github = world.as_app();
    github
        .set_commit_status(&shop(), &commit, &status)
        .await
        .unwrap();
    let set = world.fake.statuses("acme/shop").pop().unwrap();
    assert_eq!(set.target, SHA);
    assert_eq!(set.body["context"], STATUS_CONTEXT);
    assert_eq!(set.body["state"], "success");
    assert_eq!(
        set.body["target_url"],
        "http://acme-shop-preview-7.localhost:8080/"
    );
    assert_eq!(
        set.body["description"].as_str().unwrap().chars().count(),
        140
    );
}

#[tokio::test]
async fn a_deployment_shows_the_url_and_ends_inactive() {
    let world = World::new().await;
    let github = world.as_app();
    let commit = SHA.parse().unwrap();
    let id = github
        .create_deployment(&shop(), &commit, "preview-7")
        .await
        .unwrap();
    let mut status = DeploymentStatus {
        state: DeploymentState::InProgress,
        description: "Building",
        environment_url: None,
        log_url: Some("https://catalyst.example/previews/1"),
    };
    github
        .set_deployment_status(&shop(), id, &status)
        .await
        .unwrap();
    status.state = DeploymentState::Success;
    status.environment_url = Some("https://acme-shop-preview-7.preview.example/");
    github
        .set_deployment_status(&shop(), id, &status)
        .await
        .unwrap();
    status.state = DeploymentState::Inactive;
    github
        .set_deployment_status(&shop(), id, &status)
        .await
        .unwrap();

    let created = world.fake.deployments("acme/shop").pop().unwrap();
    assert_eq!((created.id, created.target.as_str()), (id, SHA));
    assert_eq!(created.body["required_contexts"], json!([]));
    assert_eq!(created.body["auto_merge"], false);
    let set = world.fake.deployment_statuses("acme/shop");
    let states: Vec<_> = set.iter().map(|it| it.body["state"].clone()).collect();
    assert_eq!(states, ["in_progress", "success", "inactive"]);
    assert!(set[0].body.get("environment_url").is_none());
}
