//! Requests to a cluster, and its answers as they came.

mod answer;
mod cluster;
mod socket;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, Request, header};
use kube::client::Body;
use serde_json::{Value, json};

pub use answer::{Answer, Lines};
use cluster::Cluster;
pub use socket::Exec;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

pub const JSON_PATCH: &str = "application/json-patch+json";
pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// A test's view of the cluster: a namespace of its own, and whatever cluster-wide objects it says it leaves behind.
pub struct Contract {
    client: kube::Client,
    /// The test's namespace.
    pub namespace: String,
    /// Paths to delete in the end.
    left: Mutex<Vec<String>>,
    cluster: Cluster,
}

impl Contract {
    /// Connects and makes the namespace.
    pub async fn start() -> Self {
        Self::with_labels(json!({})).await
    }

    /// The same, with labels on the namespace.
    pub async fn with_labels(labels: Value) -> Self {
        let cluster = Cluster::get();
        let client = cluster.client().await;
        let namespace = unique("contract");
        let contract = Self {
            client,
            namespace: namespace.clone(),
            left: Mutex::default(),
            cluster,
        };
        contract.leaves(format!("/api/v1/namespaces/{namespace}"));
        contract
            .post(
                "/api/v1/namespaces",
                json!({ "metadata": { "name": namespace, "labels": labels } }),
            )
            .await
            .expect(201);
        // A pod may be refused until its namespace's account is there.
        contract
            .until(
                &contract.path("serviceaccounts/default"),
                "to be there",
                |answer| answer.code == 200,
            )
            .await;
        contract
    }

    /// Connects only where a node is ready to run pods; says so where there is none.
    pub async fn with_node() -> Option<Self> {
        let contract = Self::start().await;
        let nodes = contract.get("/api/v1/nodes").await.expect(200);
        let ready = items(&nodes).any(|node| {
            items_of(&node["status"]["conditions"])
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        });
        if ready {
            return Some(contract);
        }
        cluster::say(&format!(
            "NOT RUN, for no node of this cluster is ready: {}",
            std::thread::current().name().unwrap_or_default()
        ));
        None
    }

    /// Something to delete in the end, by its path.
    pub fn leaves(&self, path: impl Into<String>) {
        self.left.lock().unwrap().push(path.into());
    }

    /// `/api/v1/namespaces/{the test's}/{rest}`.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// `/apis/{group}/{version}/namespaces/{the test's}/{rest}`.
    pub fn path_of(&self, group_version: &str, rest: &str) -> String {
        format!("/apis/{group_version}/namespaces/{}/{rest}", self.namespace)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// A `GET` with an `Accept` header.
    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", accept)], None)
            .await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// A `DELETE` with `DeleteOptions`.
    pub async fn delete_with(&self, path: &str, mut options: Value) -> Answer {
        options["kind"] = "DeleteOptions".into();
        options["apiVersion"] = "v1".into();
        self.send(Method::DELETE, path, &[], Some(options)).await
    }

    /// A `PATCH` of one of the four media types.
    pub async fn patch(&self, path: &str, media_type: &str, body: Value) -> Answer {
        self.send(
            Method::PATCH,
            path,
            &[("content-type", media_type)],
            Some(body),
        )
        .await
    }

    /// A server-side apply by a manager; `query` is added, such as `&force=true`.
    pub async fn apply(&self, path: &str, manager: &str, query: &str, body: Value) -> Answer {
        let path = format!("{path}?fieldManager={manager}{query}");
        self.patch(&path, APPLY, body).await
    }

    /// Any request.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes());
        self.send_bytes(method, path, headers, bytes).await
    }

    /// Any request, with a body of any bytes.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let what = format!("{method} {path}");
        let response = self.open(method, path, headers, body).await;
        Answer::read(what, response).await
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> http::Response<Body> {
        let mut request = Request::builder().method(&method).uri(path);
        let typed = headers.iter().any(|(name, _)| *name == "content-type");
        if body.is_some() && !typed {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, Body::from);
        self.client
            .send(request.body(body).unwrap())
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A stream of lines: a watch or a log.
    pub async fn lines(&self, path: &str) -> Lines {
        let response = self.open(Method::GET, path, &[], None).await;
        Lines::new(path.to_owned(), response)
    }

    /// A command in a container; `Err` where the server refused to begin.
    pub async fn exec(&self, path: &str, protocols: &str) -> Result<Exec, Answer> {
        Exec::connect(&self.client, path, protocols).await
    }

    /// Asks again until the answer is as wanted.
    pub async fn until(&self, path: &str, what: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if holds(&answer) {
                return answer;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "waited for {path} {what}: {} {:#}",
                answer.code,
                answer.body
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until there is nothing at a path.
    pub async fn until_gone(&self, path: &str) {
        self.until(path, "to be gone", |answer| answer.code == 404)
            .await;
    }

    /// Makes a ConfigMap with a name and data, and returns it.
    pub async fn config_map(&self, name: &str, data: Value) -> Value {
        let body = json!({ "metadata": { "name": name }, "data": data });
        self.post(&self.path("configmaps"), body).await.expect(201)
    }

    /// Makes a CRD of the kind `Widget` in a group of the test's own, with one version `v1`, and waits until it is
    /// served. `version` is merged into the version.
    pub async fn crd(&self, version: Value) -> Crd {
        let crd = Crd::new(&self.namespace);
        let body = crd.body(version);
        self.leaves(crd.path());
        self.post(CRDS, body).await.expect(201);
        self.until(&crd.path(), "to be established", |answer| {
            condition(&answer.body, "Established") == "True"
        })
        .await;
        self.until(&crd.all(), "to be served", |answer| answer.code == 200)
            .await;
        crd
    }
}

impl Drop for Contract {
    fn drop(&mut self) {
        let left = std::mem::take(self.left.get_mut().unwrap());
        self.cluster.remove(left);
    }
}

pub const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A CRD of a test.
pub struct Crd {
    pub group: String,
    namespace: String,
}

impl Crd {
    pub fn new(namespace: &str) -> Self {
        Self {
            group: format!("{}.example.com", unique("g")),
            namespace: namespace.to_owned(),
        }
    }

    pub fn name(&self) -> String {
        format!("widgets.{}", self.group)
    }

    pub fn path(&self) -> String {
        format!("{CRDS}/{}", self.name())
    }

    pub fn all(&self) -> String {
        format!("/apis/{}/v1/widgets", self.group)
    }

    /// The path of the kind in the test's namespace, or of an object of it.
    pub fn objects(&self, rest: &str) -> String {
        let slash = if rest.is_empty() { "" } else { "/" };
        format!(
            "/apis/{}/v1/namespaces/{}/widgets{slash}{rest}",
            self.group, self.namespace
        )
    }

    pub fn body(&self, version: Value) -> Value {
        let mut v1 = json!({ "name": "v1", "served": true, "storage": true });
        for (key, value) in version.as_object().unwrap() {
            v1[key] = value.clone();
        }
        json!({
            "metadata": { "name": self.name() },
            "spec": {
                "group": self.group, "scope": "Namespaced",
                "names": { "plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wg"], "categories": ["all"] },
                "versions": [v1],
            },
        })
    }

    /// A Widget with a name and a spec.
    pub fn widget(&self, name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": format!("{}/v1", self.group), "kind": "Widget",
            "metadata": { "name": name }, "spec": spec,
        })
    }
}

/// A schema whose `spec` has these properties.
pub fn schema(spec: Value) -> Value {
    json!({ "openAPIV3Schema": {
        "type": "object",
        "properties": {
            "spec": { "type": "object", "properties": spec },
            "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        },
    } })
}

/// A name that no other test uses, of this run or another.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = rand::random_range(0..0xff_ffff);
    format!("{prefix}-{random:06x}{number}")
}

/// The items of a list.
pub fn items(list: &Value) -> impl Iterator<Item = &Value> {
    items_of(&list["items"])
}

/// The elements of an array; none where it is none.
pub fn items_of(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

/// The names in a list, in its order.
pub fn names(list: &Value) -> Vec<String> {
    items(list).map(name).collect()
}

pub fn name(object: &Value) -> String {
    text(&object["metadata"]["name"])
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The status of a condition; empty where there is none.
pub fn condition(object: &Value, kind: &str) -> String {
    items_of(&object["status"]["conditions"])
        .find(|condition| condition["type"] == kind)
        .map(|condition| text(&condition["status"]))
        .unwrap_or_default()
}

/// A pod whose only container `main` runs a script.
pub fn pod(name: &str, script: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{ "name": "main", "image": image(), "command": ["sh", "-c", script] }],
        },
    })
}

/// An image with a shell.
pub fn image() -> String {
    std::env::var("CATALYST_CONTRACT_IMAGE").unwrap_or_else(|_| "busybox".to_owned())
}
