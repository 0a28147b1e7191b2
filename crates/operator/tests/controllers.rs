//! The controllers against a whole cluster: real repositories, real pods, real requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    missing_docs
)]

mod scene;

use catalyst_crd::{Environment, Project, labels};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, Pod, ResourceQuota, Service};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use scene::{Scene, condition, is_failed, is_ready, serves};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_answers_at_its_url_and_a_push_replaces_it_without_a_failed_request() {
    let scene = Scene::start().await;
    let first = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &first).await;

    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &first), "{:?}", ready.status);
    let url = ready.status.as_ref().unwrap().url.clone().unwrap();
    assert_eq!(
        url,
        format!(
            "http://acme-shop-preview-1.localhost:{}/",
            scene.ingress_port()
        )
    );
    assert_eq!(
        ready.annotations()[labels::RUNS],
        "Static site: serve index.html, on port 8080"
    );
    assert_eq!(
        scene.get("acme-shop-preview-1").await,
        (200, "one".to_owned())
    );
    assert_ne!(
        scene.get_path("acme-shop-preview-1", "/.git/HEAD").await.0,
        200
    );

    let second = scene.commit(&[("index.html", "two")]);
    let asking = scene.ask_all_the_time("acme-shop-preview-1");
    scene.environment("shop", "preview-1", &second).await;
    scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &second))
        .await;
    scene
        .until_gone::<Pod>(
            "acme-shop-preview-1",
            &format!("{}={first}", labels::COMMIT),
        )
        .await;
    let answers = asking.stop().await;
    assert_eq!(scene.get("acme-shop-preview-1").await.1, "two");
    assert!(answers.len() > 10, "{} answers", answers.len());
    assert!(answers.iter().all(|(code, _)| *code == 200), "{answers:?}");

    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    assert!(
        scene
            .api::<Namespace>("")
            .get_opt("acme-shop-preview-1")
            .await
            .unwrap()
            .is_none()
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_is_put_back() {
    let scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    scene.until("shop", "preview-1", is_ready).await;
    let namespace = "acme-shop-preview-1";

    scene
        .api::<NetworkPolicy>(namespace)
        .delete("default-policy", &DeleteParams::default())
        .await
        .unwrap();
    scene
        .until_there::<NetworkPolicy>(namespace, "default-policy", |_| true)
        .await;

    let patch = Patch::Merge(json!({ "spec": { "selector": { "app": "elsewhere" } } }));
    scene
        .api::<Service>(namespace)
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    scene
        .until_there::<Service>(namespace, "web", |s| {
            s.spec.as_ref().unwrap().selector.as_ref().unwrap()["app"] == "web"
        })
        .await;

    let patch = Patch::Merge(json!({ "spec": { "hard": { "pods": "1000" } } }));
    scene
        .api::<ResourceQuota>(namespace)
        .patch("default-quota", &PatchParams::default(), &patch)
        .await
        .unwrap();
    scene
        .until_there::<ResourceQuota>(namespace, "default-quota", |q| {
            q.spec.as_ref().unwrap().hard.as_ref().unwrap()["pods"].0 == "20"
        })
        .await;

    let patch = Patch::Merge(
        json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": null } } }),
    );
    scene
        .api::<Namespace>("")
        .patch(namespace, &PatchParams::default(), &patch)
        .await
        .unwrap();
    scene
        .until_there::<Namespace>("", namespace, |n| {
            n.labels()
                .contains_key("pod-security.kubernetes.io/enforce")
        })
        .await;

    for _ in 0..2 {
        let uid = scene
            .api::<Deployment>(namespace)
            .get("web")
            .await
            .unwrap()
            .uid();
        scene
            .api::<Deployment>(namespace)
            .delete("web", &DeleteParams::background())
            .await
            .unwrap();
        scene
            .until_there::<Deployment>(namespace, "web", move |d| d.uid() != uid)
            .await;
    }
    scene.until("shop", "preview-1", is_ready).await;
    let jobs = scene
        .api::<k8s_openapi::api::batch::v1::Job>(namespace)
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(jobs.items.len(), 1, "the repository was looked at once");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_namespace_is_refused_and_left_alone() {
    let scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    let foreign: Namespace = serde_json::from_value(json!({
        "metadata": { "name": "acme-shop-preview-1", "labels": { "team": "someone-else" } }
    }))
    .unwrap();
    let foreign = scene
        .api::<Namespace>("")
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    assert_eq!(
        condition(&failed, "NamespaceReady").reason,
        "NamespaceTaken"
    );

    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    let left = scene
        .api::<Namespace>("")
        .get("acme-shop-preview-1")
        .await
        .unwrap();
    assert_eq!(
        (
            left.uid(),
            left.metadata.deletion_timestamp,
            left.metadata.labels
        ),
        (foreign.uid(), None, foreign.metadata.labels)
    );
    assert!(
        scene
            .api::<ResourceQuota>("acme-shop-preview-1")
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );

    // Labels that name another team's project are refused before anything is made.
    let mut thief = scene.environment_object("shop", "preview-2", &commit);
    thief
        .labels_mut()
        .insert(labels::TEAM.to_owned(), "rival".to_owned());
    scene.apply(&thief).await;
    let failed = scene.until("shop", "preview-2", is_failed).await;
    assert_eq!(condition(&failed, "Ready").reason, "ForeignLabels");
    assert!(
        scene
            .api::<Namespace>("")
            .get_opt("rival-shop-preview-2")
            .await
            .unwrap()
            .is_none()
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_waits_for_the_namespace_says_why_and_holds_up_nobody_else() {
    let scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    scene.until("shop", "preview-1", is_ready).await;
    let stuck: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "stuck", "finalizers": ["example.com/never"] }
    }))
    .unwrap();
    let namespace = "acme-shop-preview-1";
    scene
        .api::<ConfigMap>(namespace)
        .create(&PostParams::default(), &stuck)
        .await
        .unwrap();

    scene.delete("shop", "preview-1").await;
    let waiting = scene
        .until("shop", "preview-1", |e| {
            condition(e, "NamespaceReady")
                .message
                .contains("example.com/never")
        })
        .await;
    assert_eq!(condition(&waiting, "Ready").status, "False");

    scene.environment("shop", "preview-2", &commit).await;
    scene.until("shop", "preview-2", is_ready).await;
    let still = scene
        .api::<Environment>("acme-shop")
        .get("preview-1")
        .await
        .unwrap();
    assert_eq!(still.finalizers(), [labels::ENVIRONMENT_FINALIZER]);

    let release = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    scene
        .api::<ConfigMap>(namespace)
        .patch("stuck", &PatchParams::default(), &release)
        .await
        .unwrap();
    scene.until_environment_gone("shop", "preview-1").await;
    assert!(
        scene
            .api::<Namespace>("")
            .get_opt(namespace)
            .await
            .unwrap()
            .is_none()
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_was_given_up_comes_back_by_a_retry() {
    let scene =
        Scene::start_with(|settings| settings.deadline = std::time::Duration::from_secs(6)).await;
    scene.commit(&[("index.html", "one")]);
    // A commit that the repository does not have yet.
    let missing = scene.commit_aside(&[("index.html", "later")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &missing).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let message = &condition(&failed, "BuildReady").message;
    assert!(
        message.contains("git-clone exited with 1") && message.contains(&missing),
        "{message}"
    );

    scene.bring_in(&missing);
    scene.retry("shop", "preview-1", "first").await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &missing));
    scene
        .until("shop", "preview-1", |e| {
            e.annotations()
                .get(labels::OBSERVED_RETRY)
                .is_some_and(|r| r == "first")
        })
        .await;
    assert_eq!(
        scene.get("acme-shop-preview-1").await,
        (200, "later".to_owned())
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_push_leaves_the_old_commit_serving_and_says_why() {
    let scene =
        Scene::start_with(|settings| settings.deadline = std::time::Duration::from_secs(20)).await;
    let first = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &first).await;
    scene.until("shop", "preview-1", is_ready).await;

    let broken = scene.commit(&[(
        "Makefile",
        "dev:\n\t@echo the disk is upside down >&2; exit 3\n",
    )]);
    scene.environment("shop", "preview-1", &broken).await;
    let failing = scene
        .until("shop", "preview-1", |e| {
            condition(e, "DeploymentReady")
                .message
                .contains("exited with")
        })
        .await;
    let message = &condition(&failing, "DeploymentReady").message;
    assert!(
        message.contains("app exited with 2 (make dev)"),
        "{message}"
    );
    assert!(serves(&failing, &first), "{:?}", failing.status);
    assert_eq!(scene.get("acme-shop-preview-1").await.1, "one");

    scene.remove_file("index.html");
    let nothing_left = scene.commit(&[("Makefile", ""), ("README.md", "x")]);
    scene.environment("shop", "preview-1", &nothing_left).await;
    let failed = scene
        .until("shop", "preview-1", |e| {
            is_failed(e) && condition(e, "BuildReady").reason == "NotRecognised"
        })
        .await;
    assert!(
        condition(&failed, "Ready").message.contains("README.md"),
        "{:?}",
        failed.status
    );
    assert!(serves(&failed, &first));
    let namespace = "acme-shop-preview-1";
    let gone = DeleteParams::default();
    let services = scene.api::<Service>(namespace);
    let service = services.get("web").await.unwrap();
    services.delete("web", &gone).await.unwrap();
    let ingresses = scene.api::<Ingress>(namespace);
    let ingress = ingresses.get("web").await.unwrap();
    ingresses.delete("web", &gone).await.unwrap();
    // The way there is put back, though it is not known how the new commit is run.
    scene
        .until_there::<Service>(namespace, "web", |it| {
            it.uid() != service.uid()
                && it.spec.as_ref().unwrap().ports == service.spec.as_ref().unwrap().ports
        })
        .await;
    scene
        .until_there::<Ingress>(namespace, "web", |it| {
            it.uid() != ingress.uid() && it.spec == ingress.spec
        })
        .await;

    // An edit of the Project reaches its Environments.
    let template = json!({ "spec": { "templates": { "development": { "type": "managed", "config": {
        "image": "busybox:1.37", "command": ["busybox", "httpd", "-f", "-p", "9000", "-h", "/code"], "ports": [{ "containerPort": 9000 }]
    }}}}});
    scene
        .api::<Project>("acme")
        .patch("shop", &PatchParams::default(), &Patch::Merge(template))
        .await
        .unwrap();
    scene
        .until("shop", "preview-1", |e| {
            is_ready(e) && serves(e, &nothing_left)
        })
        .await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_project_is_said_and_never_holds_up_a_deletion() {
    let scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    scene.environment("shop", "preview-1", &commit).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    assert_eq!(condition(&failed, "Ready").reason, "ProjectNotFound");

    scene.project("shop").await;
    scene.until("shop", "preview-1", is_ready).await;

    // The Project waits for its Environments, but no Environment for its Project.
    let projects = scene.api::<Project>("acme");
    projects
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    scene
        .until_there::<Project>("acme", "shop", |p| {
            let ready = p
                .status
                .as_ref()
                .unwrap()
                .conditions
                .iter()
                .find(|c| c.type_ == "Ready")
                .unwrap();
            ready.reason == "InUse" && ready.message.contains("acme-shop/preview-1")
        })
        .await;
    let by_force = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    projects
        .patch("shop", &PatchParams::default(), &by_force)
        .await
        .unwrap();
    let orphan = scene
        .until("shop", "preview-1", |e| {
            condition(e, "Ready").reason == "ProjectNotFound"
        })
        .await;
    assert!(serves(&orphan, &commit), "what runs goes on running");
    let unlabelled = Patch::Merge(json!({ "metadata": { "labels": null } }));
    scene
        .api::<Environment>("acme-shop")
        .patch("preview-1", &PatchParams::default(), &unlabelled)
        .await
        .unwrap();
    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    assert!(
        scene
            .api::<Namespace>("")
            .get_opt("acme-shop-preview-1")
            .await
            .unwrap()
            .is_none()
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_goes_once_its_last_environment_is_gone() {
    let scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    scene.until("shop", "preview-1", is_ready).await;
    scene
        .api::<Project>("acme")
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    scene.until_gone_by_name::<Project>("acme", "shop").await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environment_that_cannot_be_read_is_told_so_and_hurts_no_other() {
    let scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    // More than a port can be, which a schema does not say.
    let mut poison =
        serde_json::to_value(scene.environment_object("shop", "preview-1", &commit)).unwrap();
    poison["spec"]["config"] =
        json!({ "image": "busybox", "ports": [{ "containerPort": 3_000_000_000_u64 }] });
    scene.apply_value(&poison).await;
    scene.environment("shop", "preview-2", &commit).await;
    scene.until("shop", "preview-2", is_ready).await;
    let status = scene
        .until_value("acme-shop", "preview-1", |e| {
            e["status"]["phase"] == "Failed"
        })
        .await;
    let conditions = status["status"]["conditions"].as_array().unwrap().clone();
    assert!(
        conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["reason"] == "Unreadable"),
        "{conditions:?}"
    );
    scene.delete("shop", "preview-2").await;
    scene.until_environment_gone("shop", "preview-2").await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_up_where_it_was_and_finds_what_was_left_behind() {
    let mut scene = Scene::start().await;
    let commit = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    scene.environment("shop", "preview-2", &commit).await;
    scene.until("shop", "preview-2", is_ready).await;
    scene.stop_operator().await;

    scene.environment("shop", "preview-3", &commit).await;
    scene.delete("shop", "preview-1").await;
    // Taken off by hand while nobody looked.
    let by_force = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    scene
        .api::<Environment>("acme-shop")
        .patch("preview-2", &PatchParams::default(), &by_force)
        .await
        .unwrap();
    scene.delete("shop", "preview-2").await;

    scene.start_operator();
    scene.until("shop", "preview-3", is_ready).await;
    scene.until_environment_gone("shop", "preview-1").await;
    for gone in ["acme-shop-preview-1", "acme-shop-preview-2"] {
        scene.until_gone_by_name::<Namespace>("", gone).await;
    }
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_commit_of_a_branch_is_found_and_reported() {
    let scene = Scene::start().await;
    let newest = scene.commit(&[("index.html", "newest")]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", "HEAD").await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &newest), "{:?}", ready.status);
    let namespace = "acme-shop-preview-1";
    let ingress = scene.api::<Ingress>(namespace).get("web").await.unwrap();
    assert_eq!(
        ingress.spec.unwrap().rules.unwrap()[0].host.as_deref(),
        Some("acme-shop-preview-1.localhost")
    );
    let limits = scene
        .api::<LimitRange>(namespace)
        .get("default-limits")
        .await
        .unwrap();
    assert!(limits.spec.unwrap().limits[0].default.is_some());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_refuses_every_third_call_loses_nothing() {
    let calm = calls_for_five_previews(0).await;
    let rough = calls_for_five_previews(30).await;
    eprintln!("five previews took {calm} calls, and {rough} where 30 % were refused");
    assert!(
        rough <= calm * 2,
        "{calm} calls in calm, {rough} in rough weather"
    );
}

/// Brings five previews up and takes them away; the number of requests that it took.
async fn calls_for_five_previews(refused_percent: u32) -> usize {
    let mut scene = Scene::start_without_operator().await;
    let weather = scene.start_operator_in(refused_percent);
    let commit = scene.commit(&[("index.html", "one")]);
    scene.project("shop").await;
    let names: Vec<_> = (1..=5).map(|n| format!("preview-{n}")).collect();
    for name in &names {
        scene.environment("shop", name, &commit).await;
    }
    for name in &names {
        scene.until("shop", name, is_ready).await;
    }
    for name in &names {
        scene.delete("shop", name).await;
    }
    for name in &names {
        scene.until_environment_gone("shop", name).await;
        assert!(
            scene
                .api::<Namespace>("")
                .get_opt(&format!("acme-shop-{name}"))
                .await
                .unwrap()
                .is_none()
        );
    }
    scene.stop().await;
    weather.calls()
}

/// A figure for people: how long many previews take, and that they all come and go.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on a small machine; run it alone"]
async fn fifty_previews_at_once_all_come_and_go() {
    let scene = Scene::start().await;
    scene.project("shop").await;
    let names: Vec<_> = (1..=50).map(|n| format!("preview-{n}")).collect();
    let commits: Vec<_> = names
        .iter()
        .map(|name| scene.commit(&[("index.html", name)]))
        .collect();
    let began = std::time::Instant::now();
    for (name, commit) in names.iter().zip(&commits) {
        scene.environment("shop", name, commit).await;
    }
    for (name, commit) in names.iter().zip(&commits) {
        let ready = scene.until("shop", name, is_ready).await;
        assert!(serves(&ready, commit));
        // Its own content, not a neighbour's.
        assert_eq!(
            scene.get(&format!("acme-shop-{name}")).await,
            (200, name.clone())
        );
    }
    eprintln!("50 previews are ready after {:?}", began.elapsed());
    let began = std::time::Instant::now();
    for name in &names {
        scene.delete("shop", name).await;
    }
    for name in &names {
        scene.until_environment_gone("shop", name).await;
    }
    eprintln!("and gone after {:?}", began.elapsed());
    scene.stop().await;
}

/// Usual applications with nothing said about how to run them. Needs the package registries.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads packages"]
async fn usual_applications_run_without_any_configuration() {
    let scene = Scene::start().await;
    scene.project("shop").await;
    let vite = r#"{ "private": true, "type": "module", "scripts": { "dev": "vite" }, "devDependencies": { "vite": "^7.0.0" } }"#;
    let express =
        r#"{ "scripts": { "start": "node index.js" }, "dependencies": { "express": "^5.0.0" } }"#;
    let server = "const app = require('express')()\nconst port = 3000\napp.get('/', (q, r) => r.send('express'))\napp.listen(port)\n";
    let flask = "from flask import Flask\napp = Flask(__name__)\n@app.get('/')\ndef home():\n    return 'flask'\n";
    let go = "package main\nimport (\"net/http\"; \"os\")\nfunc main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(\"go\")) })) }\n";
    type Files<'a> = &'a [(&'a str, &'a str)];
    let applications: [(&str, Files, &str); 4] = [
        (
            "vite",
            &[("package.json", vite), ("index.html", "<p>vite</p>")],
            "<p>vite</p>",
        ),
        (
            "express",
            &[("package.json", express), ("index.js", server)],
            "express",
        ),
        (
            "flask",
            &[("requirements.txt", "flask\n"), ("app.py", flask)],
            "flask",
        ),
        (
            "go",
            &[
                ("go.mod", "module example.com/go\n\ngo 1.21\n"),
                ("main.go", go),
            ],
            "go",
        ),
    ];
    for (name, files, _) in applications {
        scene.clear();
        let commit = scene.commit(files);
        scene.environment("shop", name, &commit).await;
    }
    for (name, _, answer) in applications {
        let began = std::time::Instant::now();
        let ready = scene.until("shop", name, is_ready).await;
        eprintln!(
            "{name}: {} ({:?} more)",
            ready.annotations()[labels::RUNS],
            began.elapsed()
        );
        let (code, body) = scene.get(&format!("acme-shop-{name}")).await;
        assert!(
            code == 200 && body.contains(answer),
            "{name}: {code} {body}"
        );
    }
    scene.stop().await;
}
