#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::desired::tests::{pull_request, target};
use crate::desired::workload::Ingredients;

fn config(value: Value) -> EnvironmentConfig {
    serde_json::from_value(value).unwrap()
}

fn pods(all: &[(&str, &str)]) -> Vec<Arc<Pod>> {
    let pod = |(app, uid): &(&str, &str)| {
        let pod = json!({ "metadata": { "name": format!("{app}-0"), "uid": uid, "labels": { "app": app } } });
        Arc::new(serde_json::from_value(pod).unwrap())
    };
    all.iter().map(pod).collect()
}

fn fillings(
    config: &EnvironmentConfig,
    running: &[(&str, &str)],
    retry: Option<&str>,
) -> Option<Vec<Filling>> {
    let (target, source, settings) = (target(), pull_request(), OperatorSettings::default());
    let ingredients = Ingredients {
        target: &target,
        settings: &settings,
        config,
        retry,
        secrets: None,
    };
    let workload = ingredients.development(&source, None, &[]).unwrap();
    let all = Fillings {
        target: &target,
        config,
        source: &source,
        workload: &workload,
        retry,
        settings: &settings,
    };
    all.all(&pods(running))
}

fn shop(storage: bool) -> EnvironmentConfig {
    let mut postgres = json!({ "name": "postgres", "container": { "image": "postgres:16" }, "restore": { "path": "db/dump.sql" } });
    if storage {
        postgres["storage"] = json!({ "accessModes": ["ReadWriteOnce"] });
    }
    config(json!({
        "image": "node:22", "command": ["npm", "start"], "ports": [{ "containerPort": 3000 }],
        "initContainers": [{ "name": "migrate", "command": ["npm", "run", "migrate"] }],
        "services": [postgres, { "name": "cache", "container": { "image": "redis:7" } }],
        "seed": { "command": ["npm", "run", "seed"] }
    }))
}

const RUNNING: [(&str, &str); 2] = [("postgres", "1"), ("cache", "2")];

#[test]
fn dumps_come_before_the_seed_which_runs_in_the_workloads_own_pod() {
    let all = fillings(&shop(true), &RUNNING, None).unwrap();
    let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["restore-postgres", "seed"]);
    let seed = json!(all[1].job);
    let pod = &seed["spec"]["template"];
    let init: Vec<_> = pod["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(init, ["git-clone", "migrate"]);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["name"], "seed");
    assert_eq!(container["command"], json!(["npm", "run", "seed"]));
    for left_out in ["args", "ports", "readinessProbe", "lifecycle"] {
        assert_eq!(container[left_out], Value::Null, "{left_out}");
    }
    assert_eq!(
        pod["metadata"]["labels"]["app"],
        Value::Null,
        "its Service must not lead here"
    );
    assert_eq!(
        pod["metadata"]["annotations"][labels::TEMPLATE],
        Value::Null
    );
    assert_eq!(seed["metadata"]["labels"][labels::JOB_TYPE], "seed");
    assert_eq!(
        (&seed["spec"]["backoffLimit"], &pod["spec"]["restartPolicy"]),
        (&json!(0), &json!("Never"))
    );
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
}

#[test]
fn a_dump_of_the_repository_is_loaded_by_the_services_own_image() {
    let all = fillings(&shop(true), &RUNNING, None).unwrap();
    let job = json!(all[0].job);
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"][0]["name"], "git-clone");
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "postgres:16");
    assert_eq!(container["command"], json!(["sh", "/scripts/restore.sh"]));
    let env = container["env"].as_array().unwrap();
    let is = |name: &str| env.iter().find(|it| it["name"] == name).unwrap()["value"].clone();
    assert_eq!(is("DUMP_FILE"), "/code/db/dump.sql");
    assert_eq!(is("RESTORE_CLIENT"), "postgres");
    assert!(!job.to_string().contains("\"app\":"), "{job}");
}

#[test]
fn a_dump_from_elsewhere_is_fetched_and_its_signature_not_told() {
    let config = config(json!({
        "image": "node:22", "ports": [{ "containerPort": 3000 }],
        "services": [{ "name": "db", "container": { "image": "mysql:8" }, "restore": { "url": "https://dumps.example/shop.sql.gz?signature=s3cret" } }]
    }));
    let all = fillings(&config, &[("db", "1")], None).unwrap();
    assert_eq!(
        all[0].words,
        "the dump https://dumps.example/shop.sql.gz is loaded into db"
    );
    let pod = json!(all[0].job.spec.as_ref().unwrap().template.spec);
    assert_eq!(
        pod["initContainers"][0]["command"],
        json!(["sh", "/scripts/fetch.sh"])
    );
    assert_eq!(
        pod["initContainers"].as_array().unwrap().len(),
        1,
        "nothing is cloned"
    );
    let shown = pod["containers"][0]["env"].to_string();
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn data_is_filled_once_for_as_long_as_it_lives() {
    let data = |config: &EnvironmentConfig, running: &[(&str, &str)]| -> Vec<String> {
        let all = fillings(config, running, None).unwrap();
        all.into_iter().map(|it| it.data).collect()
    };
    // A volume outlives pods.
    let other = [("postgres", "3"), ("cache", "4")];
    assert_eq!(data(&shop(true), &RUNNING), data(&shop(true), &other));
    // Without one, another pod has other data; a cache decides nothing.
    assert_ne!(data(&shop(false), &RUNNING), data(&shop(false), &other));
    let other_cache = [("postgres", "1"), ("cache", "4")];
    assert_eq!(
        data(&shop(false), &RUNNING),
        data(&shop(false), &other_cache)
    );
    assert_eq!(
        fillings(&shop(false), &[], None),
        None,
        "its pod is not there yet"
    );
}

#[test]
fn a_retry_is_another_job_and_the_same_is_the_same() {
    let job = |retry| {
        let all = fillings(&shop(true), &RUNNING, retry).unwrap();
        all.iter()
            .map(|it| it.job.metadata.name.clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(job(None), job(None));
    let (first, again) = (job(None), job(Some("1")));
    assert!(first.iter().zip(&again).all(|(one, other)| one != other));
    assert!(first.iter().all(|name| name.len() <= 63));
}

#[test]
fn a_record_gives_back_what_was_written() {
    let done: BTreeMap<_, _> = [("restore-db", "kept"), ("seed", "0a-1")]
        .map(|(name, data)| (name.to_owned(), data.to_owned()))
        .into();
    assert_eq!(filled(&filled_text(&done)), done);
    assert!(filled("").is_empty());
}
