//! What builds are made of, by each engine.

use std::collections::BTreeMap;

use catalyst_render::Folder;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::*;
use crate::builds::{BuildSettings, Daemon, Engine, Identity};
use crate::desired::tests::{pull_request, target};

pub(super) fn settings(engine: Engine, insecure: bool) -> BuildSettings {
    BuildSettings {
        image: engine.usual_image().to_owned(),
        engine,
        registry: "registry.example.com/previews".to_owned(),
        insecure,
    }
}

pub(super) fn buildkit() -> BuildSettings {
    let daemon = Daemon {
        address: "tcp://catalyst-buildkitd.catalyst-system-builds.svc:1234"
            .parse()
            .unwrap(),
        identity: Some(Identity {
            authority: "an authority".to_owned(),
            certificate: "a certificate".to_owned(),
            key: "a key".to_owned(),
        }),
    };
    settings(Engine::BuildKit(daemon), true)
}

pub(super) fn order(changes: impl FnOnce(&mut Order)) -> Order {
    let mut order = Order {
        name: "web".to_owned(),
        source: pull_request(),
        context: "apps/web".to_owned(),
        dockerfile: "FROM scratch\n".to_owned(),
        ignore: None,
        words: "apps/web/Dockerfile".to_owned(),
        target: Some("production".to_owned()),
        args: BTreeMap::from([("GREETING".to_owned(), "a, b=c; $(id)".to_owned())]),
        resources: None,
        image: "registry.example.com/previews/shop/web-preview-42:abc".to_owned(),
    };
    changes(&mut order);
    order
}

fn job(order: &Order, builds: &BuildSettings, secrets: Option<&Held>) -> Job {
    order.job(
        &target(),
        None,
        secrets,
        &OperatorSettings::default(),
        builds,
    )
}

fn arguments(order: &Order, builds: &BuildSettings, secrets: Option<&Held>) -> Vec<String> {
    let job = json!(job(order, builds, secrets));
    serde_json::from_value(job["spec"]["template"]["spec"]["containers"][0]["args"].clone())
        .unwrap()
}

/// The values of a flag that stands before each of them.
fn of(arguments: &[String], flag: &str) -> Vec<String> {
    arguments
        .windows(2)
        .filter(|pair| pair[0] == flag)
        .map(|pair| pair[1].clone())
        .collect()
}

#[test]
fn a_build_job_fits_a_previews_namespace_whatever_builds() {
    for builds in [buildkit(), settings(Engine::Kaniko, false)] {
        let job = json!(job(&order(|_| {}), &builds, None));
        let pod = &job["spec"]["template"]["spec"];
        insta::assert_yaml_snapshot!(container_name(&builds.engine), job);
        assert_eq!(pod["automountServiceAccountToken"], false);
        for list in ["initContainers", "containers"] {
            for container in pod[list].as_array().unwrap() {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false);
                assert!(
                    context["privileged"].is_null() && context["capabilities"]["add"].is_null()
                );
            }
        }
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume["hostPath"].is_null(), "{volume}");
        }
    }
}

#[test]
fn build_arguments_and_stages_are_words_of_their_own() {
    let order = order(|order| {
        order
            .args
            .insert("BUILDKIT_CACHE_MOUNT_NS".to_owned(), "others".to_owned());
    });
    let all = arguments(&order, &buildkit(), None);
    let options = of(&all, "--opt");
    assert!(options.contains(&"build-arg:GREETING=a, b=c; $(id)".to_owned()));
    assert!(options.contains(&"target=production".to_owned()));
    let own = format!("build-arg:BUILDKIT_CACHE_MOUNT_NS={}", target().namespace);
    let shared: Vec<_> = options
        .iter()
        .filter(|o| o.contains("CACHE_MOUNT"))
        .collect();
    assert_eq!(shared, [&own]);
    let all = arguments(&order, &settings(Engine::Kaniko, true), None);
    assert!(all.contains(&"--build-arg=GREETING=a, b=c; $(id)".to_owned()));
    assert!(all.contains(&"--target=production".to_owned()));
}

#[test]
fn a_pull_request_reads_the_layers_of_the_projects_branch_and_writes_none() {
    let own = order(|order| {
        order.source.pull_request = None;
        order.source.branch = order.source.trunk.clone();
    });
    let other = order(|order| order.source.pull_request = None);
    let cache = "type=registry,ref=registry.example.com/previews/shop/web-cache:b-main,registry.insecure=true";
    for (order, writes) in [(&order(|_| {}), false), (&other, false), (&own, true)] {
        let all = arguments(order, &buildkit(), None);
        assert_eq!(of(&all, "--import-cache"), [cache]);
        assert_eq!(!of(&all, "--export-cache").is_empty(), writes);
        let all = arguments(order, &settings(Engine::Kaniko, false), None);
        assert!(
            all.contains(&"--cache-repo=registry.example.com/previews/shop/web-cache".to_owned())
        );
        assert_eq!(!all.contains(&"--no-push-cache".to_owned()), writes);
    }
}

#[test]
fn secrets_are_named_and_never_written() {
    let held = Held {
        version: "1".to_owned(),
        names: ["NPM_TOKEN".to_owned()].into(),
    };
    let order = order(|_| {});
    let all = arguments(&order, &buildkit(), Some(&held));
    assert_eq!(
        of(&all, "--secret"),
        [format!("id=NPM_TOKEN,src={SECRETS_PATH}/NPM_TOKEN")]
    );
    let job = json!(job(&order, &buildkit(), Some(&held)));
    let pod = &job["spec"]["template"]["spec"];
    let mounts = |container: &Value| container["volumeMounts"].to_string();
    // The container that clones gets to see none.
    assert!(!mounts(&pod["initContainers"][0]).contains(SECRETS_VOLUME));
    assert!(!mounts(&pod["initContainers"][0]).contains(CREDENTIALS_VOLUME));
    assert!(!mounts(&pod["initContainers"][0]).contains(IDENTITY_VOLUME));
    assert!(mounts(&pod["containers"][0]).contains(SECRETS_VOLUME));
    assert!(!job.to_string().contains("a key"));
    assert!(!format!("{:?}", buildkit()).contains("a key"));
}

#[test]
fn a_build_is_the_same_until_something_that_it_is_made_of_changes() {
    let first = order(|_| {});
    assert_eq!(
        first.key(),
        order(|order| order.words = "x".to_owned()).key()
    );
    for other in [
        order(|order| order.dockerfile.push('\n')),
        order(|order| order.context.clear()),
        order(|order| order.target = None),
        order(|order| order.args.clear()),
        order(|order| order.source.reference = crate::desired::Reference::Newest),
    ] {
        assert_ne!(first.key(), other.key());
        assert_ne!(first.job_name(None), other.job_name(None));
    }
    assert_ne!(first.job_name(None), first.job_name(Some("1")));
    let long = order(|order| order.name = "n".repeat(40));
    assert!(long.job_name(None).len() <= 63);
}

#[test]
fn an_image_stays_for_all_attempts_and_a_failure_for_its_own() {
    let this = order(|_| {});
    let outcome = |image: Option<&str>, failure: Option<&str>| Outcome {
        key: this.key(),
        retry: Some("1".to_owned()),
        image: image.map(ToOwned::to_owned),
        failure: failure.map(ToOwned::to_owned),
    };
    let built = outcome(Some("r/a:1"), None).record(&target(), &this);
    let failed = outcome(None, Some("why")).record(&target(), &this);
    for retry in [None, Some("1"), Some("2")] {
        assert!(Outcome::of(&built, &this, retry).is_some());
        assert_eq!(
            Outcome::of(&failed, &this, retry).is_some(),
            retry == Some("1")
        );
    }
    let other = order(|order| order.args.clear());
    assert_eq!(Outcome::of(&built, &other, None), None);
}

fn program(files: &[(&str, &str)], build: Value) -> Result<(Order, u16), String> {
    let (target, settings, builds) = (target(), OperatorSettings::default(), buildkit());
    let builder = Builder {
        target: &target,
        settings: &settings,
        builds: &builds,
    };
    let build = serde_json::from_value(build).unwrap();
    let folder = Folder::of(files.iter().copied());
    let ordered = builder.program(&folder, &pull_request(), "", Option::as_ref(&build));
    ordered.map_err(|problem| problem.message)
}

#[test]
fn the_template_says_what_is_built_or_else_the_repository_does() {
    let files = [
        ("Dockerfile", "FROM a\nEXPOSE 1\n"),
        (
            "apps/web/Dockerfile.prod",
            "FROM a AS one\nEXPOSE 2\nFROM b\nEXPOSE 3\n",
        ),
        ("apps/web/Dockerfile.prod.dockerignore", "*.md\n"),
    ];
    let (order, port) = program(&files, json!(null)).unwrap();
    assert_eq!(
        (order.name.as_str(), order.context.as_str(), port),
        ("web", "", 1)
    );
    let build = json!({ "name": "Site", "sourceRef": "primary", "path": "/apps/web", "dockerfile": "Dockerfile.prod", "target": "one" });
    let (order, port) = program(&files, build).unwrap();
    assert_eq!(
        (order.name.as_str(), order.context.as_str(), port),
        ("site", "apps/web", 2)
    );
    assert_eq!(order.ignore.as_deref(), Some("*.md\n"));

    let missing = json!({ "name": "x", "sourceRef": "", "path": "api" });
    assert!(
        program(&files, missing)
            .unwrap_err()
            .contains("api/Dockerfile")
    );
    let outside = json!({ "name": "x", "sourceRef": "", "path": "../other" });
    assert!(program(&files, outside).is_err());
}

#[test]
fn a_repository_without_a_dockerfile_gets_one_if_it_is_known_what_it_is() {
    let package = r#"{ "scripts": { "start": "node server.js" } }"#;
    let files = [("package.json", package), ("package-lock.json", "{}")];
    let (order, port) = program(&files, json!(null)).unwrap();
    assert!(order.dockerfile.contains("FROM node:") && order.ignore.is_some());
    assert_eq!(port, 8080);
    assert!(
        program(&[("README.md", "")], json!(null))
            .unwrap_err()
            .contains("Dockerfile")
    );
}
