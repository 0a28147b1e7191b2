#![allow(clippy::unwrap_used)]

use catalyst_crd::{Environment, Project};
use catalyst_render::helm::Chart;
use serde_json::json;

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const NEXT: &str = "89abcdef0123456789abcdef0123456789abcdef";

const COMPOSE: &str = "
services:
  web:
    image: node:22
    command: node server.js
    working_dir: /app
    volumes: ['.:/app']
    ports: ['3000:3000']
    environment: { GREETING: hello }
    depends_on: { db: { condition: service_healthy } }
    ulimits: { nofile: 1024 }
  db:
    image: busybox
    command: sleep 1000
    healthcheck: { test: ['CMD', 'true'] }
    volumes: ['data:/data']
volumes: { data: {} }
";

/// A project, and everything that a recipe borrows.
struct Kitchen {
    target: Target,
    settings: OperatorSettings,
    config: EnvironmentConfig,
    source: Source,
}

impl Kitchen {
    fn new() -> Self {
        let settings = OperatorSettings::default();
        let environment: Environment = serde_json::from_value(json!({
            "metadata": { "name": "preview-7", "namespace": "acme-shop", "labels": {
                labels::TEAM: "acme", labels::PROJECT: "shop", labels::ENVIRONMENT: "preview-7" } },
            "spec": { "projectRef": { "name": "shop" }, "type": "development", "sources": [
                { "name": "primary", "commitSha": COMMIT, "branch": "x", "prNumber": 7 }] }
        }))
        .unwrap();
        let project: Project = serde_json::from_value(json!({
            "metadata": { "name": "shop", "namespace": "acme" },
            "spec": { "sources": [{ "name": "primary", "repositoryUrl": "https://github.com/acme/shop", "branch": "main" }] }
        }))
        .unwrap();
        Self {
            target: Target::of(&environment, &BTreeMap::new(), &settings).unwrap(),
            source: Source::of(&environment, &project, &settings).unwrap(),
            config: EnvironmentConfig::default(),
            settings,
        }
    }

    fn recipe<'a>(&'a self, kind: Kind, path: &'a str) -> Recipe<'a> {
        Recipe {
            files: Files {
                kind,
                path,
                values: None,
                builds: &[],
            },
            config: &self.config,
            target: &self.target,
            settings: &self.settings,
            retry: None,
            secrets: None,
        }
    }

    fn desired(&self, kind: Kind, path: &str, files: &[(&str, &str)]) -> Result<Desired, Problem> {
        let folder = Folder::of(files.iter().copied());
        let commit = COMMIT.parse().unwrap();
        self.recipe(kind, path)
            .desired(&folder, &self.source, &commit)
    }
}

fn find<'a>(desired: &'a Desired, kind: &str, name: &str) -> &'a Value {
    desired
        .objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap()
}

fn manifest(image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{ name: site }}
spec:
  selector: {{ matchLabels: {{ app: site }} }}
  template:
    metadata: {{ labels: {{ app: site }} }}
    spec: {{ containers: [{{ name: site, image: '{image}', ports: [{{ containerPort: 8080 }}] }}] }}
---
apiVersion: v1
kind: Service
metadata: {{ name: site }}
spec: {{ selector: {{ app: site }}, ports: [{{ port: 80, targetPort: 8080 }}] }}
"
    )
}

#[test]
fn everything_says_whose_it_is_and_lies_in_the_previews_namespace() {
    let kitchen = Kitchen::new();
    let site = manifest("nginx:1");
    let kustomization = "resources: [site.yaml]\n";
    for (kind, path, files) in [
        (Kind::Compose, "", vec![("compose.yaml", COMPOSE)]),
        (
            Kind::Manifests,
            "k8s",
            vec![("k8s/site.yaml", site.as_str())],
        ),
        (
            Kind::Kustomize,
            "deploy",
            vec![
                ("deploy/kustomization.yaml", kustomization),
                ("deploy/site.yaml", site.as_str()),
            ],
        ),
    ] {
        let desired = kitchen.desired(kind, path, &files).unwrap();
        assert!(desired.route.is_some(), "{kind:?}");
        for object in &desired.objects {
            let metadata = &object["metadata"];
            assert_eq!(metadata["namespace"], "acme-shop-preview-7", "{object}");
            assert_eq!(metadata["labels"][labels::MANAGED_BY], labels::MANAGER);
            assert_eq!(metadata["labels"][labels::COMPONENT], "primary");
            assert_eq!(
                metadata["annotations"][labels::OWNER],
                "acme-shop/preview-7"
            );
            let pod = &object["spec"]["template"];
            if pod.is_object() {
                assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
                assert_eq!(
                    pod["metadata"]["annotations"][labels::OWNER],
                    "acme-shop/preview-7"
                );
                for container in pod["spec"]["containers"].as_array().unwrap() {
                    assert_eq!(container["envFrom"][0]["secretRef"]["name"], SECRETS);
                }
            }
        }
    }
}

#[test]
fn a_compose_service_that_mounts_the_checkout_runs_this_commit_and_waits_for_what_it_depends_on() {
    let desired = Kitchen::new()
        .desired(Kind::Compose, "", &[("compose.yaml", COMPOSE)])
        .unwrap();
    let web = find(&desired, "Deployment", "web");
    assert_eq!(web["metadata"]["annotations"][compose::AFTER], "db=ready");
    let pod = &web["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"][labels::COMMIT], COMMIT);
    let clone = &pod["spec"]["initContainers"][0];
    assert_eq!(clone["name"], "git-clone");
    assert!(clone["envFrom"].is_null(), "{clone}");
    let db = &find(&desired, "Deployment", "db")["spec"]["template"];
    assert!(db["metadata"]["labels"][labels::COMMIT].is_null());
    assert!(db["spec"]["initContainers"].is_null());
    find(&desired, "PersistentVolumeClaim", "data");
    assert_eq!(desired.route.as_ref().unwrap().paths[0].service, "web");
    let message = desired.message();
    assert!(
        message.starts_with("the compose file: db, web")
            && message.contains("service web: ulimits"),
        "{message}"
    );
}

#[test]
fn a_push_changes_the_pods_that_run_the_commit_and_no_other() {
    let kitchen = Kitchen::new();
    let folder = Folder::of([("compose.yaml", COMPOSE)]);
    let version = |commit: &str, name: &str| {
        let commit: CommitSha = commit.parse().unwrap();
        let source = kitchen.source.at(&commit);
        let recipe = kitchen.recipe(Kind::Compose, "");
        let desired = recipe.desired(&folder, &source, &commit).unwrap();
        find(&desired, "Deployment", name)["spec"]["template"]["metadata"]["annotations"]
            [labels::TEMPLATE]
            .clone()
    };
    assert_ne!(version(COMMIT, "web"), version(NEXT, "web"));
    assert_eq!(version(COMMIT, "db"), version(NEXT, "db"));
}

#[test]
fn another_version_of_the_secrets_makes_the_pods_anew() {
    let kitchen = Kitchen::new();
    let site = manifest("nginx:1");
    let folder = Folder::of([("site.yaml", site.as_str())]);
    let commit = COMMIT.parse().unwrap();
    let at = |version: &str| {
        let held = Held::read(version);
        let recipe = Recipe {
            secrets: Some(&held),
            ..kitchen.recipe(Kind::Manifests, "")
        };
        let desired = recipe.desired(&folder, &kitchen.source, &commit).unwrap();
        find(&desired, "Deployment", "site")["spec"]["template"].clone()
    };
    assert_ne!(at("1"), at("2"));
    assert_eq!(at("1")["metadata"]["annotations"][labels::SECRETS], "1");
}

#[test]
fn images_are_replaced_by_what_stands_in_for_them() {
    let mut kitchen = Kitchen::new();
    kitchen.settings.images = "nginx=tools/nginx".parse().unwrap();
    let site = manifest("nginx:1");
    let desired = kitchen
        .desired(Kind::Manifests, "", &[("site.yaml", &site)])
        .unwrap();
    let pod = &find(&desired, "Deployment", "site")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "tools/nginx:1");
}

#[test]
fn what_cannot_be_read_is_named_with_its_file_and_what_to_do() {
    let kitchen = Kitchen::new();
    let broken = "services:\n  web:\n    image: nginx\n   ports: [80]\n";
    for (kind, path, files, words) in [
        (
            Kind::Compose,
            "",
            vec![("compose.yaml", broken)],
            vec!["compose.yaml", "line 4"],
        ),
        (
            Kind::Compose,
            "app",
            vec![("README", "")],
            vec!["compose file in app"],
        ),
        (
            Kind::Kustomize,
            "deploy",
            vec![("deploy/kustomization.yaml", "resources: [missing.yaml]\n")],
            vec!["deploy/kustomization.yaml", "missing.yaml"],
        ),
        (
            Kind::Manifests,
            "k8s",
            vec![("k8s/web.yaml", "apiVersion: v1\nkind: [\n")],
            vec!["k8s/web.yaml"],
        ),
    ] {
        let problem = kitchen.desired(kind, path, &files).unwrap_err();
        assert_eq!(problem.reason, "NotRendered");
        for word in words.iter().chain(&["catalyst render"]) {
            assert!(
                problem.message.contains(word),
                "{word}: {}",
                problem.message
            );
        }
    }
}

#[test]
fn what_reaches_beyond_the_preview_is_refused_and_a_path_out_of_the_repository_too() {
    let kitchen = Kitchen::new();
    let role =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: x }\n";
    let refused = kitchen
        .desired(Kind::Manifests, "", &[("role.yaml", role)])
        .unwrap_err();
    assert_eq!(refused.reason, "ConfigRefused");
    assert!(
        refused.message.contains("ClusterRole x"),
        "{}",
        refused.message
    );
    let outside = kitchen
        .recipe(Kind::Compose, "../other")
        .path()
        .unwrap_err();
    assert_eq!(outside.reason, "ConfigRefused");
}

#[test]
fn what_the_configuration_says_in_vain_is_a_warning() {
    let mut kitchen = Kitchen::new();
    kitchen.config.image = Some("node:22".to_owned());
    let desired = kitchen
        .desired(Kind::Compose, "", &[("compose.yaml", COMPOSE)])
        .unwrap();
    assert!(
        desired.message().contains("config.image"),
        "{}",
        desired.message()
    );
}

#[test]
fn an_image_that_is_built_for_a_chart_reaches_its_values_and_runs_by_its_digest() {
    let kitchen = Kitchen::new();
    let commit: CommitSha = COMMIT.parse().unwrap();
    let source = kitchen.source.at(&commit);
    let recipe = kitchen.recipe(Kind::Helm, "deploy/Chart.yaml");
    let folder = Folder::of([("deploy/Chart.yaml", "name: shop\n")]);
    let name = format!("r:5000/shop/web-preview-7:{COMMIT}");
    let built = BTreeMap::from([("web".to_owned(), name.clone())]);
    let (request, _) = recipe.request(&folder, &source, &built).unwrap();
    assert_eq!(request.path, "deploy");
    assert_eq!(
        request.values["global"]["images"]["web"],
        json!({ "repository": "r:5000/shop/web-preview-7", "tag": COMMIT })
    );

    let chart = Chart::of(&manifest(&name), None).unwrap();
    let pinned = format!("{name}@sha256:0123");
    let images = BTreeMap::from([(name, pinned.clone())]);
    let desired = recipe
        .of_chart(&chart, false, Vec::new(), &source, &images)
        .unwrap();
    let pod = &find(&desired, "Deployment", "site")["spec"]["template"];
    assert_eq!(pod["spec"]["containers"][0]["image"], *pinned);
    assert_eq!(pod["metadata"]["labels"][labels::COMMIT], COMMIT);
    assert_eq!(desired.words, "the chart in deploy: site");
}
