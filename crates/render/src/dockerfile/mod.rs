//! The Dockerfile of a repository that has none: production images, built in stages.
//!
//! Every base is pinned to a version and goes through [`Images`], so that an administrator can map it
//! to a mirror. The program runs as a user without rights, and downloads are kept in cache mounts.
//! What is taken from the repository only ever stands in JSON, as a word of a command.

pub mod given;
mod recipes;

use serde_json::json;

use crate::Images;
use crate::detect::{Directory, Inventory, Stack, stack};

/// A Dockerfile, and what is known of the image that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// Its text. The build context is the repository's root.
    pub text: String,
    /// What should not be sent to the build: the text of a `.dockerignore`.
    pub ignore: String,
    /// Where the program listens; it is told so by `PORT`.
    pub port: u16,
    /// What it was made for, in words.
    pub reason: String,
}

/// The port that programs are told to listen on.
const PORT: u16 = 8080;
/// The user that programs run as: nobody's number.
const USER: &str = "10001:10001";

const IGNORE: &str = ".git\nnode_modules\n**/node_modules\n.venv\n**/__pycache__\ntarget\n.next\n.nuxt\ndist\nbuild\n.env\n.env.*\n!.env.example\n*.log\n";

/// The Dockerfile of what the repository holds; none if nothing is known of it.
#[must_use]
pub fn generate(inventory: &Inventory, images: &Images) -> Option<Dockerfile> {
    let root = inventory.root();
    for directory in &inventory.directories {
        let Some(found) =
            stack(directory, root).filter(|found| found.start.is_some() || found.dev.is_some())
        else {
            continue;
        };
        if let Some(made) = recipes::of(&found, directory, root, images) {
            return Some(made);
        }
    }
    inventory
        .directories
        .iter()
        .find_map(|directory| recipes::site(directory, images))
}

/// A text under construction.
struct Writer<'a> {
    lines: Vec<String>,
    images: &'a Images,
}

impl<'a> Writer<'a> {
    fn new(images: &'a Images, what: &str) -> Self {
        Self {
            lines: vec![
                "# syntax=docker/dockerfile:1".to_owned(),
                format!("# {what}. Add a Dockerfile of your own to build it in another way."),
            ],
            images,
        }
    }

    fn from(&mut self, image: &str, stage: Option<&str>) -> &mut Self {
        let image = self.images.resolve(image);
        self.lines.push(String::new());
        self.line(&match stage {
            Some(stage) => format!("FROM {image} AS {stage}"),
            None => format!("FROM {image}"),
        })
    }

    fn line(&mut self, line: &str) -> &mut Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A command without a shell, so that no word of it is read as anything else.
    fn run(&mut self, mounts: &[&str], words: &[&str]) -> &mut Self {
        let mounts: String = mounts
            .iter()
            .map(|place| format!("--mount=type=cache,target={place} "))
            .collect();
        self.line(&format!("RUN {mounts}{}", json!(words)))
    }

    /// A command of ours that a shell reads.
    fn shell(&mut self, mounts: &[&str], script: &str) -> &mut Self {
        let mounts: String = mounts
            .iter()
            .map(|place| format!("--mount=type=cache,target={place} "))
            .collect();
        self.line(&format!("RUN {mounts}{script}"))
    }

    /// The end: the user, the port, and what is started.
    fn start(&mut self, port: u16, words: &[&str]) -> &mut Self {
        self.line(&format!("ENV PORT={port} HOST=0.0.0.0"));
        self.line(&format!("USER {USER}"));
        self.line(&format!("EXPOSE {port}"));
        self.line(&format!("CMD {}", json!(words)))
    }

    fn done(&self, port: u16, reason: String) -> Dockerfile {
        Dockerfile {
            text: self.lines.join("\n") + "\n",
            ignore: IGNORE.to_owned(),
            port,
            reason,
        }
    }
}

/// The place of a directory in the image.
fn place(directory: &Directory) -> String {
    match directory.path.as_str() {
        "." => "/app".to_owned(),
        path => format!("/app/{path}"),
    }
}

fn title(stack: &Stack) -> String {
    match &stack.framework {
        Some(name) => format!("{name} on {} {}", stack.language, stack.version),
        None => format!("{} {}", stack.language, stack.version),
    }
}
