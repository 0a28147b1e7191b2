use super::*;
use crate::objects::schema::{Schema, built_in};

fn manager(name: &str) -> Manager<'_> {
    Manager {
        name,
        api_version: "apps/v1",
        subresource: "",
        has_status: true,
        now: "2026-01-01T00:00:00Z",
    }
}

fn schema() -> Schema {
    built_in("apps", "Deployment")
}

fn deployment(containers: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web" },
        "spec": { "template": { "spec": { "containers": containers } } },
    })
}

fn applied(live: Option<&Value>, config: &Value, name: &str) -> Value {
    apply(schema().root(), live, config, &manager(name), false).unwrap()
}

fn containers(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"]
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let config = deployment(json!([{ "name": "web", "ports": [{ "containerPort": 80 }] }]));
    let first = applied(None, &config, "one");
    assert_eq!(applied(Some(&first), &config, "one"), first);
}

#[test]
fn two_managers_own_containers_of_one_list() {
    let one = applied(
        None,
        &deployment(json!([{ "name": "a", "image": "1" }])),
        "one",
    );
    let both = applied(
        Some(&one),
        &deployment(json!([{ "name": "b", "image": "2" }])),
        "two",
    );
    assert_eq!(
        containers(&both),
        &json!([{ "name": "a", "image": "1" }, { "name": "b", "image": "2" }])
    );
    let less = applied(Some(&both), &deployment(json!([])), "two");
    assert_eq!(containers(&less), &json!([{ "name": "a", "image": "1" }]));
}

#[test]
fn a_field_that_is_no_longer_applied_goes_unless_someone_else_applies_it() {
    let with = |labels: Value| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": "web", "labels": labels } })
    };
    let one = applied(None, &with(json!({ "a": "1", "b": "1" })), "one");
    let two = applied(Some(&one), &with(json!({ "b": "1" })), "two");
    let end = applied(Some(&two), &with(json!({})), "one");
    assert_eq!(end["metadata"]["labels"], json!({ "b": "1" }));
}

#[test]
fn a_field_of_another_manager_is_a_conflict_unless_forced() {
    let replicas = |count: i64| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": "web" }, "spec": { "replicas": count } })
    };
    let one = applied(None, &replicas(1), "one");
    let error = apply(
        schema().root(),
        Some(&one),
        &replicas(2),
        &manager("two"),
        false,
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"
    );
    let forced = apply(
        schema().root(),
        Some(&one),
        &replicas(2),
        &manager("two"),
        true,
    )
    .unwrap();
    assert_eq!(forced["spec"]["replicas"], 2);
    assert_eq!(
        forced["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // The same value is shared, not fought over.
    let shared = applied(Some(&one), &replicas(1), "two");
    assert_eq!(
        shared["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn an_update_takes_ownership_of_what_it_changes() {
    let config = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                         "metadata": { "name": "web" }, "spec": { "replicas": 1, "paused": true } });
    let live = applied(None, &config, "one");
    let mut after = live.clone();
    after["spec"]["replicas"] = 5.into();
    track_update(schema().root(), Some(&live), &mut after, &manager("scaler"));
    let error = apply(
        schema().root(),
        Some(&after),
        &config,
        &manager("one"),
        false,
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("conflict with \"scaler\" using apps/v1: .spec.replicas")
    );
}

#[test]
fn what_was_there_before_the_first_apply_is_not_taken_silently() {
    let live = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                       "metadata": { "name": "web" }, "spec": { "replicas": 3 } });
    let config = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                         "metadata": { "name": "web" }, "spec": { "replicas": 1 } });
    let error = apply(
        schema().root(),
        Some(&live),
        &config,
        &manager("one"),
        false,
    );
    assert!(matches!(error, Err(ApiError::ApplyConflict(_))));
}

#[test]
fn items_stand_in_the_order_of_the_configuration() {
    let names = |list: &[&str]| {
        let items = list.iter().map(|name| json!({ "name": name })).collect();
        deployment(Value::Array(items))
    };
    for (live, config, expected) in [
        (vec!["a", "b"], vec!["b", "a"], vec!["b", "a"]),
        (
            vec!["a", "b", "c"],
            vec!["b", "d"],
            vec!["a", "b", "c", "d"],
        ),
        (vec!["x", "a"], vec!["a", "n"], vec!["x", "a", "n"]),
    ] {
        let live = applied(None, &names(&live), "one");
        let merged = applied(Some(&live), &names(&config), "two");
        assert_eq!(
            containers(&merged),
            containers(&names(&expected)),
            "{config:?}"
        );
    }
}
