//! Who opens a shell in a preview, what both sides see of it, and when it ends.

use std::time::Duration;

use crate::common::{World, eventually, pull_request};
use bytes::Bytes;
use catalyst_model::state::Role;
use catalyst_previews::shell::{FromViewer, TerminalSize, ToViewer, WINDOW};
use catalyst_previews::{Actor, ErrorKind, PreviewSettings, ShellEnd, ShellLimits, ShellRequest};
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait::await_condition;
use serde_json::json;
use tokio::task::JoinHandle;

const NAMESPACE: &str = "acme-shop-preview-7";
const PATIENCE: Duration = Duration::from_secs(90);

/// A preview with a pod `web` that runs, and the preview's id.
async fn world(shells: ShellLimits) -> (World, String) {
    let settings = PreviewSettings {
        shells,
        ..crate::common::settings()
    };
    let world = World::with_settings(settings).await;
    world.event("opened", &pull_request(7, 'a')).await;
    let id = world.preview(7, "is there", |_| true).await.id;
    let namespace: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } })).unwrap();
    let namespaces: Api<Namespace> = Api::all(world.cluster.client());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": {
            "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "app", "image": "busybox:1.36", "command": ["sh", "-c", "exec sleep 1000"],
            }],
        },
    }))
    .unwrap();
    let pods: Api<Pod> = Api::namespaced(world.cluster.client(), NAMESPACE);
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let runs = |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref()) == Some("Running")
    };
    let running = await_condition(pods, "web", runs);
    tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap()
        .unwrap();
    (world, id)
}

fn request() -> ShellRequest {
    ShellRequest {
        namespace: NAMESPACE.to_owned(),
        pod: "web".to_owned(),
        container: None,
        shell: Some("sh".to_owned()),
        size: TerminalSize {
            width: 80,
            height: 24,
        },
    }
}

/// The one who looks.
struct Viewer {
    to: mpsc::Sender<FromViewer>,
    from: mpsc::Receiver<ToViewer>,
    seen: String,
    carried: JoinHandle<ShellEnd>,
}

impl Viewer {
    async fn open(world: &World, actor: &Actor) -> Self {
        Self::signed_in_until(world, actor, std::future::pending()).await
    }

    async fn signed_in_until(
        world: &World,
        actor: &Actor,
        signed_out: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let ticket = world.previews.shell(actor, &request()).await.unwrap();
        let shell = ticket.open().await.unwrap();
        assert_eq!(shell.container(), "app");
        let (to, input) = mpsc::channel(1);
        let (output, from) = mpsc::channel(1);
        let carried = tokio::spawn(shell.carry(input, output, signed_out));
        Self {
            to,
            from,
            seen: String::new(),
            carried,
        }
    }

    async fn type_in(&mut self, text: &'static str) {
        let bytes = Bytes::from_static(text.as_bytes());
        self.to.send(FromViewer::Typed(bytes)).await.unwrap();
    }

    /// Takes output until it shows this text.
    async fn shows(&mut self, text: &str) {
        let reading = async {
            while !self.seen.contains(text) {
                match self.from.next().await {
                    Some(ToViewer::Output(bytes)) => {
                        self.seen.push_str(&String::from_utf8_lossy(&bytes));
                        self.to.send(FromViewer::Taken(bytes.len())).await.unwrap();
                    }
                    Some(_) => {}
                    None => panic!("ended before {text:?}: {:?}", self.seen),
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("never showed {text:?}"));
    }

    async fn ends(self) -> ShellEnd {
        let Self {
            to, from, carried, ..
        } = self;
        let draining = from.for_each(|_| async {});
        let end = tokio::time::timeout(PATIENCE, async { tokio::join!(carried, draining).0 });
        let end = end.await.unwrap().unwrap();
        drop(to);
        end
    }
}

#[tokio::test]
async fn a_member_of_the_team_opens_a_shell_and_the_audit_log_says_so_twice() {
    let (world, id) = world(ShellLimits::default()).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let foreign = world
        .previews
        .shell(&stranger, &request())
        .await
        .unwrap_err();
    let unknown = ShellRequest {
        namespace: "nowhere".to_owned(),
        ..request()
    };
    let nowhere = world.previews.shell(&stranger, &unknown).await.unwrap_err();
    assert_eq!(
        (foreign.kind(), nowhere.kind()),
        (ErrorKind::NotFound, ErrorKind::NotFound)
    );
    assert_eq!(world.audited(&id).await, []);

    let member = world.member("max", "acme", Role::Member).await;
    for (wrong, kind) in [
        (
            ShellRequest {
                pod: "no-pod".to_owned(),
                ..request()
            },
            ErrorKind::NotFound,
        ),
        (
            ShellRequest {
                container: Some("none".to_owned()),
                ..request()
            },
            ErrorKind::NotFound,
        ),
        (
            ShellRequest {
                shell: Some("sh; id".to_owned()),
                ..request()
            },
            ErrorKind::Invalid,
        ),
        (
            ShellRequest {
                namespace: "kube-system".to_owned(),
                ..request()
            },
            ErrorKind::NotFound,
        ),
    ] {
        let refused = world.previews.shell(&member, &wrong).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{wrong:?}");
    }

    let mut viewer = Viewer::open(&world, &member).await;
    viewer.type_in("echo $TERM re''ady; stty size\n").await;
    viewer.shows("xterm-256color ready").await;
    viewer.shows("24 80").await;
    let size = TerminalSize {
        width: 99,
        height: 33,
    };
    viewer.to.send(FromViewer::Resized(size)).await.unwrap();
    viewer
        .type_in("until [ \"$(stty size)\" = '33 99' ]; do sleep 0.05; done; echo re''sized\n")
        .await;
    viewer.shows("resized").await;
    viewer.type_in("exit 4\n").await;
    assert_eq!(viewer.ends().await, ShellEnd::Exited(4));

    let rows = world.store.audit(Some(&id), 10).await.unwrap();
    let [closed, opened] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (opened.actor.as_str(), opened.action.as_str()),
        ("max", "shell.open")
    );
    assert_eq!(opened.details["container"], "app");
    assert_eq!(closed.action, "shell.close");
    assert_eq!(
        (&closed.details["end"], &closed.details["exitCode"]),
        (&json!("exited"), &json!(4))
    );
    assert!(
        closed.details["seconds"].as_f64().unwrap() > 0.0,
        "{closed:?}"
    );
}

#[tokio::test]
async fn a_shell_ends_within_seconds_of_the_rights_even_when_nothing_happens_in_it() {
    let (world, _) = world(ShellLimits::default()).await;
    let member = world.member("max", "acme", Role::Member).await;
    let other = world.member("ann", "acme", Role::Member).await;
    let mut viewer = Viewer::open(&world, &member).await;
    let mut stays = Viewer::open(&world, &other).await;
    viewer.type_in("echo re''ady\n").await;
    viewer.shows("ready").await;
    let revoked = std::time::Instant::now();
    world
        .store
        .remove_membership(member.user_id, "acme")
        .await
        .unwrap();
    assert_eq!(viewer.ends().await, ShellEnd::Revoked);
    assert!(
        revoked.elapsed() < Duration::from_secs(5),
        "{:?}",
        revoked.elapsed()
    );
    stays.type_in("echo still''here\n").await;
    stays.shows("stillhere").await;
}

#[tokio::test]
async fn a_flood_waits_for_its_viewer_and_control_c_ends_it() {
    let (world, _) = world(ShellLimits::default()).await;
    let mut viewer = Viewer::open(&world, &world.operator).await;
    viewer.type_in("echo re''ady\n").await;
    viewer.shows("ready").await;
    viewer.type_in("cat /dev/zero | base64\n").await;
    // A viewer who takes messages, but never says that they were worked off.
    let mut got = 0;
    while got < WINDOW {
        if let Some(ToViewer::Output(bytes)) = viewer.from.next().await {
            got += bytes.len();
        }
    }
    let more = tokio::time::timeout(Duration::from_millis(500), viewer.from.next()).await;
    assert!(more.is_err(), "{more:?}");
    assert!(got < WINDOW + 64 * 1024, "{got} bytes are under way");

    viewer.type_in("\x03").await;
    // Until then it took nothing; now it takes what is under way, and finds the prompt behind it.
    viewer.to.send(FromViewer::Taken(got)).await.unwrap();
    viewer.type_in("echo an''swered\n").await;
    let before = viewer.seen.len();
    viewer.shows("answered").await;
    let behind = viewer.seen.len() - before;
    assert!(
        behind < 1024 * 1024,
        "{behind} bytes came before the answer"
    );
}

#[tokio::test]
async fn a_megabyte_is_pasted_in_pieces_and_arrives_whole() {
    let (world, _) = world(ShellLimits::default()).await;
    let mut viewer = Viewer::open(&world, &world.operator).await;
    viewer
        .type_in("stty -echo; echo re''ady; head -c 1048576 | md5sum; stty echo\n")
        .await;
    viewer.shows("ready").await;
    let line = [&[b'x'; 63][..], b"\n"].concat();
    let all = Bytes::from(line.repeat(16 * 1024));
    let (mut under_way, mut sent) = (0, 0);
    while sent < all.len() {
        while sent < all.len() && under_way < WINDOW / 2 {
            let piece = all.slice(sent..(sent + 8192).min(all.len()));
            (sent, under_way) = (sent + piece.len(), under_way + piece.len());
            viewer.to.send(FromViewer::Typed(piece)).await.unwrap();
        }
        let next = tokio::time::timeout(PATIENCE, viewer.from.next());
        if sent < all.len()
            && let Some(ToViewer::Taken(bytes)) = next.await.unwrap()
        {
            under_way -= bytes;
        }
    }
    // The md5 of 16,384 such lines.
    viewer.shows("1503ed95b7ac4790af848c238d8bdfa1").await;
}

#[tokio::test]
async fn limits_and_departures_end_a_shell_each_in_its_own_words() {
    let quick = |idle, total| ShellLimits {
        idle: Duration::from_millis(idle),
        total: Duration::from_millis(total),
        per_person: 2,
        ..ShellLimits::default()
    };
    let (mut world, id) = world(quick(1500, 60_000)).await;
    let (out, signed_out) = tokio::sync::oneshot::channel::<()>();
    let signed_out = async move {
        let _ = signed_out.await;
    };
    let leaves = Viewer::signed_in_until(&world, &world.operator, signed_out).await;
    let idle = Viewer::open(&world, &world.operator).await;
    let third = world
        .previews
        .shell(&world.operator, &request())
        .await
        .unwrap_err();
    assert_eq!(third.kind(), ErrorKind::Conflict);
    out.send(()).unwrap();
    assert_eq!(leaves.ends().await, ShellEnd::SignedOut);
    assert_eq!(
        idle.ends().await,
        ShellEnd::Idle(Duration::from_millis(1500))
    );

    let gone = Viewer::open(&world, &world.operator).await;
    let Viewer {
        to, from, carried, ..
    } = gone;
    drop((to, from));
    assert_eq!(carried.await.unwrap(), ShellEnd::Left);

    let mut too_much = Viewer::open(&world, &world.operator).await;
    too_much.type_in("sleep 1000\n").await;
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    while too_much
        .to
        .send(FromViewer::Typed(piece.clone()))
        .await
        .is_ok()
    {}
    assert_eq!(too_much.ends().await, ShellEnd::TooMuch);

    let last = Viewer::open(&world, &world.operator).await;
    world.shut_down().await;
    assert_eq!(last.ends().await, ShellEnd::Stopping);
    let ends = eventually("all ends are in the audit log", || async {
        let rows = world.store.audit(Some(&id), 100).await.unwrap();
        let mut ends: Vec<String> = rows
            .iter()
            .filter(|row| row.action == "shell.close")
            .map(|row| row.details["end"].as_str().unwrap().to_owned())
            .collect();
        ends.sort();
        (ends.len() == 5).then_some(ends)
    })
    .await;
    assert_eq!(ends, ["idle", "left", "signed out", "stopping", "too much"]);
}
