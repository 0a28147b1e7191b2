//! Who reaches whom: Services by name, policies, and this machine.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod whole;

use catalyst_localkube::objects::resource;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use whole::Whole;

fn server(name: &str, text: &str) -> serde_json::Value {
    let script = format!(
        "mkdir -p /tmp/w; echo {text} > /tmp/w/index.html; exec busybox httpd -f -p 80 -h /tmp/w"
    );
    json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "terminationGracePeriodSeconds": 1, "containers": [{
            "name": "c", "image": "busybox", "command": ["/bin/sh", "-c", script],
            "ports": [{ "name": "http", "containerPort": 80 }],
            "readinessProbe": { "tcpSocket": { "port": 80 }, "periodSeconds": 1 },
        }] },
    })
}

/// `db` in the namespace `shop`, behind a Service of that name on port 8000 and a headless one.
async fn shop() -> Option<Whole> {
    let whole = Whole::start().await;
    if !whole.is_isolated() {
        return None;
    }
    whole.namespace("shop");
    whole.create(resource::PODS, "shop", server("db", "data"));
    let service = |name: &str, extra: serde_json::Value| {
        let mut spec = json!({ "selector": { "app": "db" }, "ports": [{ "port": 8000, "targetPort": "http" }] });
        for (key, value) in extra.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        whole.create(
            resource::SERVICES,
            "shop",
            json!({ "metadata": { "name": name }, "spec": spec }),
        );
    };
    service("db", json!({}));
    service("headless", json!({ "clusterIP": "None" }));
    whole.until_ready("shop", "db").await;
    Some(whole)
}

/// Asks a host and a port for a page, and prints its body.
fn ask(target: &str) -> String {
    format!(
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 {target} | sed '1,/^\\r*$/d' | grep ."
    )
}

#[tokio::test]
async fn pods_of_a_namespace_reach_each_other_by_the_services_name() {
    let Some(whole) = shop().await else { return };
    for (n, address) in [
        "db 8000",
        "db.shop 8000",
        "db.shop.svc.cluster.local 8000",
        "headless 80",
    ]
    .iter()
    .enumerate()
    {
        let said = whole
            .said("shop", &format!("client-{n}"), json!({}), &ask(address))
            .await;
        assert_eq!(said, "data\n", "{address}");
    }
    let refused = whole
        .said(
            "shop",
            "wrong-port",
            json!({}),
            &format!("{} || echo no", ask("db 8001")),
        )
        .await;
    assert!(refused.ends_with("no\n"), "{refused}");
    whole.kube.shutdown().await;
}

#[tokio::test]
async fn a_service_that_comes_later_is_found_by_a_pod_that_runs() {
    let Some(whole) = shop().await else { return };
    let waits = json!({
        "metadata": { "name": "waits" },
        "spec": { "restartPolicy": "Never", "containers": [{
            "name": "c", "image": "busybox",
            "command": ["/bin/sh", "-c", format!("until {}; do sleep 0.1; done > /dev/termination-log", ask("later 1234"))],
        }] },
    });
    whole.create(resource::PODS, "shop", waits);
    whole
        .until(resource::PODS, "shop", "waits", "Running", |pod| {
            pod["status"]["phase"] == "Running"
        })
        .await;
    whole.create(
        resource::SERVICES,
        "shop",
        json!({
            "metadata": { "name": "later" },
            "spec": { "selector": { "app": "db" }, "ports": [{ "port": 1234, "targetPort": 80 }] },
        }),
    );
    whole
        .until(resource::PODS, "shop", "waits", "Succeeded", |pod| {
            pod["status"]["phase"] == "Succeeded"
        })
        .await;
    whole.kube.shutdown().await;
}

#[tokio::test]
async fn other_namespaces_and_this_machine_are_out_of_reach() {
    let Some(whole) = shop().await else { return };
    whole.namespace("other");
    let db = whole.objects().get(resource::PODS, "shop", "db").unwrap();
    let service = whole
        .objects()
        .get(resource::SERVICES, "shop", "db")
        .unwrap();
    let api = whole.kube.api_url();
    let api_port = api.rsplit(':').next().unwrap().trim_end_matches('/');
    let ingress_port = whole.kube.ingress_addr().port();
    let on_all = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let on_all_port = on_all.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = on_all.accept().await {
            // One that was reached may hang up at once.
            let _ = stream.write_all(b"reached").await;
        }
    });
    let mut targets = vec![
        format!("{} 80", db["status"]["podIP"].as_str().unwrap()),
        format!("{} 8000", service["spec"]["clusterIP"].as_str().unwrap()),
    ];
    for address in own_addresses() {
        for port in [
            api_port,
            &ingress_port.to_string(),
            &on_all_port.to_string(),
        ] {
            targets.push(format!("{address} {port}"));
        }
    }
    let tries: String = targets
        .iter()
        .map(|target| format!("[ -n \"$(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 2 {target} 2> /dev/null)\" ] && echo reached {target}; "))
        .collect();
    let said = whole
        .said("other", "spy", json!({}), &format!("{tries} echo tried"))
        .await;
    assert!(
        said.contains("tried") && !said.contains("reached"),
        "{said}"
    );
    whole.kube.shutdown().await;
}

/// This machine's addresses as a pod would try them, the ways that slirp4netns could open included.
fn own_addresses() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap();
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let mut addresses = vec![
        "10.0.2.2".to_owned(),
        "10.42.0.2".to_owned(),
        "10.42.0.130".to_owned(),
    ];
    for pair in lines.windows(2) {
        if let (Some(address), true) = (
            pair[0].strip_prefix("|-- "),
            pair[1].starts_with("/32 host LOCAL"),
        ) && !addresses.iter().any(|known| known == address)
        {
            addresses.push(address.to_owned());
        }
    }
    addresses
}

#[tokio::test]
async fn a_policy_decides_and_a_new_one_applies_to_running_pods() {
    let Some(whole) = shop().await else { return };
    let from = |app: &str| json!([{ "from": [{ "podSelector": { "matchLabels": { "app": app } } }], "ports": [{ "port": 80 }] }]);
    whole.create(resource::NETWORK_POLICIES, "shop", json!({
        "metadata": { "name": "db" },
        "spec": { "podSelector": { "matchLabels": { "app": "db" } }, "policyTypes": ["Ingress"], "ingress": from("web") },
    }));
    let ask_db = format!("{} || echo refused", ask("db 8000"));
    assert_eq!(
        whole
            .said("shop", "web", json!({ "app": "web" }), &ask_db)
            .await,
        "data\n"
    );
    assert!(
        whole
            .said("shop", "other", json!({ "app": "other" }), &ask_db)
            .await
            .ends_with("refused\n")
    );

    // The way out, while the pod runs: open, then closed for all but one port of one block.
    let watcher = |port: u16| {
        format!(
            "busybox nc -w 1 192.0.2.77 {port} < /dev/null 2>&1 | grep -q refused && echo refused"
        )
    };
    whole.create(
        resource::PODS,
        "shop",
        json!({
            "metadata": { "name": "runs", "labels": { "app": "runs" } },
            "spec": { "restartPolicy": "Never", "containers": [{
                "name": "c", "image": "busybox",
                "command": ["/bin/sh", "-c", format!("until {}; do sleep 0.1; done", watcher(443))],
            }] },
        }),
    );
    let running = |pod: &serde_json::Value| pod["status"]["phase"] == "Running";
    whole
        .until(resource::PODS, "shop", "runs", "Running", running)
        .await;
    whole.create(resource::NETWORK_POLICIES, "shop", json!({
        "metadata": { "name": "out" },
        "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": [
            { "to": [{ "ipBlock": { "cidr": "198.51.100.0/24" } }], "ports": [{ "port": 443 }] },
        ] },
    }));
    whole
        .until(resource::PODS, "shop", "runs", "a refusal", |pod| {
            pod["status"]["phase"] == "Succeeded"
        })
        .await;
    assert!(
        whole
            .said("shop", "shut-in", json!({ "app": "web" }), &ask_db)
            .await
            .ends_with("refused\n")
    );
    whole.kube.shutdown().await;
}
