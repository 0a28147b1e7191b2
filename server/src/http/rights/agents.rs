//! The tools of agents: as the other doors, tried by those who may not pass, and compared with what
//! the dashboard shows.

use std::collections::BTreeSet;

use catalyst_mcp::Tool;
use catalyst_model::views::PreviewFilter;
use serde_json::{Value, json};

use super::{
    assert_none,
    world::{Asker, World},
};

/// What is to be expected of a tool.
struct Rule {
    tool: Tool,
    /// JSON, with `$preview` and the like in it.
    arguments: &'static str,
    /// What those who may see something find in the answer; empty where the arguments name something
    /// by its id, which a stranger does not find.
    shows: &'static str,
}

const fn own(tool: Tool, shows: &'static str) -> Rule {
    Rule {
        tool,
        arguments: "{}",
        shows,
    }
}

const fn foreign(tool: Tool, arguments: &'static str) -> Rule {
    Rule {
        tool,
        arguments,
        shows: "",
    }
}

const TOOLS: &[Rule] = &[
    own(Tool::ListPreviews, "$preview"),
    own(Tool::GetProjects, "$repository"),
    own(Tool::GetNamespaces, "$namespace"),
    foreign(Tool::GetPreview, r#"{"podId":"$preview"}"#),
    foreign(Tool::GetLogs, r#"{"id":"$preview"}"#),
    foreign(Tool::GetNamespace, r#"{"namespace":"$namespace"}"#),
    foreign(Tool::RetryPreview, r#"{"namespace":"$namespace"}"#),
    foreign(Tool::DeletePreview, r#"{"podId":"$preview"}"#),
];

/// The code of a refusal; none where it is none.
fn code(result: &Value) -> Option<String> {
    (result["isError"] == true).then(|| {
        let text = result["content"][0]["text"].as_str().unwrap();
        let said: Value = serde_json::from_str(text).unwrap();
        assert_eq!(said["success"], false);
        said["code"].as_str().unwrap().to_owned()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_s_agent_finds_nothing_with_any_tool() {
    let ruled: BTreeSet<&str> = TOOLS.iter().map(|rule| rule.tool.name()).collect();
    for tool in Tool::ALL {
        assert!(
            ruled.contains(tool.name()),
            "tool {} has no rule: add one to TOOLS in server/src/http/rights/agents.rs, `foreign` where \
             its arguments name something by its id, `own` where it answers with what one may see",
            tool.name()
        );
    }
    let world = World::new().await;
    let mut problems = Vec::new();
    for rule in TOOLS {
        let name = rule.tool.name();
        let arguments: Value = serde_json::from_str(&world.filled(rule.arguments, true)).unwrap();
        let nobody = world.call(Asker::Nobody, name, &arguments).await;
        if nobody.0 != 401 {
            problems.push(format!(
                "{name}: without a token {}: {}",
                nobody.0, nobody.1
            ));
        }
        let (status, stranger) = world.call(Asker::Stranger, name, &arguments).await;
        let told = stranger.to_string();
        let shown = world.filled(rule.shows, true);
        let own = !rule.shows.is_empty();
        let expected = (!own).then(|| "NOT_FOUND".to_owned());
        if status != 200 || code(&stranger) != expected || (own && told.contains(&shown)) {
            problems.push(format!("{name}: a stranger gets {status}: {told}"));
        }
        let (_, owner) = world.call(Asker::Owner, name, &arguments).await;
        let told = owner.to_string();
        let fine = if own {
            told.contains(&shown)
        } else {
            owner != stranger
        };
        if !fine {
            problems.push(format!(
                "{name}: its owner is answered like a stranger: {told}"
            ));
        }
    }
    assert_none(&problems);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_gets_what_the_dashboard_shows() {
    let world = World::new().await;
    let (_, result) = world
        .call(Asker::Owner, Tool::ListPreviews.name(), &json!({}))
        .await;
    let listed = &result["structuredContent"];
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(&text, listed, "the text says the same");
    let actor = world.owner().await;
    let filter = PreviewFilter::default();
    let list = world.previews.list(&actor, &filter).await.unwrap();
    assert_eq!(listed["count"], list.previews.len());
    let shown = &list.previews[0];
    let row = &listed["environments"][0];
    assert_eq!(row["id"], shown.id);
    assert_eq!(row["status"], shown.status.as_str());
    assert_eq!(row["commitSha"], shown.commit);
    assert_eq!(row["publicUrl"], json!(shown.url));
    assert_eq!(row["pullRequest"]["number"], json!(shown.number));
    assert_eq!(
        row["isExceedingQuota"],
        Value::Null,
        "not measured, and not zero"
    );

    let id = json!({ "id": shown.id });
    let (_, result) = world.call(Asker::Owner, Tool::GetPreview.name(), &id).await;
    let got = &result["structuredContent"]["environment"];
    let detail = world.previews.get(&actor, &shown.id).await.unwrap();
    assert_eq!(got["namespace"], detail.summary.namespace);
    assert_eq!(got["allowed"]["delete"], detail.allowed.delete);
    assert_eq!(got["steps"].as_array().unwrap().len(), detail.steps.len());
    assert_eq!(
        got["deployments"].as_array().unwrap().len(),
        detail.deployments.len()
    );

    let (_, result) = world
        .call(Asker::Owner, Tool::GetProjects.name(), &json!({}))
        .await;
    let projects = world.previews.projects(&actor).await.unwrap();
    let told = &result["structuredContent"]["projects"];
    assert_eq!(told, &serde_json::to_value(&projects).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_cannot_do_has_its_own_code() {
    let world = World::new().await;
    let preview = world.filled("$preview", true);
    for (asker, tool, arguments, expected) in [
        (Asker::Owner, Tool::GetPreview, json!({}), "INVALID_INPUT"),
        (
            Asker::Owner,
            Tool::GetPreview,
            json!({ "id": 7 }),
            "INVALID_INPUT",
        ),
        (
            Asker::Owner,
            Tool::GetPreview,
            json!({ "id": "x" }),
            "NOT_FOUND",
        ),
        (
            Asker::Owner,
            Tool::GetLogs,
            json!({ "id": preview, "tailLines": 0 }),
            "INVALID_INPUT",
        ),
        (
            Asker::Owner,
            Tool::RetryPreview,
            json!({ "id": preview }),
            "INVALID_INPUT",
        ),
        (
            Asker::Owner,
            Tool::GetNamespaces,
            json!({ "clusterName": "x" }),
            "NOT_FOUND",
        ),
        (
            Asker::Reader,
            Tool::DeletePreview,
            json!({ "id": preview }),
            "UNAUTHORIZED",
        ),
        (
            Asker::Reader,
            Tool::RetryPreview,
            json!({ "id": preview }),
            "UNAUTHORIZED",
        ),
    ] {
        let (status, result) = world.call(asker, tool.name(), &arguments).await;
        let told = (status, code(&result));
        assert_eq!(
            told,
            (200, Some(expected.into())),
            "{} {arguments}: {result}",
            tool.name()
        );
    }
    // A token that only reads says so, and still reads.
    let id = json!({ "id": preview });
    let (_, refused) = world
        .call(Asker::Reader, Tool::DeletePreview.name(), &id)
        .await;
    assert!(refused.to_string().contains("scope write"), "{refused}");
    let (_, read) = world
        .call(Asker::Reader, Tool::GetPreview.name(), &id)
        .await;
    assert_eq!(code(&read), None);
}
