//! Images that are built by Jobs: when, of what, what becomes of them. The Jobs are ended by a
//! stand-in, as the embedded cluster runs no images.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    missing_docs,
    reason = "a test, and the scene has words for others too"
)]

mod scene;

use std::time::{Duration, Instant};

use catalyst_operator::{BuildSettings, Daemon, Engine};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use scene::{Scene, condition, is_failed};
use serde_json::json;

const NAMESPACE: &str = "acme-shop-preview-1";
const REGISTRY: &str = "registry.default.svc.cluster.local:5000";

async fn start() -> Scene {
    Scene::start_with(|settings| {
        let daemon = Daemon {
            address: "tcp://catalyst-buildkitd.catalyst-system-builds.svc:1234"
                .parse()
                .unwrap(),
            identity: None,
        };
        settings.builds = Some(BuildSettings {
            engine: Engine::BuildKit(daemon),
            image: "moby/buildkit:v0.34.2".to_owned(),
            registry: REGISTRY.to_owned(),
            insecure: true,
        });
    })
    .await
}

async fn build_jobs(scene: &Scene) -> Vec<Job> {
    let labelled = ListParams::default().labels("catalyst.dev/job-type=build");
    let all = scene.api::<Job>(NAMESPACE).list(&labelled).await.unwrap();
    let mut all = all.items;
    all.retain(|job| job.metadata.deletion_timestamp.is_none());
    all
}

/// The Job that builds this commit, once it is there.
async fn build_of(scene: &Scene, commit: &str, not: &[&str]) -> Job {
    let start = Instant::now();
    loop {
        let found = build_jobs(scene).await.into_iter().find(|job| {
            job.labels().get("catalyst.dev/commit").map(String::as_str) == Some(commit)
                && !not.contains(&job.name_any().as_str())
        });
        if let Some(job) = found {
            return job;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no build of {commit}: {:?}",
            scene.pods("shop", "preview-1").await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends a Job as what builds would.
async fn end(scene: &Scene, job: &Job, kind: &str) {
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let patch = json!({ "status": { "conditions": [{
        "type": kind, "status": "True", "reason": "Test", "message": "",
        "lastProbeTime": now, "lastTransitionTime": now
    }] } });
    scene
        .api::<Job>(NAMESPACE)
        .patch_status(
            &job.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .unwrap();
}

/// Ends a Job as what builds would that tells a digest: by a pod beside the one that nothing runs here.
async fn end_telling(scene: &Scene, job: &Job, digest: &str) {
    let mut template = json!(job.spec.as_ref().unwrap().template);
    let pod = json!({
        "metadata": {
            "name": "built", "labels": template["metadata"]["labels"].take(),
            "annotations": template["metadata"]["annotations"].take(),
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(),
                "uid": job.uid().unwrap(), "controller": true
            }]
        },
        "spec": { "restartPolicy": "Never", "automountServiceAccountToken": false, "containers": [{
            "name": "buildctl", "image": "busybox",
            "command": ["sh", "-c", format!("echo {digest} > /dev/termination-log")],
            "securityContext": { "allowPrivilegeEscalation": false }
        }] }
    });
    let pod = serde_json::from_value(pod).unwrap();
    let pods = scene.api::<Pod>(NAMESPACE);
    pods.create(&PostParams::default(), &pod).await.unwrap();
}

async fn until_it_runs(scene: &Scene, commit: &str) {
    until_image_runs(scene, &format!("{REGISTRY}/shop/web-preview-1:{commit}")).await;
}

async fn until_image_runs(scene: &Scene, image: &str) {
    scene
        .until_there::<Deployment>(NAMESPACE, "web", |it| {
            let pod = it.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            pod.containers[0].image.as_deref() == Some(image)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dockerfile_is_built_once_a_commit_and_what_it_makes_is_run() {
    let mut scene = start().await;
    scene.project("shop").await;
    let first = scene.commit(&[("Dockerfile", "FROM busybox\nEXPOSE 3000\n")]);
    scene.environment("shop", "preview-1", &first).await;
    let job = build_of(&scene, &first, &[]).await;
    let waiting = scene
        .until("shop", "preview-1", |e| {
            condition(e, "BuildReady").status == "False" && e.status.as_ref().unwrap().url.is_some()
        })
        .await;
    assert_eq!(waiting.status.unwrap().phase.as_deref(), Some("Building"));
    let maps = scene.api::<ConfigMap>(NAMESPACE);
    let files = maps.get("catalyst-build-web").await.unwrap().data.unwrap();
    assert_eq!(files["Dockerfile"], "FROM busybox\nEXPOSE 3000\n");
    scene
        .api::<NetworkPolicy>(NAMESPACE)
        .get("image-builds")
        .await
        .unwrap();

    end(&scene, &job, "Complete").await;
    until_it_runs(&scene, &first).await;
    scene
        .until_there::<Service>(NAMESPACE, "web", |service| {
            let ports = service.spec.as_ref().and_then(|it| it.ports.as_ref());
            ports.is_some_and(|ports| json!(ports[0].target_port) == json!(3000))
        })
        .await;

    // Neither a retry, nor a Job that was cleaned up, nor a restart builds it again.
    scene
        .api::<Job>(NAMESPACE)
        .delete(&job.name_any(), &DeleteParams::background())
        .await
        .unwrap();
    scene.stop_operator().await;
    scene.start_operator();
    scene.retry("shop", "preview-1", "1").await;
    scene
        .until("shop", "preview-1", |e| {
            e.annotations().get("catalyst.dev/observed-retry").is_some()
        })
        .await;
    assert_eq!(build_jobs(&scene).await, []);

    // Another commit is another image.
    let second = scene.commit(&[("index.html", "two")]);
    scene.environment("shop", "preview-1", &second).await;
    let job = build_of(&scene, &second, &[]).await;
    until_it_runs(&scene, &first).await;
    end(&scene, &job, "Complete").await;
    until_it_runs(&scene, &second).await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_says_so_and_a_retry_builds_again() {
    let scene = start().await;
    scene.project("shop").await;
    let commit = scene.commit(&[("Dockerfile", "FROM busybox\n")]);
    scene.environment("shop", "preview-1", &commit).await;
    let job = build_of(&scene, &commit, &[]).await;
    end(&scene, &job, "Failed").await;
    scene
        .until_there::<ConfigMap>(NAMESPACE, "catalyst-built-web", |_| true)
        .await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "BuildReady");
    assert_eq!(said.reason, "ImageBuildFailed");
    assert!(said.message.contains("by Dockerfile"), "{}", said.message);

    scene.retry("shop", "preview-1", "again").await;
    let again = build_of(&scene, &commit, &[&job.name_any()]).await;
    scene
        .until_gone_by_name::<Job>(NAMESPACE, &job.name_any())
        .await;
    end(&scene, &again, "Complete").await;
    until_it_runs(&scene, &commit).await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_comes_back_runs_the_image_that_it_had_without_a_build() {
    let scene = start().await;
    scene.project("shop").await;
    let commit = scene.commit(&[("Dockerfile", "FROM busybox\n")]);
    scene.environment("shop", "preview-1", &commit).await;
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let image = format!("{REGISTRY}/shop/web-preview-1:{commit}@{digest}");
    end_telling(&scene, &build_of(&scene, &commit, &[]).await, &digest).await;
    until_image_runs(&scene, &image).await;

    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    scene.environment("shop", "preview-1", &commit).await;
    until_image_runs(&scene, &image).await;
    assert_eq!(build_jobs(&scene).await, []);

    // One of another name builds its own.
    scene.environment("shop", "preview-2", &commit).await;
    let labelled = ListParams::default().labels("catalyst.dev/job-type=build");
    let others = scene.api::<Job>("acme-shop-preview-2");
    let start = Instant::now();
    while others.list(&labelled).await.unwrap().items.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "no build");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_stops_the_build_of_the_commit_before() {
    let scene = start().await;
    scene.project("shop").await;
    let first = scene.commit(&[("Dockerfile", "FROM busybox\n")]);
    scene.environment("shop", "preview-1", &first).await;
    let old = build_of(&scene, &first, &[]).await;
    let second = scene.commit(&[("index.html", "two")]);
    let pushed = Instant::now();
    scene.environment("shop", "preview-1", &second).await;
    scene
        .until_gone_by_name::<Job>(NAMESPACE, &old.name_any())
        .await;
    assert!(pushed.elapsed() < Duration::from_secs(5), "{pushed:?}");
    build_of(&scene, &second, &[]).await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_waits_for_all_images_that_it_builds() {
    let scene = start().await;
    scene.project("shop").await;
    let compose = "services:\n  web: { build: web, ports: ['80:80'] }\n  api: { build: { context: ., dockerfile_inline: \"FROM node:22\" } }\n";
    let commit = scene.commit(&[
        ("compose.yaml", compose),
        ("web/Dockerfile", "FROM busybox\n"),
    ]);
    scene.environment("shop", "preview-1", &commit).await;
    let web = build_of(&scene, &commit, &[]).await;
    let api = build_of(&scene, &commit, &[&web.name_any()]).await;
    end(&scene, &web, "Complete").await;
    let deployments = scene.api::<Deployment>(NAMESPACE);
    scene
        .until_there::<ConfigMap>(
            NAMESPACE,
            &format!("catalyst-built-{}", web.labels()["catalyst.dev/build"]),
            |_| true,
        )
        .await;
    assert!(deployments.get_opt("web").await.unwrap().is_none());
    end(&scene, &api, "Complete").await;
    until_it_runs(&scene, &commit).await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_registry_credentials_come_to_its_previews_and_go_with_them() {
    let scene = start().await;
    scene.project("shop").await;
    let commit = scene.commit(&[("Dockerfile", "FROM busybox\n")]);
    scene.environment("shop", "preview-1", &commit).await;
    build_of(&scene, &commit, &[]).await;
    let accounts = scene.api::<ServiceAccount>(NAMESPACE);
    let others = json!({ "imagePullSecrets": [{ "name": "others" }] });
    accounts
        .patch("default", &PatchParams::default(), &Patch::Merge(others))
        .await
        .unwrap();

    let kept = |text: &str| -> Secret {
        serde_json::from_value(json!({
            "metadata": { "name": "registry-credentials" }, "type": "kubernetes.io/dockerconfigjson",
            "stringData": { ".dockerconfigjson": text }
        }))
        .unwrap()
    };
    let of_team = scene.api::<Secret>("acme");
    let first = "{\"auths\":{}}";
    of_team
        .create(&PostParams::default(), &kept(first))
        .await
        .unwrap();
    let holds = |text: &'static str| {
        move |it: &Secret| {
            let data = it
                .data
                .as_ref()
                .and_then(|data| data.get(".dockerconfigjson"));
            data.is_some_and(|data| data.0 == text.as_bytes())
        }
    };
    let name = "registry-credentials";
    scene.until_there(NAMESPACE, name, holds(first)).await;
    let has = |names: &'static [&'static str]| {
        move |it: &ServiceAccount| {
            let all = it.image_pull_secrets.iter().flatten();
            all.map(|one| one.name.as_str()).eq(names.iter().copied())
        }
    };
    scene
        .until_there(
            NAMESPACE,
            "default",
            has(&["others", "registry-credentials"]),
        )
        .await;

    let second = "{\"auths\":{\"ghcr.io\":{}}}";
    of_team
        .patch(name, &PatchParams::default(), &Patch::Merge(kept(second)))
        .await
        .unwrap();
    scene.until_there(NAMESPACE, name, holds(second)).await;
    of_team
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    scene.until_gone_by_name::<Secret>(NAMESPACE, name).await;
    scene
        .until_there(NAMESPACE, "default", has(&["others"]))
        .await;
    scene.stop().await;
}
