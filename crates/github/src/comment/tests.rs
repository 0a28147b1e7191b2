#![allow(clippy::unwrap_used)]

use chrono::TimeZone;
use insta::assert_snapshot;

use super::*;

fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn at(minute: u32, second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 3, 1, 9, minute, second).unwrap()
}

fn shown(state: CommentState<'_>) -> String {
    shown_with(state, Some("acme-shop-preview-7"), &[], &str::to_owned)
}

fn shown_with(
    state: CommentState<'_>,
    namespace: Option<&str>,
    history: &[PastDeployment<'_>],
    redact: &dyn Fn(&str) -> String,
) -> String {
    let page = Url::parse("https://catalyst.example/previews/1").unwrap();
    let comment = PreviewComment {
        state,
        commit: &sha('a'),
        namespace,
        page: Some(&page),
        updated_at: at(30, 5),
        history,
    };
    render(&comment, redact).0
}

fn failed(message: &str) -> String {
    shown(CommentState::Failed {
        message: Some(message),
    })
}

#[test]
fn a_preview_that_waits_shows_only_its_properties() {
    let text = shown_with(CommentState::Pending, None, &[], &str::to_owned);
    assert_snapshot!(text, @r#"
    <!-- catalyst-preview-deployment -->
    ## 🟡 Preview Environment

    | Property | Value |
    | --- | --- |
    | **Status** | 🟡 Pending |
    | **Commit** | `aaaaaaa` |
    | **Updated** | 2025-03-01T09:30:05Z |

    ---
    <sub>Catalyst · last update 2025-03-01T09:30:05Z</sub>
    "#);
}

#[test]
fn a_preview_that_waits_for_a_person_says_for_what() {
    let reason = "the code comes from the fork mallory/shop: approve commit aaaaaaa";
    let text = shown(CommentState::Blocked { reason });
    assert!(text.contains("🟡 Pending"));
    assert!(text.contains(&format!(
        "### Waiting for approval\n\n```text\n{reason}\n```"
    )));
    assert!(text.contains("[Look at it and approve it](https://catalyst.example/previews/1)"));
}

#[test]
fn a_preview_on_its_way_says_how_long_it_may_take() {
    assert_snapshot!(shown(CommentState::Deploying), @r#"
    <!-- catalyst-preview-deployment -->
    ## 🔄 Preview Environment

    | Property | Value |
    | --- | --- |
    | **Status** | 🔄 Deploying |
    | **Commit** | `aaaaaaa` |
    | **Namespace** | `acme-shop-preview-7` |
    | **Updated** | 2025-03-01T09:30:05Z |

    ### Deploying

    The preview is being built and started. This usually takes 1–3 minutes; this comment follows.

    [Watch its progress](https://catalyst.example/previews/1)

    ---
    <sub>Catalyst · last update 2025-03-01T09:30:05Z</sub>
    "#);
}

#[test]
fn a_live_preview_has_its_url_and_its_history() {
    let url = Url::parse("https://acme-shop-preview-7.preview.example/").unwrap();
    let (first, second) = (sha('b'), sha('a'));
    let history = [
        PastDeployment {
            commit: &second,
            result: DeploymentResult::Ready,
            started_at: at(29, 0),
            finished_at: Some(at(30, 5)),
        },
        PastDeployment {
            commit: &first,
            result: DeploymentResult::Superseded,
            started_at: at(28, 50),
            finished_at: Some(at(29, 0)),
        },
    ];
    let state = CommentState::Running { url: &url };
    let text = shown_with(state, Some("acme-shop-preview-7"), &history, &str::to_owned);
    assert_snapshot!(text, @r#"
    <!-- catalyst-preview-deployment -->
    ## 🟢 Preview Environment

    | Property | Value |
    | --- | --- |
    | **Status** | 🟢 Live |
    | **Commit** | `aaaaaaa` |
    | **Namespace** | `acme-shop-preview-7` |
    | **URL** | [`https://acme-shop-preview-7.preview.example/`](https://acme-shop-preview-7.preview.example/) |
    | **Updated** | 2025-03-01T09:30:05Z |

    ### Access

    [Open the preview](https://acme-shop-preview-7.preview.example/) · [logs and details](https://catalyst.example/previews/1)

    It follows every push to this pull request.

    <details>
    <summary>Deployments (2)</summary>

    | Commit | Result | Duration | When |
    | --- | --- | --- | --- |
    | `aaaaaaa` | 🟢 Live | 1 min 5 s | 2025-03-01T09:29:00Z |
    | `bbbbbbb` | ⚪ Superseded | 10 s | 2025-03-01T09:28:50Z |

    </details>

    ---
    <sub>Catalyst · last update 2025-03-01T09:30:05Z</sub>
    "#);
}

#[test]
fn a_failed_preview_says_why_and_where_to_look() {
    assert_snapshot!(failed("npm error Missing script: \"build\"\n"), @r#"
    <!-- catalyst-preview-deployment -->
    ## 🔴 Preview Environment

    | Property | Value |
    | --- | --- |
    | **Status** | 🔴 Failed |
    | **Commit** | `aaaaaaa` |
    | **Namespace** | `acme-shop-preview-7` |
    | **Updated** | 2025-03-01T09:30:05Z |

    ### Error

    ```text
    npm error Missing script: "build"
    ```

    [See the logs](https://catalyst.example/previews/1) for what led to it.

    ---
    <sub>Catalyst · last update 2025-03-01T09:30:05Z</sub>
    "#);
}

#[test]
fn a_preview_that_goes_and_one_that_is_gone_say_so() {
    assert_snapshot!(shown(CommentState::Deleting), @r#"
    <!-- catalyst-preview-deployment -->
    ## ⏳ Preview Environment

    | Property | Value |
    | --- | --- |
    | **Status** | ⏳ Deleting |
    | **Commit** | `aaaaaaa` |
    | **Namespace** | `acme-shop-preview-7` |
    | **Updated** | 2025-03-01T09:30:05Z |

    ### Cleaning up

    The preview and everything that belongs to it is being removed.

    ---
    <sub>Catalyst · last update 2025-03-01T09:30:05Z</sub>
    "#);
    assert_snapshot!(shown(CommentState::Removed), @r#"
    <!-- catalyst-preview-deployment -->
    ## ⚪ Preview Environment

    | Property | Value |
    | --- | --- |
    | **Status** | ⚪ Removed |
    | **Commit** | `aaaaaaa` |
    | **Namespace** | `acme-shop-preview-7` |
    | **Updated** | 2025-03-01T09:30:05Z |

    ### Removed

    The preview and everything that belonged to it is gone.

    ---
    <sub>Catalyst · last update 2025-03-01T09:30:05Z</sub>
    "#);
}

#[test]
fn the_marker_is_the_first_line_in_every_state() {
    let url = Url::parse("http://x.localhost:8080/").unwrap();
    for status in PreviewStatus::ALL {
        let text = shown(CommentState::new(status, Some(&url), Some("why")));
        assert_eq!(text.lines().next(), Some(MARKER));
        assert!(text.contains("Preview Environment"));
    }
}

#[test]
fn nothing_in_an_error_gets_out_of_its_fence() {
    let hostile = "```\n~~~\n````` <img src=x onerror=alert(1)> @everyone #1 GH-2\n\
                   [link](javascript:alert(1)) | cell |\n</details>\n<!-- -->\n`````";
    let text = failed(hostile);
    // Everything hostile lies between the only two lines that are fences of six.
    let fences: Vec<_> = text.match_indices("\n``````").collect();
    assert_eq!(fences.len(), 2);
    let inside = &text[fences[0].0..fences[1].0];
    assert!(inside.contains("@everyone") && inside.contains("onerror"));
    let outside = text.replace(inside, "");
    for word in ["@everyone", "onerror", "#1", "javascript", "| cell", "~~~"] {
        assert!(!outside.contains(word), "{word} in {outside}");
    }
}

#[test]
fn terminal_escapes_and_characters_that_reorder_text_are_taken_out() {
    let text = failed(
        "\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://evil.example\u{7}click\u{1b}]8;;\u{7}\r\nnext\r\u{202e}back\u{0}\u{200b}",
    );
    assert!(text.contains("\nred click\nnext\nback\n"), "{text}");
    assert!(!text.contains("evil.example"));
}

#[test]
fn a_long_error_keeps_its_end() {
    let long = format!("{}the reason", "é".repeat(5_000));
    let text = failed(&long);
    assert!(text.contains("the reason\n```"));
    assert!(text.contains("(3010 characters before this are left out)"));
    assert_eq!(
        text.matches('é').count(),
        LONGEST_ERROR - "the reason".len()
    );
}

#[test]
fn secrets_are_taken_out_before_anything_is_cut_and_after_escapes_are_gone() {
    let redact = |text: &str| text.replace("hunter2", "[redacted]");
    // The cut would fall into the secret, and an escape splits it.
    let message = format!("hun\u{1b}[0mter2{}", "x".repeat(LONGEST_ERROR - 3));
    let state = CommentState::Failed {
        message: Some(&message),
    };
    let text = shown_with(state, None, &[], &redact);
    assert!(!text.contains("er2"), "{text}");
}

#[test]
fn a_namespace_or_a_url_cannot_leave_its_cell() {
    let url = Url::parse("https://h.example/a|b)(c<d>`?q=|`#|@x").unwrap();
    let state = CommentState::Running { url: &url };
    let text = shown_with(state, Some("a` | <b>\n| x @y\\|"), &[], &str::to_owned);
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 7);
    for row in rows {
        assert_eq!(row.matches('|').count(), 3, "{row}");
    }
    assert!(text.contains("``a` ¦ <b> ¦ x @y\\¦``"), "{text}");
    let script = Url::parse("javascript:alert(1)").unwrap();
    let text = shown(CommentState::Running { url: &script });
    assert!(!text.contains("](javascript"), "{text}");
}

#[test]
fn a_long_history_shows_its_newest_part() {
    let commit = sha('c');
    let one = PastDeployment {
        commit: &commit,
        result: DeploymentResult::Failed,
        started_at: at(1, 0),
        finished_at: Some(at(1, 9)),
    };
    let history = vec![one; 500];
    let text = shown_with(CommentState::Deploying, None, &history, &str::to_owned);
    assert_eq!(text.matches("🔴 Failed | 9 s").count(), LONGEST_HISTORY);
    assert!(text.contains("480 earlier ones"));
    // GitHub's limit for a comment.
    assert!(text.chars().count() < 65_536);
}
