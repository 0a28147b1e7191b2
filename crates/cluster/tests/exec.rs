//! Commands in containers, against a real API server.

#![allow(clippy::unwrap_used)]

mod scene;

use bytes::Bytes;
use catalyst_cluster::{Exec, ExecError, ExecEvent, ExecRequest, TerminalSize};
use scene::Scene;

fn request(command: &[&str]) -> ExecRequest {
    ExecRequest {
        pod: "web".to_owned(),
        container: "main".to_owned(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        stdin: false,
        terminal: None,
    }
}

async fn scene_with_pod() -> Scene {
    let scene = Scene::start().await;
    scene.script("web", "exec sleep 1000").await;
    scene.until_running("web").await;
    scene
}

/// Reads until the terminal has shown this text.
async fn until_shown(exec: &mut Exec, seen: &mut String, text: &str) {
    let reading = async {
        while !seen.contains(text) {
            match exec.output.next().await.unwrap() {
                Some(ExecEvent::Stdout(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} before {text:?}; shown: {seen:?}"),
            }
        }
    };
    let shown = tokio::time::timeout(scene::PATIENCE, reading).await;
    if shown.is_err() {
        let tail: String = seen.chars().rev().take(200).collect();
        let tail: String = tail.chars().rev().collect();
        panic!(
            "never showed {text:?} in {} bytes, the last {tail:?}",
            seen.len()
        );
    }
}

#[tokio::test]
async fn a_command_ends_with_its_exit_code_and_what_it_complained_of() {
    let scene = scene_with_pod().await;
    let run = |command: &'static [&'static str], input| {
        let (cluster, namespace) = (scene.cluster.clone(), scene.namespace.clone());
        async move { cluster.run(&namespace, &request(command), input).await }
    };
    let fine = run(&["sh", "-c", "echo out; echo err >&2"], None)
        .await
        .unwrap();
    assert_eq!(
        (fine.stdout, fine.stderr),
        (b"out\n".to_vec(), b"err\n".to_vec())
    );

    let error = run(&["sh", "-c", "echo why >&2; exit 3"], None)
        .await
        .unwrap_err();
    let ExecError::Exited {
        exit_code, stderr, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*exit_code, stderr.as_str()), (3, "why\n"));
    assert!(error.to_string().ends_with("exit code 3: why"), "{error}");

    let input = Bytes::from(vec![b'x'; 1_000_000]);
    let counted = run(&["wc", "-c"], Some(input)).await.unwrap();
    assert_eq!(String::from_utf8(counted.stdout).unwrap().trim(), "1000000");

    // Words with spaces and quotes stay words: no shell reads them.
    let words = run(&["printf", "%s|", "a b", "$(id)", "'"], None)
        .await
        .unwrap();
    assert_eq!(words.stdout, b"a b|$(id)|'|");

    let lost = scene
        .cluster
        .exec(
            &scene.namespace,
            &ExecRequest {
                pod: "no-such-pod".to_owned(),
                ..request(&["true"])
            },
        )
        .await
        .unwrap_err();
    assert!(lost.is_not_found(), "{lost:?}");
    scene.stop().await;
}

#[tokio::test]
async fn a_terminal_has_the_asked_size_changes_it_and_ends_with_an_exit_code() {
    let scene = scene_with_pod().await;
    let request = ExecRequest {
        stdin: true,
        terminal: Some(TerminalSize {
            width: 101,
            height: 31,
        }),
        ..request(&["sh"])
    };
    let mut exec = scene
        .cluster
        .exec(&scene.namespace, &request)
        .await
        .unwrap();
    let mut seen = String::new();
    let type_in = async |exec: &Exec, text: &'static str| {
        exec.input
            .write(Bytes::from_static(text.as_bytes()))
            .await
            .unwrap();
    };
    type_in(
        &exec,
        "until [ \"$(stty size)\" = '31 101' ]; do sleep 0.05; done; echo fir''st\n",
    )
    .await;
    until_shown(&mut exec, &mut seen, "first").await;
    exec.input
        .resize(TerminalSize {
            width: 77,
            height: 22,
        })
        .await
        .unwrap();
    type_in(
        &exec,
        "until [ \"$(stty size)\" = '22 77' ]; do sleep 0.05; done; echo sec''ond\n",
    )
    .await;
    until_shown(&mut exec, &mut seen, "second").await;
    // Both outputs are the terminal's.
    type_in(&exec, "echo co''mplaint >&2; exit 5\n").await;
    until_shown(&mut exec, &mut seen, "complaint").await;
    let code = loop {
        match exec.output.next().await.unwrap() {
            Some(ExecEvent::Exited(code)) => break code,
            Some(_) => {}
            None => panic!("ended without a code"),
        }
    };
    assert_eq!(code, 5);
    assert_eq!(exec.output.next().await.unwrap(), None);
    scene.stop().await;
}

#[tokio::test]
async fn a_command_whose_output_nobody_takes_is_held_up_and_still_hears_control_c() {
    let scene = scene_with_pod().await;
    let request = ExecRequest {
        stdin: true,
        terminal: Some(TerminalSize {
            width: 80,
            height: 24,
        }),
        ..request(&["sh"])
    };
    let mut exec = scene
        .cluster
        .exec(&scene.namespace, &request)
        .await
        .unwrap();
    let mut seen = String::new();
    exec.input
        .write(Bytes::from_static(
            b"trap 'echo st''opped' INT; echo re''ady; cat /dev/zero | base64\n",
        ))
        .await
        .unwrap();
    until_shown(&mut exec, &mut seen, "AAAAAAAA").await;
    // It fills what lies between us, and stops there.
    const WRITTEN: &str = "for p in /proc/[0-9]*; do \
        [ \"$(cat $p/comm)\" = base64 ] && grep wchar $p/io; done 2>/dev/null; true";
    let mut written = Vec::new();
    scene::until("the flood is held up", async || {
        let look = self::request(&["sh", "-c", WRITTEN]);
        let looked = scene.cluster.run(&scene.namespace, &look, None).await;
        let now = looked.unwrap().stdout;
        !now.is_empty() && std::mem::replace(&mut written, now.clone()) == now
    })
    .await;
    exec.input.write(Bytes::from_static(b"\x03")).await.unwrap();
    seen.clear();
    until_shown(&mut exec, &mut seen, "stopped").await;
    assert!(
        seen.len() < 64 * 1024 * 1024,
        "{} bytes were under way",
        seen.len()
    );
    scene.stop().await;
}

#[tokio::test]
async fn a_command_ends_when_nobody_listens_any_more() {
    let scene = scene_with_pod().await;
    let request = ExecRequest {
        stdin: true,
        terminal: Some(TerminalSize {
            width: 80,
            height: 24,
        }),
        ..request(&["sh", "-c", "echo begun; exec sleep 4321"])
    };
    let mut exec = scene
        .cluster
        .exec(&scene.namespace, &request)
        .await
        .unwrap();
    until_shown(&mut exec, &mut String::new(), "begun").await;
    drop(exec);
    let look = self::request(&["sh", "-c", "ps | grep -c '[s]leep 4321'"]);
    scene::until("the command is gone", async || {
        scene
            .cluster
            .run(&scene.namespace, &look, None)
            .await
            .is_err()
    })
    .await;
    scene.stop().await;
}
