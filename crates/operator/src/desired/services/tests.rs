#![allow(clippy::unwrap_used)]

use catalyst_crd::project::Quota;
use serde_json::{Value, json};

use super::*;
use crate::desired::tests::target;

fn config(value: Value) -> ManagedService {
    serde_json::from_value(value).unwrap()
}

fn image(name: &str, image: &str) -> ManagedService {
    config(json!({ "name": name, "container": { "image": image } }))
}

fn set_with(service: &ManagedService, allowance: Allowance) -> Value {
    let settings = OperatorSettings::default();
    json!(stateful_set(&target(), service, allowance, &settings))
}

fn pod(service: &ManagedService) -> Value {
    set_with(service, Allowance::default())["spec"]["template"]["spec"].clone()
}

fn variable_of(container: &Value, name: &str) -> Value {
    let env = container["env"].as_array().unwrap();
    let found = env.iter().find(|variable| variable["name"] == name);
    found.cloned().unwrap_or_default()
}

fn key(service: &str, key: &str) -> Value {
    json!({ "secretKeyRef": { "name": format!("{service}-credentials"), "key": key } })
}

/// What the Secret holds.
fn secret(service: &ManagedService) -> BTreeMap<String, String> {
    let secret = credentials(&target(), service, "generated").unwrap();
    let data = secret.data.unwrap().into_iter();
    data.map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
        .collect()
}

fn told(services: &[ManagedService]) -> Vec<(String, Value)> {
    let all = variables(services).into_iter();
    all.map(|it| (it.name.clone(), json!(it))).collect()
}

#[test]
fn each_preset_has_its_port_its_folder_its_probe_and_its_address() {
    for (name, image_name, port, data, probe, url) in [
        (
            "postgres",
            "postgres:16",
            5432,
            "/var/lib/postgresql/data",
            "exec",
            "postgresql://postgres:generated@postgres:5432/postgres",
        ),
        (
            "db",
            "ghcr.io/acme/postgis:16-3.4@sha256:abc",
            5432,
            "/var/lib/postgresql/data",
            "exec",
            "postgresql://postgres:generated@db:5432/postgres",
        ),
        (
            "vectors",
            "pgvector/pgvector:pg17",
            5432,
            "/var/lib/postgresql/data",
            "exec",
            "postgresql://postgres:generated@vectors:5432/postgres",
        ),
        (
            "mysql",
            "mysql:8",
            3306,
            "/var/lib/mysql",
            "tcpSocket",
            "mysql://app:generated@mysql:3306/app",
        ),
        (
            "maria",
            "mariadb",
            3306,
            "/var/lib/mysql",
            "tcpSocket",
            "mysql://app:generated@maria:3306/app",
        ),
        (
            "redis",
            "redis:7-alpine",
            6379,
            "/data",
            "tcpSocket",
            "redis://:generated@redis:6379",
        ),
        (
            "cache",
            "valkey/valkey:8",
            6379,
            "/data",
            "tcpSocket",
            "redis://:generated@cache:6379",
        ),
        (
            "search",
            "opensearchproject/opensearch:2",
            9200,
            "/usr/share/opensearch/data",
            "httpGet",
            "http://search:9200",
        ),
    ] {
        let wanted = image(name, image_name);
        let pod = pod(&wanted);
        let container = &pod["containers"][0];
        assert_eq!(container["ports"][0]["containerPort"], port, "{image_name}");
        assert!(
            container["readinessProbe"][probe].is_object(),
            "{container}"
        );
        assert_eq!(
            container["volumeMounts"][0]["mountPath"], data,
            "{image_name}"
        );
        assert!(pod["volumes"][0]["emptyDir"].is_object(), "{pod}");
        let reached = json!(service(&target(), &wanted));
        assert_eq!(reached["spec"]["ports"][0]["port"], port, "{image_name}");
        let (_, address) = &told(std::slice::from_ref(&wanted))[0];
        match credentials(&target(), &wanted, "generated") {
            Some(_) => assert_eq!(secret(&wanted)["url"], url),
            None => assert_eq!(address["value"], url),
        }
    }
}

#[test]
fn no_object_but_the_secret_has_a_password() {
    for (service, variables) in [
        (image("db", "postgres:16"), &["POSTGRES_PASSWORD"][..]),
        (
            image("db", "mysql:8"),
            &["MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD"],
        ),
        (image("db", "redis:7"), &["REDIS_PASSWORD"]),
    ] {
        let pod = pod(&service);
        for name in variables {
            let found = variable_of(&pod["containers"][0], name);
            assert_eq!(found["valueFrom"], key("db", "password"), "{name}");
        }
        assert!(is_generated(&service));
    }
    let redis = pod(&image("db", "redis:7"));
    let args = redis["containers"][0]["args"].as_array().unwrap();
    assert_eq!(args[..2], ["--requirepass", "$(REDIS_PASSWORD)"]);
}

#[test]
fn a_password_that_is_spelt_out_is_moved_into_the_secret() {
    let postgres = config(
        json!({ "name": "postgres", "container": { "image": "postgres:16", "env": [
        { "name": "POSTGRES_PASSWORD", "value": "p@ss word" }, { "name": "POSTGRES_USER", "value": "shop" }
    ] } }),
    );
    let secret_of = secret(&postgres);
    assert_eq!(secret_of["POSTGRES_PASSWORD"], "p@ss word");
    assert_eq!(
        secret_of["url"],
        "postgresql://shop:p%40ss%20word@postgres:5432/shop"
    );
    let set = pod(&postgres);
    assert!(!set.to_string().contains("p@ss"), "{set}");
    assert_eq!(
        variable_of(&set["containers"][0], "POSTGRES_PASSWORD")["valueFrom"],
        key("postgres", "POSTGRES_PASSWORD")
    );
    assert!(!is_generated(&postgres));
    assert_eq!(told(&[postgres])[0].0, "DATABASE_URL");

    // MySQL's two may differ.
    let mysql = config(
        json!({ "name": "mysql", "container": { "image": "mysql:8", "env": [
        { "name": "MYSQL_ROOT_PASSWORD", "value": "root" }, { "name": "MYSQL_PASSWORD", "value": "user" }
    ] } }),
    );
    assert_eq!(secret(&mysql)["url"], "mysql://app:user@mysql:3306/app");
    assert_eq!(
        variable_of(&pod(&mysql)["containers"][0], "MYSQL_ROOT_PASSWORD")["valueFrom"],
        key("mysql", "MYSQL_ROOT_PASSWORD")
    );

    // Any image's.
    let minio = config(
        json!({ "name": "s3", "container": { "image": "minio/minio", "args": ["server", "/data"],
        "env": [{ "name": "MINIO_ROOT_PASSWORD", "value": "minio123" }, { "name": "MINIO_ROOT_USER", "value": "minio" }] } }),
    );
    assert_eq!(
        secret(&minio),
        [("MINIO_ROOT_PASSWORD".to_owned(), "minio123".to_owned())].into()
    );
    assert!(!pod(&minio).to_string().contains("minio123"));
    assert_eq!(
        pod(&minio)["containers"][0]["args"],
        json!(["server", "/data"])
    );
}

#[test]
fn what_the_configuration_takes_into_its_own_hands_is_left_to_it() {
    let from_elsewhere = json!({ "name": "POSTGRES_PASSWORD", "valueFrom": { "secretKeyRef": { "name": "catalyst-secrets", "key": "DB" } } });
    for (image, env) in [
        (
            "postgres:16",
            json!({ "name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust" }),
        ),
        ("postgres:16", from_elsewhere),
        (
            "postgres:16",
            json!({ "name": "POSTGRES_PASSWORD", "value": "$(OTHER)" }),
        ),
        (
            "mysql:8",
            json!({ "name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "yes" }),
        ),
        (
            "mariadb:11",
            json!({ "name": "MARIADB_RANDOM_ROOT_PASSWORD", "value": "1" }),
        ),
        (
            "bitnami/postgresql:16",
            json!({ "name": "ALLOW_EMPTY_PASSWORD", "value": "yes" }),
        ),
        ("nginx", json!({ "name": "A", "value": "b" })),
    ] {
        let service = config(
            json!({ "name": "db", "database": "shop", "container": { "image": image, "env": [env] } }),
        );
        assert!(!is_generated(&service), "{image} {env}");
        assert!(
            variables(std::slice::from_ref(&service)).is_empty(),
            "{image} {env}"
        );
    }
    let own = config(
        json!({ "name": "db", "database": "shop", "container": { "image": "postgres:16",
        "env": [{ "name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust" }] } }),
    );
    let set = pod(&own);
    assert_eq!(
        variable_of(&set["containers"][0], "POSTGRES_DB")["value"],
        "shop"
    );
    let secured = config(
        json!({ "name": "search", "container": { "image": "opensearch:2",
        "env": [{ "name": "OPENSEARCH_INITIAL_ADMIN_PASSWORD", "value": "Str0ng!pass" }] } }),
    );
    let set = pod(&secured);
    assert_eq!(
        variable_of(&set["containers"][0], "DISABLE_SECURITY_PLUGIN"),
        Value::Null
    );
    assert!(!set.to_string().contains("Str0ng"), "{set}");
}

#[test]
fn the_database_that_is_named_is_the_one_that_is_made_and_reached() {
    for (image, variable, url) in [
        (
            "postgres:16",
            "POSTGRES_DB",
            "postgresql://postgres:generated@db:5432/shop",
        ),
        (
            "mysql:8",
            "MYSQL_DATABASE",
            "mysql://app:generated@db:3306/shop",
        ),
    ] {
        let service =
            config(json!({ "name": "db", "database": "shop", "container": { "image": image } }));
        let container = &pod(&service)["containers"][0];
        assert_eq!(variable_of(container, variable)["value"], "shop");
        assert_eq!(secret(&service)["url"], url);
        assert_eq!(secret(&service)["database"], "shop");
    }
    let redis = config(json!({ "name": "r", "database": "3", "container": { "image": "redis" } }));
    assert_eq!(secret(&redis)["url"], "redis://:generated@r:6379/3");
}

#[test]
fn the_first_database_is_database_url_and_every_service_has_one_by_its_name() {
    let all = [
        image("cache", "redis:7"),
        image("legacy-db", "mysql:8"),
        image("analytics", "postgres:16"),
        image("search", "opensearch:2"),
        image("mail", "mailhog/mailhog"),
    ];
    let told = told(&all);
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "DATABASE_URL",
            "REDIS_URL",
            "MYSQL_URL",
            "POSTGRES_URL",
            "OPENSEARCH_URL",
            "CACHE_URL",
            "LEGACY_DB_URL",
            "ANALYTICS_URL",
            "SEARCH_URL"
        ]
    );
    assert_eq!(told[0].1["valueFrom"], key("legacy-db", "url"));
    assert_eq!(main_database(&all).unwrap().name, "legacy-db");
}

#[test]
fn a_volume_is_a_folder_of_it_for_presets_and_whole_for_other_images() {
    let storage = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let with = |name: &str, image: &str| {
        config(json!({ "name": name, "storage": storage, "container": { "image": image } }))
    };
    for (service, path, folder) in [
        (with("redis", "redis:7"), "/data", json!("data")),
        (with("db", "mysql:8"), "/var/lib/mysql", json!("data")),
        (with("queue", "rabbitmq:3"), "/var/lib/queue", Value::Null),
        (
            with("postgres", "acme/own-database"),
            "/var/lib/postgresql/data",
            Value::Null,
        ),
    ] {
        let mount = pod(&service)["containers"][0]["volumeMounts"][0].clone();
        assert_eq!(
            (&mount["mountPath"], &mount["subPath"]),
            (&json!(path), &folder)
        );
    }
    let own = pod(&with("postgres", "acme/own-database"));
    assert_eq!(
        variable_of(&own["containers"][0], "PGDATA")["value"],
        "/var/lib/postgresql/data"
    );
    assert_eq!(
        pod(&with("s", "opensearch:2"))["securityContext"]["fsGroup"],
        1000
    );
}

#[test]
fn what_a_preset_gets_fits_into_the_quota() {
    let limits = |allowance| {
        let set = set_with(&image("search", "opensearch:2"), allowance);
        let container = set["spec"]["template"]["spec"]["containers"][0].clone();
        let heap = variable_of(&container, "OPENSEARCH_JAVA_OPTS")["value"].clone();
        (container["resources"]["limits"].clone(), heap)
    };
    let usual = limits(Allowance::default());
    assert_eq!(
        usual,
        (
            json!({ "cpu": "500m", "memory": "1280Mi" }),
            json!("-Xms640m -Xmx640m")
        )
    );
    let small = Quota {
        cpu: Some("1".to_owned()),
        memory: Some("2Gi".to_owned()),
    };
    let small = limits(Allowance::of(Some(&small)).unwrap());
    assert_eq!(
        small,
        (
            json!({ "cpu": "250m", "memory": "512Mi" }),
            json!("-Xms256m -Xmx256m")
        )
    );
    let said = config(
        json!({ "name": "db", "container": { "image": "postgres", "resources": { "limits": { "cpu": "2" } } } }),
    );
    assert_eq!(
        pod(&said)["containers"][0]["resources"],
        json!({ "limits": { "cpu": "2" } })
    );
}

#[test]
fn credentials_are_made_for_a_set_that_had_none() {
    let service = image("db", "redis:7");
    let settings = OperatorSettings::default();
    let set = stateful_set(&target(), &service, Allowance::default(), &settings);
    assert!(has_credentials(&set, &service));
    let before = stateful_set(
        &target(),
        &image("db", "nginx"),
        Allowance::default(),
        &settings,
    );
    assert!(!has_credentials(&before, &service));
}

#[test]
fn a_client_gets_what_the_server_has() {
    let (name, env) = client(&image("db", "postgres:16")).unwrap();
    let env = json!(env);
    assert_eq!(name, "postgres");
    let find = |wanted: &str| {
        let all = env.as_array().unwrap();
        all.iter().find(|it| it["name"] == wanted).unwrap().clone()
    };
    assert_eq!(find("RESTORE_HOST")["value"], "db");
    assert_eq!(find("PGUSER")["value"], "postgres");
    assert_eq!(find("PGPASSWORD")["valueFrom"], key("db", "password"));
    assert!(client(&image("db", "redis:7")).is_none());
}
