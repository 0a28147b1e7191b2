//! Two teams, and a Catalyst between them that listens on a port: what belongs to the one is tried
//! by the owner of the other.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use catalyst_cluster::ClusterSource;
use catalyst_github::webhook::{WebhookSecret, WebhookSecrets};
use catalyst_localkube::{LocalKube, LocalKubeConfig};
use catalyst_model::{
    access::TokenScope,
    state::Role,
    views::{PreviewFilter, PreviewSummary},
};
use catalyst_previews::{Actor, IncomingDelivery, NewProject, NewToken, PreviewSettings, Previews};
use catalyst_store::Store;
use catalyst_testkit::{
    github::{FakePullRequest, FakeRepository},
    store::TemporaryStore,
};
use http::{Request, header};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

use super::{endpoints::FUNCTIONS_AT, rules::Rule};
use crate::{
    http::{AppState, MCP_PATH, guard::Origins, leptos_options, limits::SignInLimits, router},
    wiring,
};

/// Names that no page has in an example of its own.
const TEAM: &str = "heliotrope";
const PROJECT: &str = "orchid";
const REPOSITORY: &str = "heliotrope/petals";
const DELIVERY: &str = "5f1c2a66-0000-4000-8000-00000000cafe";

/// How long an answer may take to begin, and a text to come whole.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Nobody is signed in.
    Nobody,
    /// The owner of another team.
    Stranger,
    /// An owner of the team.
    Owner,
    /// Whoever runs this Catalyst.
    Operator,
    /// An agent of that owner's, whose token only reads.
    Reader,
}

/// An answer, as far as the rules are about it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub allow: String,
    pub text: String,
}

pub struct World {
    /// The router, as it tells of itself.
    pub router: String,
    pub previews: Previews,
    preview: PreviewSummary,
    /// A member of the team, and a token of its owner's.
    user: Uuid,
    token: String,
    owner: Uuid,
    /// Secrets of tokens.
    secrets: Vec<(Asker, String)>,
    origin: String,
    cookies: [(Asker, String); 3],
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Body>,
    _serving: AbortOnDropHandle<()>,
    _running: AbortOnDropHandle<()>,
    store: TemporaryStore,
    _kube: LocalKube,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut local = LocalKubeConfig::new(folder.path().join("cluster"));
        local.allow_weak_isolation = true;
        let kube = LocalKube::start(local).await.unwrap();
        let kubeconfig = wiring::write_kubeconfig(folder.path(), &kube.kubeconfig()).unwrap();
        let cluster = ClusterSource::Local(kubeconfig).connect().await.unwrap();
        cluster.install_crds().await.unwrap();

        let store = TemporaryStore::sqlite().await;
        let previews = Previews::new(store.clone(), cluster, None, PreviewSettings::default());
        let running = tokio::spawn({
            let previews = previews.clone();
            async move { previews.run(CancellationToken::new()).await }
        });
        let operator = previews.local_operator().await.unwrap();
        let preview = preview(&previews, &operator).await;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = format!("http://{address}");
        let secret = WebhookSecret::new(SecretString::from("a secret of the tests")).unwrap();
        let state = AppState {
            previews: previews.clone(),
            store: store.clone(),
            webhook_secrets: Arc::new(WebhookSecrets::new(secret, None)),
            origins: Origins::new(&origin, address.port()),
            public_url: origin.clone(),
            sign_in: None,
            limits: Arc::new(SignInLimits::new(vec!["127.0.0.0/8".parse().unwrap()])),
            leptos: leptos_options(folder.path(), address),
            shutdown: CancellationToken::new(),
        };
        let app = router(state, wiring::sessions(&store).unwrap(), false);
        let told = format!("{app:?}");
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut world = Self {
            router: told,
            previews,
            preview,
            user: Uuid::nil(),
            token: String::new(),
            owner: Uuid::nil(),
            secrets: Vec::new(),
            origin,
            cookies: [
                (Asker::Stranger, String::new()),
                (Asker::Owner, String::new()),
                (Asker::Operator, String::new()),
            ],
            client,
            _serving: AbortOnDropHandle::new(serving),
            _running: AbortOnDropHandle::new(running),
            store,
            _kube: kube,
            _folder: folder,
        };
        let stranger = member(&world.store, 1, "eve", "rivals").await;
        let owner = member(&world.store, 2, "olga", TEAM).await;
        world.user = member(&world.store, 3, "otto", TEAM).await;
        world.owner = owner;
        for (asker, user, scope) in [
            (Asker::Stranger, stranger, TokenScope::Write),
            (Asker::Owner, owner, TokenScope::Write),
            (Asker::Reader, owner, TokenScope::Read),
        ] {
            let new = NewToken {
                name: "agent".into(),
                scope,
                team: None,
                days: 1,
            };
            let actor = world.previews.actor(user).await.unwrap().unwrap();
            let minted = world.previews.create_token(&actor, new).await.unwrap();
            world.token = minted.token.id;
            world.secrets.push((asker, minted.secret));
        }
        let users = [stranger, owner, operator.user_id];
        for (index, user) in users.into_iter().enumerate() {
            world.cookies[index].1 = world.signed_in(user).await;
        }
        world
    }

    /// An example with the ids of the team's own things in it, or with unknown ones.
    pub fn filled(&self, example: &str, real: bool) -> String {
        let or = |real_one: &str, unknown: &str| match real {
            true => real_one.to_owned(),
            false => unknown.to_owned(),
        };
        let it = &self.preview;
        [
            (
                "$preview",
                or(&it.id, "00000000-0000-4000-8000-000000000000"),
            ),
            ("$namespace", or(&it.namespace, "nobody-nothing-preview-1")),
            ("$environment", or("preview-7", "preview-8")),
            ("$team", or(TEAM, "nobody")),
            ("$project", or(PROJECT, "nothing")),
            ("$repository", or(REPOSITORY, "nobody/nothing")),
            ("$commit", or(&it.commit, &"0".repeat(40))),
            (
                "$user",
                or(&self.user.to_string(), &Uuid::nil().to_string()),
            ),
            ("$token", or(&self.token, &Uuid::nil().to_string())),
            (
                "$delivery",
                or(DELIVERY, "00000000-0000-4000-8000-000000000000"),
            ),
        ]
        .into_iter()
        .fold(example.to_owned(), |text, (name, id)| {
            text.replace(name, &id)
        })
    }

    /// Whether the answer tells anything of the team's.
    pub fn is_told_of(&self, answer: &Answer) -> bool {
        // What the request itself named may be repeated.
        let text = answer.text.replace(&self.preview.namespace, "");
        text.contains(REPOSITORY)
            || text.contains(&self.preview.title)
            || text.contains(&self.user.to_string())
    }

    /// Sends a rule's example.
    pub async fn ask(&self, rule: &Rule, asker: Asker, real: bool) -> Answer {
        let path = match (rule.path.starts_with('/'), rule.example) {
            (true, "") => rule.path.replace(['{', '}', '*'], ""),
            (true, example) => example.to_owned(),
            (false, query) => format!("{FUNCTIONS_AT}{}{query}", rule.path),
        };
        let path = self.filled(&path, real);
        let form = self.filled(rule.form, real);
        let method = if rule.method == "ANY" {
            "POST"
        } else {
            rule.method
        };
        self.request(method, &path, &form, asker, rule.socket).await
    }

    /// Sends a request as our own pages do.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        form: &str,
        asker: Asker,
        socket: bool,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!(
                "{}{}",
                self.origin,
                path.replace('[', "%5B").replace(']', "%5D")
            ))
            .header(header::ORIGIN, &self.origin);
        if let Some((_, cookie)) = self.cookies.iter().find(|(of, _)| *of == asker) {
            request = request.header(header::COOKIE, cookie);
        }
        if socket {
            request = request
                .header(header::CONNECTION, "upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_VERSION, "13")
                .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        }
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let answer = answer
            .unwrap_or_else(|_| panic!("{method} {path}: no answer"))
            .unwrap();
        let text = |name: header::HeaderName| {
            let value = answer.headers().get(name);
            let value = value.and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (location, allow) = (text(header::LOCATION), text(header::ALLOW));
        let endless = text(header::CONTENT_TYPE).starts_with("text/event-stream");
        let status = answer.status().as_u16();
        let text = if endless || status == 101 {
            String::new()
        } else {
            let body = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await;
            let body = body.unwrap_or_else(|_| panic!("{method} {path}: it does not end"));
            String::from_utf8_lossy(&body.unwrap().to_bytes()).into_owned()
        };
        Answer {
            status,
            location,
            allow,
            text,
        }
    }

    /// The owner of the team.
    pub async fn owner(&self) -> Actor {
        self.previews.actor(self.owner).await.unwrap().unwrap()
    }

    /// Calls a tool with a token; the answer's status, and the tool's result where there is one.
    pub async fn call(&self, asker: Asker, tool: &str, arguments: &Value) -> (u16, Value) {
        let call = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        let mut request = Request::post(format!("{}{MCP_PATH}", self.origin))
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some((_, secret)) = self.secrets.iter().find(|(of, _)| *of == asker) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
        }
        let request = request.body(Body::from(call.to_string())).unwrap();
        let answer = self.client.request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["result"].take())
    }

    /// The cookie of a new session of this user's.
    async fn signed_in(&self, user: Uuid) -> String {
        let token = self
            .store
            .issue_sign_in_token(user, PATIENCE)
            .await
            .unwrap();
        let request = Request::post(format!("{}/sign-in", self.origin))
            .header(header::ORIGIN, &self.origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={token}")))
            .unwrap();
        let answer = self.client.request(request).await.unwrap();
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

async fn member(store: &Store, github_id: u64, login: &str, team: &str) -> Uuid {
    let user = store.github_user(github_id, login).await.unwrap();
    store
        .set_membership(user.id, team, Role::Owner)
        .await
        .unwrap();
    user.id
}

/// The team's preview, come in through the webhook's use case.
async fn preview(previews: &Previews, operator: &Actor) -> PreviewSummary {
    let new = NewProject {
        team: TEAM.into(),
        name: PROJECT.into(),
        repository: REPOSITORY.into(),
        clone_url: None,
        branch: "main".into(),
        installation_id: None,
        cluster: None,
        preset: None,
    };
    previews.create_project(operator, new).await.unwrap();
    let repository = FakeRepository::new(1, REPOSITORY);
    let mut opened = FakePullRequest::new(&repository, 7, &"a".repeat(40));
    opened.title = "Paint the petals".into();
    let delivery = IncomingDelivery {
        id: DELIVERY.into(),
        event: "pull_request".into(),
        body: opened.webhook("opened", None).to_string().into(),
    };
    previews.receive(delivery).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let filter = PreviewFilter::default();
        let list = previews.list(operator, &filter).await.unwrap();
        let slug = format!("{TEAM}-{PROJECT}");
        let environment = previews
            .environment_page(operator, &slug, "preview-7")
            .await;
        if let (Some(preview), Ok(_)) = (list.previews.into_iter().next(), environment) {
            return preview;
        }
        assert!(tokio::time::Instant::now() < deadline, "no preview");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
