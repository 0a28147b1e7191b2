//! Looking into running pods.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::node_api::{ExecOptions, TerminalSize};

fn exec(command: &[&str]) -> ExecOptions {
    ExecOptions {
        container: "c".to_owned(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        stdout: true,
        stderr: true,
        ..ExecOptions::default()
    }
}

async fn all(from: Option<Box<dyn tokio::io::AsyncRead + Send + Unpin>>) -> String {
    let mut text = String::new();
    from.unwrap().read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_command_runs_inside_of_the_container_and_its_streams_are_apart() {
    let cluster = Cluster::start().await;
    let pod = cluster.run("c", "echo inside > /tmp/mark; exec sleep 1000", json!({ "containers": [{ "env": [{ "name": "QUOTED", "value": "it's $HOME\n2" }], "workingDir": "/opt" }] }));
    cluster.until_ready(&pod).await;
    let session = cluster.node.exec(&pod, exec(&["/bin/sh", "-c", "while ! cat /tmp/mark; do sleep 0.05; done; echo \"$QUOTED\"; pwd; grep -i cap /proc/self/status; ps x | wc -l; echo err >&2; exit 3"])).await.unwrap();
    let (out, err) = tokio::join!(all(session.stdout), all(session.stderr));
    assert_eq!(session.exit.await.unwrap(), 3);
    assert!(out.contains("inside\nit's $HOME\n2\n/opt\n"), "{out}");
    assert!(err.ends_with("err\n"), "{err}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(out.contains(&format!("{set}:\t0000000000000000")), "{out}");
    }
    let lost = cluster
        .node
        .exec(&pod, exec(&["no-such-program"]))
        .await
        .unwrap();
    assert_eq!(lost.exit.await.unwrap(), 127);
    cluster.stop().await;
}

#[tokio::test]
async fn standard_input_reaches_the_command_and_ends() {
    let cluster = Cluster::start().await;
    let pod = cluster.run("c", "exec sleep 1000", json!({}));
    cluster.until_ready(&pod).await;
    let session = cluster
        .node
        .exec(
            &pod,
            ExecOptions {
                stdin: true,
                ..exec(&["cat"])
            },
        )
        .await
        .unwrap();
    let mut stdin = session.stdin.unwrap();
    let sent = "x".repeat(300_000);
    let writing = async {
        stdin.write_all(sent.as_bytes()).await.unwrap();
        stdin.shutdown().await.unwrap();
        drop(stdin);
    };
    let (got, ()) = tokio::join!(all(session.stdout), writing);
    assert_eq!(got, sent);
    assert_eq!(session.exit.await.unwrap(), 0);
    cluster.stop().await;
}

#[tokio::test]
async fn a_terminal_is_real_and_changes_its_size() {
    let cluster = Cluster::start().await;
    let pod = cluster.run("c", "exec sleep 1000", json!({}));
    cluster.until_ready(&pod).await;
    let options = ExecOptions {
        stdin: true,
        tty: true,
        stderr: false,
        ..exec(&["/bin/sh"])
    };
    let mut session = cluster.node.exec(&pod, options).await.unwrap();
    let size = TerminalSize {
        width: 123,
        height: 45,
    };
    session.resize.as_ref().unwrap().send(size).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    stdin
        .write_all(
            b"until [ \"$(stty size)\" = '45 123' ]; do sleep 0.05; done; stty size; tty; exit 9\n",
        )
        .await
        .unwrap();
    let mut text = String::new();
    stdout.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("45 123\r\n/dev/pts/0\r\n"), "{text:?}");
    assert_eq!(session.exit.await.unwrap(), 9);
    cluster.stop().await;
}

#[tokio::test]
async fn a_command_ends_when_its_session_is_dropped() {
    let cluster = Cluster::start().await;
    let pod = cluster.run("c", "exec sleep 1000", json!({}));
    cluster.until_ready(&pod).await;
    for tty in [false, true] {
        let script = "echo started; trap '' HUP TERM; (trap '' HUP; sleep 4321) & sleep 4321";
        let mut session = cluster
            .node
            .exec(
                &pod,
                ExecOptions {
                    tty,
                    ..exec(&["/bin/sh", "-c", script])
                },
            )
            .await
            .unwrap();
        let mut byte = [0];
        session
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .await
            .unwrap();
        drop(session);
        let mut left = String::new();
        for _ in 0..250 {
            let ps = cluster
                .node
                .exec(&pod, exec(&["/bin/sh", "-c", "ps ax | grep -c '[4]321'"]))
                .await
                .unwrap();
            left = all(ps.stdout).await;
            if left.trim() == "0" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(left.trim(), "0", "tty: {tty}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_log_is_followed_until_the_container_ends() {
    let cluster = Cluster::start().await;
    let pod = cluster.run(
        "c",
        "for i in 1 2 3; do echo $i; echo e$i >&2; sleep 0.1; done",
        json!({ "restartPolicy": "Never" }),
    );
    cluster
        .until(&pod, "a start", |pod| {
            let state = &pod["status"]["containerStatuses"][0]["state"];
            state["running"].is_object() || state["terminated"].is_object()
        })
        .await;
    let follow = LogOptions {
        follow: true,
        timestamps: true,
        ..LogOptions::default()
    };
    let text = cluster.log_of(&pod, follow).await.unwrap();
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1", "2", "3", "e1", "e2", "e3"]);
    let early = cluster.run("early", "x", json!({ "containers": [{ "image": "nope" }] }));
    cluster
        .until(&early, "waiting", |pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
                == "ImageNotRunnableLocally"
        })
        .await;
    assert!(matches!(
        cluster.log_of(&early, LogOptions::default()).await,
        Err(ApiError::BadRequest(_))
    ));
    cluster.stop().await;
}

#[tokio::test]
async fn cpu_and_memory_of_a_container_are_measured() {
    let cluster = Cluster::start().await;
    let pod = cluster.run("busy", "while true; do :; done", json!({}));
    cluster.until_ready(&pod).await;
    for _ in 0..1000 {
        let usage = cluster.node.pod_usage().await;
        if let Some(used) = usage.iter().find(|usage| usage.pod == pod) {
            assert!(used.containers[0].cpu_millicores > 50, "{used:?}");
            assert!(used.containers[0].memory_bytes > 100_000, "{used:?}");
            assert!(cluster.node.node_usage().await.unwrap().memory_bytes > 0);
            cluster.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not measured");
}
