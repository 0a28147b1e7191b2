#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use catalyst_crd::project::Template;
use catalyst_crd::{Environment, EnvironmentConfig, Project, labels};
use serde::Serialize;
use serde_json::{Value, json};

use super::quota::{Allowance, limit_range, resource_quota};
use super::workload::{Ingredients, Workload, claims, deployment};
use super::{
    Reference, Source, Target, config, filling, inspect, namespace, policy, routing, services,
    source,
};
use crate::OperatorSettings;
use catalyst_render::Folder;
use catalyst_render::detect::{detect, survey};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

pub(crate) fn settings() -> OperatorSettings {
    OperatorSettings {
        local_preview_routing: true,
        allow_local_repositories: true,
        ..OperatorSettings::default()
    }
}

fn environment(changes: &Value) -> Environment {
    let mut value = json!({
        "apiVersion": "catalyst.catalyst.dev/v1alpha1", "kind": "Environment",
        "metadata": {
            "name": "preview-7", "namespace": "acme-shop",
            "labels": { labels::TEAM: "acme", labels::PROJECT: "shop", labels::ENVIRONMENT: "preview-7" }
        },
        "spec": {
            "projectRef": { "name": "shop" }, "type": "development",
            "sources": [{ "name": "primary", "commitSha": COMMIT, "branch": "feature/login", "prNumber": 7 }]
        }
    });
    merge(&mut value, changes);
    serde_json::from_value(value).unwrap()
}

fn merge(value: &mut Value, changes: &Value) {
    match (value, changes) {
        (Value::Object(value), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(value.entry(key).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change.clone(),
    }
}

fn project() -> Project {
    serde_json::from_value(json!({
        "metadata": { "name": "shop", "namespace": "acme" },
        "spec": { "sources": [
            { "name": "primary", "repositoryUrl": "https://github.com/acme/shop.git", "branch": "main" },
            { "name": "source-2", "repositoryUrl": "file:///srv/git/api", "branch": "trunk" }
        ]}
    }))
    .unwrap()
}

pub(crate) fn target() -> Target {
    Target::of(&environment(&json!({})), &BTreeMap::new(), &settings()).unwrap()
}

pub(crate) fn pull_request() -> Source {
    Source::of(&environment(&json!({})), &project(), &settings()).unwrap()
}

fn full_config() -> EnvironmentConfig {
    serde_json::from_value(json!({
        "image": "node:22-slim", "command": ["npm"], "args": ["run", "dev"], "workingDir": "/code",
        "ports": [{ "containerPort": 3000 }],
        "env": [{ "name": "LOG", "value": "debug" }, { "name": "HOST", "value": "::" }],
        "resources": { "limits": { "cpu": "1", "memory": "2Gi" } },
        "readinessProbe": { "httpGet": { "path": "/ready", "port": 3000 } },
        "volumeMounts": [{ "name": "code", "mountPath": "/code" }, { "name": "cache", "mountPath": "/cache" }],
        "initContainers": [{ "name": "migrate", "command": ["npm", "run", "migrate"], "workingDir": "/code", "volumeMounts": [{ "name": "code", "mountPath": "/code" }] }],
        "services": [{ "name": "postgres", "database": "shop", "container": { "image": "postgres:16", "ports": [{ "containerPort": 5432 }] },
            "storage": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
        "volumes": [{ "name": "code", "persistentVolumeClaim": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "5Gi" } } } }]
    }))
    .unwrap()
}

fn development(
    config: &EnvironmentConfig,
    source: &Source,
    report: Option<&Folder>,
    retry: Option<&str>,
) -> Workload {
    let (target, settings) = (target(), settings());
    let plan = report.map(|report| detect(&survey(report), None).unwrap());
    let ingredients = Ingredients {
        target: &target,
        settings: &settings,
        config,
        retry,
        secrets: None,
    };
    ingredients
        .development(
            source,
            plan.as_ref(),
            &services::variables(&config.services),
        )
        .unwrap()
}

fn vite() -> Folder {
    let package = r#"{ "scripts": { "dev": "vite" }, "devDependencies": { "vite": "7" } }"#;
    Folder::of([("package.json", package), ("package-lock.json", "{}")])
}

fn snapshot(name: &str, object: &impl Serialize) {
    insta::assert_yaml_snapshot!(name, serde_json::to_value(object).unwrap());
}

#[test]
fn the_namespace_and_its_walls() {
    let (target, settings) = (target(), settings());
    snapshot(
        "namespace",
        &namespace::namespace(&target, Some(&pull_request())),
    );
    snapshot("service_account", &namespace::service_account(&target));
    snapshot("quota", &resource_quota(&target, Allowance::default()));
    snapshot("limits", &limit_range(&target, Allowance::default()));
    snapshot("policy", &policy::network_policy(&target, &settings));
    snapshot("ingress", &routing::ingress(&target, None, &settings));
    snapshot("service", &routing::service(&target, 3000));
}

#[test]
fn the_job_that_looks_at_a_repository() {
    snapshot(
        "inspect",
        &inspect::job(
            &target(),
            &pull_request(),
            &inspect::Subject::source(),
            "",
            None,
            &settings(),
        ),
    );
}

#[test]
fn a_detected_workload() {
    let workload = development(
        &EnvironmentConfig::default(),
        &pull_request(),
        Some(&vite()),
        None,
    );
    snapshot("detected", &deployment(&target(), &workload, &settings()));
    assert_eq!(
        workload.words,
        "Vite on Node 22: npm ci, then npm run dev, on port 8080"
    );
}

#[test]
fn a_configured_workload_with_its_database() {
    let (target, settings, config) = (target(), settings(), full_config());
    let workload = development(&config, &pull_request(), None, Some("2026-01-01"));
    snapshot("configured", &deployment(&target, &workload, &settings));
    snapshot("claim", &claims(&target, &config));
    snapshot(
        "database",
        &services::stateful_set(
            &target,
            &config.services[0],
            Allowance::default(),
            &settings,
        ),
    );
    snapshot(
        "database_service",
        &services::service(&target, &config.services[0]),
    );
    snapshot(
        "credentials",
        &services::credentials(&target, &config.services[0], "generated"),
    );
}

#[test]
fn an_image_as_it_is() {
    let (target, settings) = (target(), settings());
    let config = EnvironmentConfig {
        services: Vec::new(),
        init_containers: Vec::new(),
        ..full_config()
    };
    let ingredients = Ingredients {
        target: &target,
        settings: &settings,
        config: &config,
        retry: None,
        secrets: None,
    };
    let workload = ingredients
        .production(Some(&COMMIT.parse().unwrap()), None, &[])
        .unwrap();
    snapshot("production", &deployment(&target, &workload, &settings));
}

#[test]
fn everything_says_whose_it_is_and_no_pod_gets_a_token() {
    let (target, settings, config) = (target(), settings(), full_config());
    let workload = development(&config, &pull_request(), Some(&vite()), None);
    let objects = [
        json!(namespace::namespace(&target, None)),
        json!(namespace::service_account(&target)),
        json!(resource_quota(&target, Allowance::default())),
        json!(limit_range(&target, Allowance::default())),
        json!(policy::network_policy(&target, &settings)),
        json!(routing::ingress(&target, None, &settings)),
        json!(routing::service(&target, 80)),
        json!(source::scripts(&target, &settings)),
        json!(inspect::job(
            &target,
            &pull_request(),
            &inspect::Subject::source(),
            "",
            None,
            &settings
        )),
        json!(inspect::record(
            &target,
            &inspect::Subject::source(),
            "key",
            b"report"
        )),
        json!(deployment(&target, &workload, &settings)),
        json!(services::stateful_set(
            &target,
            &config.services[0],
            Allowance::default(),
            &settings
        )),
        json!(services::service(&target, &config.services[0])),
        json!(services::credentials(&target, &config.services[0], "x")),
        json!(claims(&target, &config)[0]),
    ];
    for object in objects {
        let metas = [&object["metadata"], &object["spec"]["template"]["metadata"]];
        for meta in metas.into_iter().filter(|meta| meta.is_object()) {
            assert_eq!(
                meta["annotations"][labels::OWNER],
                "acme-shop/preview-7",
                "{object}"
            );
            assert_eq!(
                meta["labels"][labels::MANAGED_BY],
                labels::MANAGER,
                "{object}"
            );
            assert_eq!(meta["labels"][labels::ENVIRONMENT], "preview-7", "{object}");
        }
        let pod = &object["spec"]["template"]["spec"];
        if pod.is_object() {
            assert_eq!(pod["automountServiceAccountToken"], false, "{object}");
            assert_eq!(pod["enableServiceLinks"], false, "{object}");
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
                "{object}"
            );
            for field in ["hostNetwork", "hostPID", "hostIPC", "serviceAccountName"] {
                assert_eq!(pod[field], Value::Null, "{field}");
            }
            let containers = ["initContainers", "containers"]
                .iter()
                .filter_map(|kind| pod[kind].as_array())
                .flatten();
            for container in containers {
                assert_eq!(
                    container["securityContext"]["allowPrivilegeEscalation"], false,
                    "{container}"
                );
                assert_eq!(
                    container["securityContext"]["privileged"],
                    Value::Null,
                    "{container}"
                );
            }
        }
    }
}

#[test]
fn a_new_commit_a_retry_and_a_changed_variable_each_make_a_new_version_and_nothing_else_does() {
    let config = EnvironmentConfig::default();
    let source = pull_request();
    let report = vite();
    let first = development(&config, &source, Some(&report), None);
    assert_eq!(first, development(&config, &source, Some(&report), None));
    let other = source.at(&"f".repeat(40).parse().unwrap());
    let changed = EnvironmentConfig {
        env: serde_json::from_value(json!([{ "name": "A", "value": "1" }])).unwrap(),
        ..EnvironmentConfig::default()
    };
    for next in [
        development(&config, &other, Some(&report), None),
        development(&config, &source, Some(&report), Some("1")),
        development(&changed, &source, Some(&report), None),
    ] {
        assert_ne!(first.version, next.version);
    }
}

#[test]
fn explicit_values_win_over_detected_ones_field_by_field() {
    let config: EnvironmentConfig = serde_json::from_value(json!({
        "command": ["npm"], "args": ["run", "storybook"], "ports": [{ "containerPort": 6006 }],
        "env": [{ "name": "NODE_ENV", "value": "test" }]
    }))
    .unwrap();
    let workload = development(&config, &pull_request(), Some(&vite()), None);
    let pod = json!(workload.template)["spec"].clone();
    assert_eq!(pod["containers"][0]["image"], "node:22");
    let command = pod["containers"][0]["command"].as_array().unwrap();
    assert_eq!(
        command.last().unwrap(),
        "npm",
        "on a path with what was installed"
    );
    assert_eq!(pod["containers"][0]["workingDir"], "/code");
    assert_eq!(workload.port, 6006);
    let names: Vec<_> = pod["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["git-clone", "install"]);
    let env = pod["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| {
        env.iter()
            .find(|v| v["name"] == name)
            .map(|v| v["value"].as_str().unwrap())
    };
    assert_eq!(
        (value("NODE_ENV"), value("PORT")),
        (Some("test"), Some("6006"))
    );
}

#[test]
fn a_configuration_without_image_or_port_is_said_to_be_incomplete() {
    let (target, settings) = (target(), settings());
    for config in [
        json!({ "image": "node:22" }),
        json!({ "ports": [{ "containerPort": 80 }] }),
    ] {
        let config: EnvironmentConfig = serde_json::from_value(config).unwrap();
        let ingredients = Ingredients {
            target: &target,
            settings: &settings,
            config: &config,
            retry: None,
            secrets: None,
        };
        assert_eq!(
            ingredients
                .development(&pull_request(), None, &[])
                .unwrap_err()
                .reason,
            "ConfigIncomplete"
        );
        assert_eq!(
            ingredients.production(None, None, &[]).unwrap_err().reason,
            "ConfigIncomplete"
        );
    }
}

#[test]
fn the_commit_is_what_is_asked_for_and_never_something_else() {
    let of = |sources: Value| {
        Source::of(
            &environment(&json!({ "spec": { "sources": sources } })),
            &project(),
            &settings(),
        )
    };
    let exact = of(json!([{ "name": "primary", "commitSha": COMMIT, "branch": "x" }])).unwrap();
    assert_eq!(
        (exact.commit().unwrap().as_str(), exact.branch.as_str()),
        (COMMIT, "x")
    );
    for sha in ["", "HEAD"] {
        let newest = of(json!([{ "name": "source-2", "commitSha": sha, "branch": "" }])).unwrap();
        assert_eq!(
            (newest.reference, newest.branch.as_str()),
            (Reference::Newest, "trunk")
        );
        assert_eq!(newest.repository.local_path(), Some("/srv/git/api"));
    }
    assert_eq!(of(json!([])).unwrap().branch, "main");
    assert_eq!(
        of(json!([{ "name": "main", "commitSha": COMMIT, "branch": "x" }]))
            .unwrap_err()
            .reason,
        "SourceNotFound"
    );
    for sha in ["latest", "0123456", "$(id)", "--help"] {
        assert_eq!(
            of(json!([{ "name": "primary", "commitSha": sha, "branch": "x" }]))
                .unwrap_err()
                .reason,
            "CommitInvalid"
        );
    }
}

#[test]
fn each_template_and_build_takes_its_own_source_at_the_environments_commit_of_it() {
    let other = "89abcdef0123456789abcdef0123456789abcdef";
    let both = environment(&json!({ "spec": { "sources": [
        { "name": "primary", "commitSha": COMMIT, "branch": "x" },
        { "name": "source-2", "commitSha": other, "branch": "y" }
    ] } }));
    let one = environment(&json!({}));
    for (environment, named, source, commit, branch) in [
        (&both, None, "primary", Some(COMMIT), "x"),
        (&both, Some(""), "primary", Some(COMMIT), "x"),
        (&both, Some("primary"), "primary", Some(COMMIT), "x"),
        (&both, Some("source-2"), "source-2", Some(other), "y"),
        // What the Environment does not name stands at its own branch.
        (&one, Some("source-2"), "source-2", None, "trunk"),
    ] {
        let found = Source::named(named, environment, &project(), &settings()).unwrap();
        assert_eq!(found.name, source);
        assert_eq!(found.commit().map(|commit| commit.as_str()), commit);
        assert_eq!(found.branch, branch, "{named:?}");
    }
}

#[test]
fn a_source_that_the_project_does_not_have_is_said_wherever_it_is_named() {
    let of = |sources: Value, template: Value| {
        let template: Template = serde_json::from_value(template).unwrap();
        let environment = environment(&json!({ "spec": { "sources": sources } }));
        Source::check(&environment, &project(), Some(&template))
    };
    let source = |name: &str| json!({ "name": name, "commitSha": COMMIT, "branch": "x" });
    let build = |name: &str| json!({ "type": "managed", "builds": [{ "name": "api", "sourceRef": "primary" }, { "name": "site", "sourceRef": name }] });
    let primary = || json!([source("primary")]);
    for (sources, template) in [
        (primary(), json!({ "type": "managed" })),
        (
            primary(),
            json!({ "type": "kustomize", "sourceRef": "source-2" }),
        ),
        (primary(), json!({ "type": "kustomize", "sourceRef": "" })),
        (
            json!([source("source-2"), source("primary")]),
            build("source-2"),
        ),
        (json!([]), build("")),
    ] {
        assert_eq!(of(sources, template.clone()), Ok(()), "{template}");
    }
    for (sources, template, said) in [
        (
            json!([source("primary"), source("main")]),
            build("primary"),
            "the Environment's source \"main\"",
        ),
        (
            json!([source("primary"), source("primary")]),
            build("primary"),
            "\"primary\" twice",
        ),
        (
            primary(),
            json!({ "type": "kustomize", "sourceRef": "charts" }),
            "the template's sourceRef \"charts\"",
        ),
        (
            primary(),
            build("site"),
            "the sourceRef of the template's build site \"site\"",
        ),
    ] {
        let problem = of(sources, template).unwrap_err();
        assert_eq!(problem.reason, "SourceNotFound");
        assert!(problem.message.contains(said), "{}", problem.message);
    }
    let unknown = of(json!([source("main")]), build("primary")).unwrap_err();
    assert!(
        unknown.message.ends_with("it has primary, source-2"),
        "{}",
        unknown.message
    );
}

#[test]
fn what_comes_from_a_source_carries_its_name() {
    let (target, settings) = (target(), settings());
    let source = pull_request();
    let config = full_config();
    let workload = development(&config, &source, None, None);
    let web = json!(deployment(&target, &workload, &settings));
    let look = json!(inspect::job(
        &target,
        &source,
        &inspect::Subject::source(),
        "",
        None,
        &settings
    ));
    let fillings = filling::Fillings {
        target: &target,
        config: &serde_json::from_value(json!({ "seed": { "command": ["true"] } })).unwrap(),
        source: &source,
        workload: &workload,
        retry: None,
        settings: &settings,
    };
    let seed = json!(
        fillings
            .all::<std::sync::Arc<k8s_openapi::api::core::v1::Pod>>(&[])
            .unwrap()[0]
            .job
    );
    for object in [web, look, seed] {
        for meta in [&object["metadata"], &object["spec"]["template"]["metadata"]] {
            assert_eq!(meta["labels"][labels::COMPONENT], "primary", "{object}");
        }
    }
    // A database comes from none.
    let set = services::stateful_set(
        &target,
        &config.services[0],
        Allowance::default(),
        &settings,
    );
    assert!(!json!(set).to_string().contains(labels::COMPONENT));
}

#[test]
fn labels_that_name_another_teams_namespace_are_refused() {
    let of = |changes: Value, home: &[(&str, &str)]| {
        let home = home
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Target::of(&environment(&changes), &home, &settings())
    };
    let own = [(labels::TEAM, "acme"), (labels::PROJECT, "shop")];
    assert_eq!(
        of(json!({}), &own).unwrap().namespace,
        "acme-shop-preview-7"
    );
    let stolen = json!({ "metadata": { "labels": { labels::TEAM: "rival" } } });
    assert_eq!(of(stolen, &[]).unwrap_err().reason, "ForeignLabels");
    // `acme-shop` is also the namespace of team `acme-shop` without a project's name in it, and
    // `a-b` with `c` that of `a` with `b-c`; the namespace says whose it is.
    let split = json!({ "metadata": { "namespace": "a-b-c", "labels": { labels::TEAM: "a", labels::PROJECT: "b-c" } } });
    assert!(of(split.clone(), &[]).is_ok());
    let other = [(labels::TEAM, "a-b"), (labels::PROJECT, "c")];
    assert_eq!(of(split, &other).unwrap_err().reason, "ForeignLabels");
    let renamed = json!({ "metadata": { "labels": { labels::ENVIRONMENT: "preview-8" } } });
    assert_eq!(of(renamed, &own).unwrap_err().reason, "ForeignLabels");
    let missing = json!({ "metadata": { "labels": { labels::TEAM: Value::Null } } });
    assert!(
        serde_json::from_value::<Environment>(json!(missing)).is_err(),
        "not even an Environment"
    );
    let empty = json!({ "metadata": { "labels": { labels::TEAM: "" } } });
    assert_eq!(of(empty, &own).unwrap_err().reason, "LabelMissing");
}

#[test]
fn the_url_is_the_namespaces_host() {
    let local = target();
    assert_eq!(local.url, "http://acme-shop-preview-7.localhost:8080/");
    let public = Target::of(
        &environment(&json!({})),
        &BTreeMap::new(),
        &OperatorSettings::default(),
    )
    .unwrap();
    assert_eq!(
        public.url,
        "https://acme-shop-preview-7.preview.catalyst.dev/"
    );
    let long = json!({ "metadata": { "name": "e".repeat(80), "labels": { labels::ENVIRONMENT: "e".repeat(63) } } });
    let long = Target::of(&environment(&long), &BTreeMap::new(), &settings()).unwrap();
    assert!(catalyst_model::names::is_dns_1123_label(&long.namespace));
}

#[test]
fn a_local_repository_is_mounted_read_only_where_it_is_and_only_for_the_checkout() {
    let environment = environment(
        &json!({ "spec": { "sources": [{ "name": "source-2", "commitSha": COMMIT, "branch": "x" }] } }),
    );
    let source = Source::of(&environment, &project(), &settings()).unwrap();
    let workload = development(&EnvironmentConfig::default(), &source, Some(&vite()), None);
    let pod = json!(workload.template)["spec"].clone();
    assert_eq!(
        pod["volumes"][1]["hostPath"],
        json!({ "path": "/srv/git/api", "type": "Directory" })
    );
    assert_eq!(
        pod["initContainers"][0]["volumeMounts"][2],
        json!({ "name": "repository", "mountPath": "/srv/git/api", "readOnly": true })
    );
    for container in [&pod["initContainers"][1], &pod["containers"][0]] {
        assert!(
            container["volumeMounts"]
                .as_array()
                .unwrap()
                .iter()
                .all(|mount| mount["name"] == "code")
        );
    }
    let namespace = namespace::namespace(&target(), Some(&source));
    assert_eq!(
        namespace.metadata.labels.unwrap()["pod-security.kubernetes.io/enforce"],
        "privileged"
    );
    let public = namespace::namespace(&target(), Some(&pull_request()));
    assert_eq!(
        public.metadata.labels.unwrap()["pod-security.kubernetes.io/enforce"],
        "baseline"
    );
}

#[test]
fn hostile_texts_are_only_ever_arguments() {
    let hostile = "x; touch /tmp/canary; $(id) `id` \"'";
    let environment = environment(
        &json!({ "spec": { "sources": [{ "name": "primary", "commitSha": COMMIT, "branch": hostile, "prNumber": 7 }] } }),
    );
    let source = Source::of(&environment, &project(), &settings()).unwrap();
    let report = Folder::of([
        ("requirements.txt", "flask\n"),
        (
            format!("{hostile}.py").as_str(),
            "from flask import Flask\napp = Flask(__name__)\n",
        ),
        ("Procfile", format!("web: {hostile}\n").as_str()),
    ]);
    let workload = development(
        &EnvironmentConfig::default(),
        &source,
        Some(&report),
        Some(hostile),
    );
    let pod = json!(workload.template)["spec"].clone();
    let containers = ["initContainers", "containers"]
        .iter()
        .filter_map(|kind| pod[kind].as_array())
        .flatten();
    for container in containers {
        let command = container["command"].as_array().unwrap();
        for (at, word) in command.iter().enumerate() {
            // sh -c SCRIPT sh ARGUMENTS…: what a shell reads is the third word.
            assert!(
                at > 3 || !word.as_str().unwrap().contains("canary"),
                "{command:?}"
            );
        }
    }
}

#[test]
fn inspections_are_told_apart_by_what_they_look_at_and_by_the_attempt() {
    let source = pull_request();
    let other = source.at(&"f".repeat(40).parse().unwrap());
    let newest = Source {
        reference: Reference::Newest,
        ..source.clone()
    };
    assert_eq!(
        inspect::key(&source, "", None),
        inspect::key(&source, "", Some("again")),
        "a commit never changes"
    );
    assert_ne!(
        inspect::key(&newest, "", None),
        inspect::key(&newest, "", Some("again")),
        "a branch does"
    );
    assert_ne!(
        inspect::key(&source, "", None),
        inspect::key(&other, "", None)
    );
    assert_ne!(
        inspect::job_name(&source, "", None),
        inspect::job_name(&source, "", Some("again"))
    );
    for name in [
        inspect::job_name(&source, "", Some("x")),
        inspect::job_name(&newest, "", None),
    ] {
        assert!(catalyst_model::names::is_dns_1123_label(&name), "{name}");
    }
    let record = inspect::record(&target(), &inspect::Subject::source(), "key", b"report");
    assert_eq!(
        inspect::recorded(&record, "key"),
        Some(b"report".as_slice())
    );
    assert_eq!(inspect::recorded(&record, "other"), None);
}

#[test]
fn a_projects_quota_replaces_the_default_and_a_wrong_one_is_said() {
    let quota = |cpu: &str, memory: &str| {
        Allowance::of(Some(
            &serde_json::from_value(json!({ "cpu": cpu, "memory": memory })).unwrap(),
        ))
    };
    let target = target();
    let small = quota("1", "1Gi").unwrap();
    let hard = json!(resource_quota(&target, small))["spec"]["hard"].clone();
    assert_eq!(
        (&hard["limits.cpu"], &hard["requests.memory"]),
        (&json!("1"), &json!("1Gi"))
    );
    let item = json!(limit_range(&target, small))["spec"]["limits"][0].clone();
    assert_eq!(
        (&item["default"]["cpu"], &item["default"]["memory"]),
        (&json!("250m"), &json!("256Mi"))
    );
    for (cpu, memory) in [("much", "1Gi"), ("1", "0"), ("-1", "1Gi"), ("1", "1GB")] {
        assert_eq!(
            quota(cpu, memory).unwrap_err().reason,
            "QuotaInvalid",
            "{cpu} {memory}"
        );
    }
}

#[test]
fn merging_nothing_leaves_a_configuration_that_is_detected() {
    assert_eq!(config::merge(None, None), EnvironmentConfig::default());
}

/// Settings with a door for credentials, and a Project that names an installation.
fn private() -> (OperatorSettings, Source) {
    let door = "http://catalyst-web.catalyst-system.svc:3001"
        .parse()
        .unwrap();
    let settings = OperatorSettings {
        credentials: Some(crate::CredentialsDoor::at(&door)),
        ..settings()
    };
    let mut project = project();
    project.spec.github_installation_id = Some("99".to_owned());
    let source = Source::of(&environment(&json!({})), &project, &settings).unwrap();
    (settings, source)
}

#[test]
fn the_token_for_a_private_repository_is_mounted_by_the_container_that_clones_alone() {
    let (settings, source) = private();
    let (target, config) = (target(), full_config());
    let ingredients = Ingredients {
        target: &target,
        settings: &settings,
        config: &config,
        retry: None,
        secrets: None,
    };
    let workload = ingredients.development(&source, None, &[]).unwrap();
    let pods = [
        json!(workload.template),
        json!(inspect::job(
            &target,
            &source,
            &inspect::Subject::source(),
            "",
            None,
            &settings
        ))["spec"]["template"]
            .clone(),
    ];
    for pod in pods {
        assert_eq!(pod["spec"]["serviceAccountName"], "catalyst-git-clone");
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        assert_eq!(pod["metadata"]["labels"]["catalyst.dev/git-client"], "true");
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let identity = volumes.iter().find(|it| it["name"] == "git-identity");
        assert_eq!(
            identity.unwrap()["projected"]["sources"],
            json!([{ "serviceAccountToken": { "audience": "catalyst-git", "expirationSeconds": 600, "path": "token" } }])
        );
        let containers = ["initContainers", "containers"].map(|key| pod["spec"][key].as_array());
        for container in containers.into_iter().flatten().flatten() {
            let mounts = container["volumeMounts"].to_string();
            let clones = container["name"] == "git-clone";
            assert_eq!(mounts.contains("git-identity"), clones, "{container}");
            assert_eq!(
                container["env"].to_string().contains("INSTALLATION_ID"),
                clones,
                "{container}"
            );
        }
    }
    let policy = json!(policy::git_credentials(&target, &settings).unwrap());
    assert_eq!(
        policy["spec"],
        json!({
            "podSelector": { "matchLabels": { "catalyst.dev/git-client": "true" } },
            "policyTypes": ["Egress"],
            "egress": [{
                "to": [{
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "catalyst-system" } },
                    "podSelector": { "matchLabels": { "app.kubernetes.io/name": "catalyst", "app.kubernetes.io/component": "web" } },
                }],
                "ports": [{ "protocol": "TCP", "port": 3001 }],
            }],
        })
    );
}

#[test]
fn a_public_repository_gets_no_token() {
    let (settings, _) = private();
    let source = Source::of(&environment(&json!({})), &project(), &settings).unwrap();
    assert_eq!(source.installation, None);
    let job = json!(inspect::job(
        &target(),
        &source,
        &inspect::Subject::source(),
        "",
        None,
        &settings
    ))
    .to_string();
    assert!(
        !job.contains("serviceAccountToken") && !job.contains("git-client"),
        "{job}"
    );
}

#[test]
fn an_installation_that_is_none_is_said() {
    let (settings, _) = private();
    let mut project = project();
    for bad in ["9/../8", "PAT", "-1"] {
        project.spec.github_installation_id = Some(bad.to_owned());
        let problem = Source::of(&environment(&json!({})), &project, &settings).unwrap_err();
        assert_eq!(problem.reason, "InstallationInvalid", "{bad}");
    }
}

#[test]
fn a_configuration_cannot_mount_the_operators_own_volumes() {
    for own in ["git-identity", "git-scripts", "repository"] {
        let config: EnvironmentConfig = serde_json::from_value(json!({
            "initContainers": [{ "name": "x", "volumeMounts": [{ "name": own, "mountPath": "/x" }] }]
        }))
        .unwrap();
        let problem = super::validate::validate(&config).unwrap_err();
        assert_eq!(problem.reason, "ConfigRefused", "{own}");
    }
}

#[test]
fn another_version_of_the_secrets_makes_the_pods_anew() {
    let (target, settings, config) = (target(), settings(), full_config());
    let with = |secrets| {
        let ingredients = Ingredients {
            target: &target,
            settings: &settings,
            config: &config,
            retry: None,
            secrets,
        };
        ingredients.development(&pull_request(), None, &[]).unwrap()
    };
    let versions = [with(None), with(Some("1")), with(Some("2"))].map(|it| it.version);
    assert_ne!(versions[0], versions[1]);
    assert_ne!(versions[1], versions[2]);
    assert_eq!(with(Some("1")).version, versions[1]);
}
