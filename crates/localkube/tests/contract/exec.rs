//! Commands in containers.

use crate::harness::{Contract, pod};

const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";

async fn running() -> Option<Contract> {
    let contract = Contract::with_node().await?;
    contract
        .post(&contract.path("pods"), pod("p", "exec sleep 600"))
        .await
        .expect(201);
    contract
        .until(&contract.path("pods/p"), "to run", |answer| {
            answer.body["status"]["phase"] == "Running"
        })
        .await;
    Some(contract)
}

fn path(contract: &Contract, command: &[&str], options: &str) -> String {
    let command: Vec<String> = command
        .iter()
        .map(|part| {
            format!(
                "command={}",
                percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC)
            )
        })
        .collect();
    contract.path(&format!("pods/p/exec?{}&{options}", command.join("&")))
}

#[tokio::test]
async fn output_and_success_come_on_their_channels() {
    let Some(contract) = running().await else {
        return;
    };
    let command = path(
        &contract,
        &["sh", "-c", "echo out; echo err >&2"],
        "stdout=true&stderr=true",
    );
    for protocol in [V5, V4] {
        let session = contract.exec(&command, protocol).await.unwrap();
        assert_eq!(session.protocol, protocol);
        let ended = session.end().await;
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(ended.status["status"], "Success");
    }
}

#[tokio::test]
async fn an_exit_code_is_told() {
    let Some(contract) = running().await else {
        return;
    };
    let command = path(
        &contract,
        &["sh", "-c", "exit 7"],
        "stdout=true&stderr=true",
    );
    let ended = contract.exec(&command, V5).await.unwrap().end().await;
    let status = &ended.status;
    assert_eq!(
        (&status["status"], &status["reason"]),
        (&"Failure".into(), &"NonZeroExitCode".into())
    );
    assert_eq!(
        status["message"],
        "command terminated with non-zero exit code: command terminated with exit code 7"
    );
    assert_eq!(status["details"]["causes"][0]["reason"], "ExitCode");
    assert_eq!(status["details"]["causes"][0]["message"], "7");
}

#[tokio::test]
async fn input_is_read_until_it_is_closed() {
    let Some(contract) = running().await else {
        return;
    };
    let command = path(
        &contract,
        &["sh", "-c", "cat; echo end"],
        "stdin=true&stdout=true",
    );
    let mut session = contract.exec(&command, V5).await.unwrap();
    session.send(0, b"one\n").await;
    session.until("one").await;
    session.send(0, b"two\n").await;
    session.close_stdin().await;
    let ended = session.end().await;
    assert_eq!(ended.stdout, "two\nend\n");
    assert_eq!(ended.status["status"], "Success");
}

#[tokio::test]
async fn a_terminal_has_a_size_that_changes() {
    let Some(contract) = running().await else {
        return;
    };
    let command = path(
        &contract,
        &["sh", "-c", "read x; stty size; read x; stty size"],
        "stdin=true&stdout=true&tty=true",
    );
    let mut session = contract.exec(&command, V5).await.unwrap();
    session.send(4, br#"{"Width":91,"Height":17}"#).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    session.send(0, b"\n").await;
    session.until("17 91").await;
    session.send(4, br#"{"Width":120,"Height":40}"#).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    session.send(0, b"\n").await;
    session.until("40 120").await;
}

#[tokio::test]
async fn a_command_that_is_not_there_fails() {
    let Some(contract) = running().await else {
        return;
    };
    let command = path(&contract, &["no-such-program"], "stdout=true&stderr=true");
    let ended = contract.exec(&command, V5).await.unwrap().end().await;
    assert_eq!(ended.status["status"], "Failure", "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_begun_is_refused() {
    let Some(contract) = running().await else {
        return;
    };
    let refused = async |path: String, code: u16| {
        let Err(answer) = contract.exec(&path, V5).await else {
            panic!("{path} began")
        };
        assert_eq!(answer.code, code, "{path}: {}", answer.text);
        answer.body["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let message = refused(
        path(&contract, &["true"], "stdout=true&container=other"),
        400,
    )
    .await;
    assert_eq!(message, "container other is not valid for pod p");
    refused(
        contract.path("pods/absent/exec?command=true&stdout=true"),
        404,
    )
    .await;
}

#[tokio::test]
async fn a_session_is_an_upgrade() {
    let Some(contract) = running().await else {
        return;
    };
    let answer = contract
        .get(&path(&contract, &["true"], "stdout=true"))
        .await;
    assert_eq!(answer.code, 400, "{}", answer.text);
}

#[tokio::test]
async fn a_command_needs_words_and_a_stream() {
    let Some(contract) = running().await else {
        return;
    };
    for path in [
        contract.path("pods/p/exec?stdout=true"),
        path(&contract, &["true"], ""),
    ] {
        // Some servers see it before the session begins, some only in it.
        match contract.exec(&path, V5).await {
            Err(answer) => assert_eq!(answer.code, 400, "{path}: {}", answer.text),
            Ok(session) => {
                let ended = session.end().await;
                assert_ne!(ended.status["status"], "Success", "{path}: {ended:?}");
            }
        }
    }
}
