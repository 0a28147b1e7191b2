//! Results and refusals, as tools answer them.

use catalyst_previews::{Error, ErrorKind};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::tools::Tool;

/// Why a tool did not do what it was asked for.
#[derive(Debug)]
pub enum Refusal {
    /// The arguments are not what the tool takes.
    Input(String),
    /// The use case's answer.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    /// The word that programs tell refusals apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Input(_) => "INVALID_INPUT",
            Self::Error(error) => match error.kind() {
                ErrorKind::NotFound => "NOT_FOUND",
                ErrorKind::Forbidden => "UNAUTHORIZED",
                ErrorKind::Invalid | ErrorKind::Conflict => "INVALID_INPUT",
                ErrorKind::Unavailable => "SERVER_ERROR",
            },
        }
    }

    /// A sentence without its full stop. What lies beneath an error is for the log alone.
    fn message(&self) -> String {
        match self {
            Self::Input(problem) => problem.clone(),
            Self::Error(error) => error.to_string(),
        }
    }
}

/// What came of a call. A refusal is a result too, so that the agent reads why and does better; it
/// has no structured content, which would have to fit the tool's schema.
pub fn result(tool: Tool, outcome: Result<Value, Refusal>) -> CallToolResult {
    match outcome {
        Ok(value) => {
            let mut result = CallToolResult::success(vec![text(&value)]);
            result.structured_content = Some(value);
            result
        }
        Err(refusal) => {
            if let Refusal::Error(error) = &refusal
                && error.kind() == ErrorKind::Unavailable
            {
                let source = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(tool = tool.name(), %error, source, "an agent could not be served");
            }
            let body = json!({
                "success": false,
                "error": refusal.message(),
                "code": refusal.code(),
            });
            CallToolResult::error(vec![text(&body)])
        }
    }
}

fn text(value: &Value) -> ContentBlock {
    // A JSON value is always written.
    ContentBlock::text(serde_json::to_string_pretty(value).unwrap_or_default())
}
