//! What GitHub publishes about itself, from the npm packages that `end2end/github-fixtures` pins.

use std::{fs, path::PathBuf, sync::OnceLock};

use serde::Deserialize;
use serde_json::Value;

/// A webhook payload from GitHub's examples.
#[derive(Debug, Clone)]
pub struct Example {
    /// The event's name (`X-GitHub-Event`).
    pub event: String,
    /// The payload.
    pub payload: Value,
}

/// All of GitHub's example payloads, for github.com and for each GitHub Enterprise Server.
///
/// # Panics
/// When the packages are not installed.
pub fn examples() -> &'static [Example] {
    #[derive(Deserialize)]
    struct Definition {
        name: String,
        examples: Vec<Value>,
    }
    static EXAMPLES: OnceLock<Vec<Example>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let folder = package("@octokit/webhooks-examples");
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| missing(&folder, &error))
            .map(|entry| entry.expect("a folder that can be listed").path())
            .map(|path| path.join("index.json"))
            .filter(|path| path.exists())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        let definitions = files.iter().flat_map(|file| {
            serde_json::from_str::<Vec<Definition>>(&read(file)).expect("GitHub's examples")
        });
        definitions
            .flat_map(|Definition { name, examples }| {
                examples.into_iter().map(move |payload| Example {
                    event: name.clone(),
                    payload,
                })
            })
            .collect()
    })
}

/// GitHub's OpenAPI description of api.github.com.
pub(super) fn openapi() -> Value {
    let file = package("@octokit/openapi").join("generated/api.github.com.json");
    serde_json::from_str(&read(&file)).expect("GitHub's OpenAPI description")
}

fn package(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../end2end/github-fixtures/node_modules"
    ))
    .join(name)
}

fn read(file: &PathBuf) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| missing(file, &error))
}

fn missing(path: &std::path::Path, error: &std::io::Error) -> ! {
    panic!(
        "{}: {error}. These tests need what GitHub publishes about itself: run `cargo xtask test`, \
         or `npm ci` in end2end/github-fixtures",
        path.display()
    )
}
