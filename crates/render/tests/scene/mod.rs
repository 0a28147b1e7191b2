//! Small repositories in one file each, and what is expected of them beside it.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use std::path::PathBuf;

use catalyst_render::Folder;
use catalyst_render::folder::Entry;

pub struct Case {
    pub name: String,
    headers: Vec<(String, String)>,
    pub folder: Folder,
}

impl Case {
    /// A line before the first file, such as `path: deploy`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads lines of `name: value`, then files, each after a line `-- path --`.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut case = Self {
            name: name.to_owned(),
            headers: Vec::new(),
            folder: Folder::default(),
        };
        let mut file: Option<(String, String)> = None;
        for line in text.lines() {
            let path = line
                .strip_prefix("-- ")
                .and_then(|line| line.strip_suffix(" --"));
            match (path, &mut file) {
                (Some(path), _) => {
                    if let Some((path, text)) = file.replace((path.to_owned(), String::new())) {
                        case.folder.insert(&path, Entry::Text(text));
                    }
                }
                (None, Some((_, text))) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => {
                    let (name, value) = line.split_once(": ").unwrap();
                    case.headers.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        if let Some((path, text)) = file {
            case.folder.insert(&path, Entry::Text(text));
        }
        case
    }
}

pub fn directory(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(kind)
}

/// All cases of a kind, in order.
pub fn cases(kind: &str) -> Vec<Case> {
    let mut all: Vec<_> = std::fs::read_dir(directory(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .map(|path| {
            Case::parse(
                path.file_stem().unwrap().to_str().unwrap(),
                &std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// What differs from the expected text, which UPDATE_EXPECTED=1 writes anew.
pub fn compare(kind: &str, name: &str, text: &str) -> Option<String> {
    let path = directory(kind).join(format!("{name}.expected"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, text).unwrap();
        return None;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    (expected != text).then(|| {
        let line = expected
            .lines()
            .zip(text.lines())
            .position(|(one, other)| one != other)
            .unwrap_or_else(|| expected.lines().count().min(text.lines().count()));
        let at = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
        format!(
            "{name}, line {}: expected {:?}, got {:?}",
            line + 1,
            at(&expected),
            at(text)
        )
    })
}
