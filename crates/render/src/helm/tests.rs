#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use serde_json::json;

use super::values::{Overlay, merged, split};
use super::*;
use crate::compose::AFTER;
use crate::validate::{Policy, admit};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn values(text: &str) -> Map<String, Value> {
    serde_json::from_value(yaml::document(text).unwrap()).unwrap()
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

#[test]
fn values_take_variables_the_image_and_what_is_built() {
    let built = BTreeMap::from([("web".to_owned(), "r:5000/shop/web-preview-1:abc".to_owned())]);
    let env = [variable("A", "2"), variable("B", "3")];
    for (given, expected) in [
        (
            "{}",
            "{env: {A: '2', B: '3'}, image: {repository: 'i:1'}, global: {images: {web: {repository: 'r:5000/shop/web-preview-1', tag: abc}}}}",
        ),
        (
            "{env: {A: '1', C: '4'}, image: old, global: {x: 1, images: {db: {tag: t}, web: {tag: u, pull: y}}}}",
            "{env: {A: '2', B: '3', C: '4'}, image: 'i:1', global: {x: 1, images: {db: {tag: t}, web: {repository: 'r:5000/shop/web-preview-1', tag: abc, pull: y}}}}",
        ),
        (
            "{env: [{name: A, value: '1'}], image: {name: n, tag: t}}",
            "{env: [{name: A, value: '2'}, {name: B, value: '3'}], image: {name: 'i:1', tag: t}, global: {images: {web: {repository: 'r:5000/shop/web-preview-1', tag: abc}}}}",
        ),
        (
            "{image: {imageRepository: n, repository: r, tag: t}, env: null, global: null}",
            "{env: {A: '2', B: '3'}, image: {imageRepository: n, repository: 'i:1', tag: t}, global: {images: {web: {repository: 'r:5000/shop/web-preview-1', tag: abc}}}}",
        ),
        (
            "{image: {imageRepository: n}}",
            "{env: {A: '2', B: '3'}, image: {imageRepository: 'i:1'}, global: {images: {web: {repository: 'r:5000/shop/web-preview-1', tag: abc}}}}",
        ),
    ] {
        let overlay = Overlay {
            image: Some("i:1"),
            env: &env,
            built: &built,
        };
        let (found, warnings) = merged(&values(given), &overlay);
        assert_eq!(
            Value::Object(found),
            yaml::document(expected).unwrap(),
            "{given}"
        );
        assert_eq!(warnings, []);
    }
}

#[test]
fn nothing_is_added_to_values_that_nothing_was_said_about() {
    let given = values("{replicas: 2}");
    let overlay = Overlay {
        image: None,
        env: &[],
        built: &BTreeMap::new(),
    };
    assert_eq!(merged(&given, &overlay), (given, Vec::new()));
}

#[test]
fn a_reference_has_no_place_in_values_and_is_a_warning() {
    let reference = EnvVar {
        name: "KEY".to_owned(),
        value: None,
        value_from: Some(k8s_openapi::api::core::v1::EnvVarSource::default()),
    };
    let overlay = Overlay {
        image: None,
        env: &[reference],
        built: &BTreeMap::new(),
    };
    let (found, warnings) = merged(&Map::new(), &overlay);
    assert_eq!(found, Map::new());
    assert!(
        warnings[0].to_string().contains("config.env KEY"),
        "{warnings:?}"
    );
}

#[test]
fn an_image_is_split_at_its_tag() {
    for (image, name, tag) in [
        ("nginx", "nginx", "latest"),
        ("nginx:1", "nginx", "1"),
        ("r:5000/a/b", "r:5000/a/b", "latest"),
        ("r:5000/a/b:c", "r:5000/a/b", "c"),
    ] {
        assert_eq!(split(image), (name, tag), "{image}");
    }
}

fn looked_at(chart: &str) -> Result<Sources, RenderError> {
    sources(&Folder::of([("deploy/Chart.yaml", chart)]), "deploy")
}

#[test]
fn a_chart_says_where_its_dependencies_come_from() {
    let found = looked_at(
        "name: shop\ndependencies:\n- {name: a, repository: 'https://charts.example.com/stable'}\n\
         - {name: b, repository: 'oci://ghcr.io/acme/charts'}\n- {name: c, repository: 'file://../common'}\n\
         - {name: d, repository: ''}\n- {name: e}\n",
    )
    .unwrap();
    assert_eq!(found.name, "shop");
    let all: Vec<_> = found.repositories.iter().map(String::as_str).collect();
    assert_eq!(all, ["https://charts.example.com/stable"]);
}

#[test]
fn a_dependency_is_fetched_from_the_public_internet_alone() {
    for address in [
        "http://charts.example.com",
        "https://127.0.0.1/charts",
        "https://[::1]:8443/charts",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://localhost/charts",
        "https://catalyst-web.catalyst-system.svc/charts",
        "https://kubernetes/",
        "https://metadata.google.internal/",
        "https://x y/",
        "https://user@127.0.0.1/",
        "https://a;curl/",
        "oci://registry.default.svc.cluster.local:5000/x",
        "file:///etc",
        "file://../../etc",
        "s3://bucket/charts",
        "git+https://github.com/acme/charts@x",
        "@stable",
        "alias:stable",
    ] {
        for (file, other) in [
            ("Chart.yaml", ""),
            ("Chart.lock", "name: shop\n"),
            ("requirements.lock", "name: shop\n"),
        ] {
            let text =
                format!("name: shop\ndependencies: [{{name: a, repository: '{address}'}}]\n");
            let path = format!("deploy/{file}");
            let mut files = vec![(path.as_str(), text.as_str())];
            if !other.is_empty() {
                files.push(("deploy/Chart.yaml", other));
            }
            let refused = sources(&Folder::of(files), "deploy").unwrap_err();
            assert_eq!(refused.subject, path, "{address}");
            assert!(refused.message.contains(address), "{refused}");
        }
    }
}

#[test]
fn what_is_no_chart_that_can_be_installed_is_told_with_where_there_is_one() {
    let folder = Folder::of([("charts/shop/Chart.yaml", "name: shop\n"), ("README", "")]);
    let error = sources(&folder, "deploy").unwrap_err().to_string();
    assert!(
        error.contains("source not found") && error.contains("charts/shop"),
        "{error}"
    );
    let error = looked_at("name: common\ntype: library\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("library"), "{error}");
    let error = looked_at("name: [\n").unwrap_err();
    assert_eq!(error.subject, "deploy/Chart.yaml");
}

#[test]
fn definitions_of_kinds_are_left_out_and_said() {
    let folder = Folder::of([("Chart.yaml", "name: shop\n"), ("crds/widgets.yaml", "")]);
    let found = sources(&folder, "").unwrap();
    assert_eq!(found.warnings[0].subject, "crds");
}

/// What `helm template` printed for a chart with a database and hooks, twice.
const RENDERED: &str = include_str!("../../tests/helm/shop.yaml");
const AGAIN: &str = include_str!("../../tests/helm/shop-again.yaml");

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn what_a_chart_makes_up_is_set_apart_and_kept_nowhere_else() {
    let chart = Chart::of(RENDERED, Some(AGAIN)).unwrap();
    let [generated] = &chart.generated[..] else {
        panic!("{:?}", chart.generated)
    };
    assert_eq!(generated.secret, "preview-1-db");
    let keys: Vec<_> = generated.values.keys().map(String::as_str).collect();
    assert_eq!(keys, ["password"]);
    let secret = find(&chart.objects, "Secret", "preview-1-db");
    assert_eq!(secret["data"], json!({ "username": "c2hvcA==" }));
    assert!(secret["stringData"].is_null());

    let kept = Chart::unpack(&chart.pack()).unwrap();
    assert_eq!(kept.objects, chart.objects);
    assert_eq!(
        kept.generated[0].values,
        *json!({ "password": null }).as_object().unwrap()
    );
    let password = generated.values["password"].as_str().unwrap();
    assert!(!serde_json::to_string(&kept).unwrap().contains(password));
}

#[test]
fn a_push_that_changes_nothing_else_leaves_pods_that_carry_a_digest_of_it_alone() {
    let notes = |text: &str, again: &str| {
        let chart = Chart::of(text, Some(again)).unwrap();
        find(&chart.objects, "Deployment", "preview-1-shop")["spec"]["template"]["metadata"]["annotations"].clone()
    };
    assert_eq!(notes(RENDERED, AGAIN), notes(AGAIN, RENDERED));
    assert_eq!(notes(RENDERED, AGAIN), json!({ "kept": "yes" }));
}

#[test]
fn what_is_random_elsewhere_is_a_warning() {
    let object = |name: &str, value: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\ndata: {{ token: {value} }}\n"
        )
    };
    let chart = Chart::of(&object("a", "x"), Some(&object("a", "y"))).unwrap();
    assert!(
        chart.warnings[0].1.contains("data.token"),
        "{:?}",
        chart.warnings
    );
    let chart = Chart::of(&object("a-1", "x"), Some(&object("a-2", "x"))).unwrap();
    assert!(
        chart.warnings[0].1.contains("another name"),
        "{:?}",
        chart.warnings
    );
}

fn after<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a str {
    find(objects, kind, name)["metadata"]["annotations"][AFTER]
        .as_str()
        .unwrap_or_default()
}

#[test]
fn hooks_run_by_weight_before_and_after_the_rest_and_those_for_other_events_do_not() {
    let chart = Chart::of(RENDERED, None).unwrap();
    let first = admit(chart.rendered(false, COMMIT), Policy::default())
        .unwrap()
        .objects;
    let names = |objects: &[Value]| -> Vec<String> {
        objects
            .iter()
            .filter(|object| object["kind"] == "Job")
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&first),
        ["preview-1-prepare", "preview-1-schema", "preview-1-seed"]
    );
    assert_eq!(after(&first, "Job", "preview-1-prepare"), "");
    assert_eq!(
        after(&first, "Job", "preview-1-schema"),
        "Job/preview-1-prepare=complete"
    );
    assert_eq!(
        after(&first, "Deployment", "preview-1-shop"),
        "Job/preview-1-schema=complete"
    );
    assert_eq!(
        after(&first, "Job", "preview-1-seed"),
        "Job/preview-1-schema=complete"
    );

    let later = admit(chart.rendered(true, COMMIT), Policy::default())
        .unwrap()
        .objects;
    assert_eq!(names(&later), ["preview-1-schema", "preview-1-seed"]);
    assert_eq!(after(&later, "Job", "preview-1-seed"), "");
    assert_eq!(
        after(&later, "Job", "preview-1-schema"),
        "Job/preview-1-seed=complete"
    );
    assert_eq!(
        after(&later, "Deployment", "preview-1-shop"),
        "Job/preview-1-schema=complete"
    );
    // What a hook needs is there in both, and no hook of its own any more.
    for objects in [&first, &later] {
        let account = find(objects, "ServiceAccount", "preview-1-migrate");
        assert!(account["metadata"]["annotations"][HOOK].is_null());
        let job = find(objects, "Job", "preview-1-schema");
        assert_eq!(
            job["spec"]["template"]["metadata"]["annotations"]["helm.sh/hook-commit"],
            COMMIT
        );
    }
}

#[test]
fn the_url_leads_to_the_charts_own_service() {
    let chart = Chart::of(RENDERED, None).unwrap();
    let admitted = admit(chart.rendered(false, COMMIT), Policy::default()).unwrap();
    let route = admitted.route.unwrap();
    assert_eq!(
        (route.paths[0].service.as_str(), route.paths[0].port),
        ("preview-1-shop", 80)
    );
    assert!(
        admitted
            .objects
            .iter()
            .all(|object| object["kind"] != "Ingress")
    );
}

#[test]
fn what_helm_says_is_told_and_nothing_is_deployed() {
    let said = "walk.go:75: found symbolic link in path: /code/a resolves to /code/b\nError: template: shop/templates/web.yaml:3:20: executing \"shop/templates/web.yaml\" at <.Values.a.b>: nil pointer evaluating interface {}.b\n\nUse --debug flag to render out invalid YAML\n";
    let error = Chart::read(&Folder::of([("error", said)]))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("helm: template: shop/templates/web.yaml:3:20") && error.ends_with(".b"),
        "{error}"
    );
    let ended = "walk.go:75: x\nfatal error: out of memory\n\ngoroutine 1 [running]:\n";
    let error = Chart::read(&Folder::of([("error", ended)])).unwrap_err();
    assert_eq!(
        error.message,
        "fatal error: out of memory; does a template go round in circles?"
    );
    let error = Chart::read(&Folder::of([(
        "rendered/1000.yaml",
        "---\n# Source: shop/templates/a.yaml\na: [\n",
    )]))
    .unwrap_err();
    assert_eq!(error.subject, "shop/templates/a.yaml");
    let error =
        Chart::read(&Folder::of([("rendered/1000.yaml", "\n---\n# nothing\n")])).unwrap_err();
    assert!(error.message.contains("no objects"), "{error}");
}

#[test]
fn a_chart_comes_in_pieces_that_end_anywhere_between_two_lines() {
    let pieces = [
        (
            "rendered/1000.yaml",
            "---\n# Source: a\nkind: ConfigMap\nmetadata:\n",
        ),
        (
            "rendered/1001.yaml",
            "  name: one\n---\nkind: ConfigMap\nmetadata: { name: two }\n",
        ),
    ];
    let chart = Chart::read(&Folder::of(pieces)).unwrap();
    assert_eq!(chart.objects[0]["metadata"]["name"], "one");
    assert_eq!(chart.objects.len(), 2);
}

#[test]
fn a_chart_that_expands_without_measure_is_refused_soon() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
    let text = format!("---\n{bomb}").repeat(500);
    let begun = std::time::Instant::now();
    assert!(Chart::of(&text, None).is_err());
    assert!(begun.elapsed().as_secs() < 5);
    assert!(Chart::of(&"---\nkind: X\n".repeat(MAX_DOCUMENTS + 1), None).is_err());
}

#[test]
fn a_release_has_a_name_that_helm_takes() {
    assert_eq!(release("preview-1"), "preview-1");
    let long = release(&"preview-a-very-long-repository-name-indeed-".repeat(3));
    assert!(long.len() <= 53, "{long}");
}
