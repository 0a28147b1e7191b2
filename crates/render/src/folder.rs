//! A checked-out folder, and the only door to it.
//!
//! A [`Folder`] is what was read once, within bounds, without following a symbolic link. All
//! translation works on it, so nothing that a file names (`..`, an absolute path, a link, an
//! `env_file`, an `include`) can reach a byte outside the checkout: it is not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files that are listed at most.
const MAX_FILES: usize = 20_000;
/// Bytes of one file that are read at most; a larger one is only known by name.
pub const MAX_FILE: usize = 512 * 1024;
/// Bytes of all files together.
pub const MAX_TOTAL: usize = 8 * 1024 * 1024;
/// Directories below the root that are looked into.
const MAX_DEPTH: usize = 8;

/// Directories that hold what others wrote or what was built.
const SKIPPED: &[&str] = &[
    ".git",
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    "target",
    ".next",
    ".nuxt",
    ".svelte-kit",
    ".terraform",
    ".gradle",
    ".idea",
    ".tox",
    ".mypy_cache",
    ".pytest_cache",
    "bower_components",
    ".pnpm-store",
    ".yarn",
    "_build",
];

/// The files of a checkout by their path relative to its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    entries: BTreeMap<String, Entry>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Its text.
    Text(String),
    /// It holds something else than UTF-8, or more than is read.
    Unread,
    /// A symbolic link, which is not followed.
    Link,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A path that leads out of the checkout.
    #[error("{0:?} leads out of the repository; only files inside it are read")]
    Outside(String),
    /// There is no such file.
    #[error("there is no file {0:?} in the repository")]
    Missing(String),
    /// A symbolic link.
    #[error("{0:?} is a symbolic link; links are not followed")]
    Link(String),
    /// Not a text, or too large.
    #[error("{0:?} is not a text of at most {MAX_FILE} bytes")]
    NotText(String),
    /// The folder itself cannot be read.
    #[error("cannot read the folder {path}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is more than is listed.
    #[error("the folder holds more than {MAX_FILES} files")]
    TooMany,
}

impl Folder {
    /// Reads a folder of this machine.
    ///
    /// # Errors
    /// If it cannot be listed, or holds too many files.
    pub fn read(root: &Path) -> Result<Self, FolderError> {
        let mut found = Vec::new();
        list(root, "", 0, &mut found)?;
        // Small and near the root first, so that a limit hurts what matters least.
        found.sort_by_key(|(path, size, _)| (rank(path), path.matches('/').count(), *size));
        let mut left = MAX_TOTAL;
        let mut entries = BTreeMap::new();
        for (path, size, link) in found {
            let entry = if link {
                Entry::Link
            } else if size > MAX_FILE.min(left) {
                Entry::Unread
            } else {
                // A file that vanishes between the listing and here is one that is not read.
                match fs::read(root.join(&path)).map(String::from_utf8) {
                    Ok(Ok(text)) if !text.contains('\0') => {
                        left = left.saturating_sub(text.len());
                        Entry::Text(text)
                    }
                    _ => Entry::Unread,
                }
            };
            entries.insert(path, entry);
        }
        Ok(Self { entries })
    }

    /// A folder of these texts, for tests and for what is made up.
    #[must_use]
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut folder = Self::default();
        for (path, text) in files {
            folder.insert(path, Entry::Text(text.to_owned()));
        }
        folder
    }

    /// Adds a file. A path that leads out of the folder is left out.
    pub fn insert(&mut self, path: &str, entry: Entry) {
        if let Ok(path) = join("", path)
            && !path.is_empty()
        {
            self.entries.insert(path, entry);
        }
    }

    /// The text of the file at `path`, which is relative to the root and normal, as [`join`] makes it.
    ///
    /// # Errors
    /// If there is no such file, or it is no text.
    pub fn text(&self, path: &str) -> Result<&str, FolderError> {
        match self.entries.get(path) {
            Some(Entry::Text(text)) => Ok(text),
            Some(Entry::Unread) => Err(FolderError::NotText(path.to_owned())),
            Some(Entry::Link) => Err(FolderError::Link(path.to_owned())),
            None => match self.linked(path) {
                Some(link) => Err(FolderError::Link(link)),
                None => Err(FolderError::Missing(path.to_owned())),
            },
        }
    }

    /// The text, where the file is there and is one.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&str> {
        self.text(path).ok()
    }

    /// Whether a file or link of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether this path is a directory with something in it; the root is one.
    #[must_use]
    pub fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.below(path).next().is_some()
    }

    /// What lies in a directory, as a folder of its own.
    #[must_use]
    pub fn within(&self, directory: &str) -> Self {
        let skip = prefix(directory);
        let inside = self.below(directory);
        let entries = inside.map(|(path, entry)| (path[skip..].to_owned(), entry.clone()));
        Self {
            entries: entries.collect(),
        }
    }

    /// All files at any depth below a directory, with their paths from the root.
    pub fn below<'a>(
        &'a self,
        directory: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let start = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        let end = start.clone();
        self.entries
            .range(start..)
            .take_while(move |(path, _)| path.starts_with(&end))
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// The names of the files that lie directly in a directory.
    pub fn files<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let skip = prefix(directory);
        self.below(directory)
            .filter_map(move |(path, _)| path.get(skip..))
            .filter(|name| !name.contains('/'))
    }

    /// The names of the directories that lie directly in a directory, in order.
    #[must_use]
    pub fn directories(&self, directory: &str) -> Vec<&str> {
        let skip = prefix(directory);
        let mut all: Vec<_> = self
            .below(directory)
            .filter_map(|(path, _)| path.get(skip..)?.split_once('/').map(|(first, _)| first))
            .collect();
        all.dedup();
        all
    }

    /// The name of a file in a directory that differs from `name` at most in its case.
    #[must_use]
    pub fn find(&self, directory: &str, name: &str) -> Option<&str> {
        self.files(directory)
            .find(|file| file.eq_ignore_ascii_case(name))
    }

    /// How many files it lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it lists none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn linked(&self, path: &str) -> Option<String> {
        path.match_indices('/')
            .map(|(at, _)| &path[..at])
            .find(|parent| matches!(self.entries.get(*parent), Some(Entry::Link)))
            .map(ToOwned::to_owned)
    }
}

/// The path that `path` means inside `base`, both relative to the root of the checkout; the root
/// itself is empty.
///
/// # Errors
/// If it is absolute or climbs out.
pub fn join(base: &str, path: &str) -> Result<String, FolderError> {
    let outside = || FolderError::Outside(path.to_owned());
    if path.starts_with(['/', '\\']) || path.starts_with('~') || path.contains('\0') {
        return Err(outside());
    }
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(outside)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// How long the part of a path is that leads into a directory.
fn prefix(directory: &str) -> usize {
    match directory {
        "" => 0,
        directory => directory.len() + 1,
    }
}

/// The directory of a file's path.
#[must_use]
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The last part of a path.
#[must_use]
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How much a file matters for telling what a repository is: the lower, the more.
#[must_use]
pub fn rank(path: &str) -> u8 {
    let name = name(path).to_ascii_lowercase();
    let ends = |all: &[&str]| all.iter().any(|end| name.ends_with(end));
    if name.contains("compose") || name.starts_with("kustomization") || name.starts_with(".env") {
        0
    } else if ends(&[
        ".lock",
        "-lock.json",
        "-lock.yaml",
        ".lockb",
        ".sum",
        ".svg",
        ".csv",
        ".map",
        ".min.js",
        ".md",
        ".ipynb",
    ]) {
        4
    } else if ends(&[".yaml", ".yml"]) || name == "package.json" || name.contains("dockerfile") {
        1
    } else if ends(&[
        ".json",
        ".toml",
        ".env",
        ".conf",
        ".cnf",
        ".ini",
        ".cfg",
        ".properties",
        ".sql",
        ".sh",
        ".txt",
    ]) || !name.contains('.')
    {
        2
    } else {
        3
    }
}

type Found = (String, usize, bool);

fn list(
    root: &Path,
    directory: &str,
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<(), FolderError> {
    let failed = |source| FolderError::Io {
        path: root.join(directory).display().to_string(),
        source,
    };
    for entry in fs::read_dir(root.join(directory)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A name that is no UTF-8 can be named by no file of the kinds that are read.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if directory.is_empty() {
            name.clone()
        } else {
            format!("{directory}/{name}")
        };
        let Ok(meta) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        if meta.is_dir() {
            if depth < MAX_DEPTH && !SKIPPED.contains(&name.as_str()) {
                // A directory below that may not be listed is one that is not there.
                match list(root, &path, depth + 1, found) {
                    Err(FolderError::Io { .. }) => {}
                    other => other?,
                }
            }
        } else if meta.is_file() || meta.is_symlink() {
            if found.len() >= MAX_FILES {
                return Err(FolderError::TooMany);
            }
            let size = usize::try_from(meta.len()).unwrap_or(usize::MAX);
            found.push((path, size, meta.is_symlink()));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside_or_is_refused() {
        for (base, path, expected) in [
            ("", "a/b", Some("a/b")),
            ("a", "./b", Some("a/b")),
            ("a/b", "../c", Some("a/c")),
            ("a", "..", Some("")),
            ("", ".", Some("")),
            ("a", "../..", None),
            ("", "/etc/passwd", None),
            ("", "~/.ssh/id", None),
            ("a", "b/../../../etc", None),
            ("", "a\0b", None),
        ] {
            assert_eq!(join(base, path).ok().as_deref(), expected, "{base} {path}");
        }
    }

    #[test]
    fn what_lies_in_a_directory_is_a_folder_of_its_own() {
        let folder = Folder::of([("a/b/c.txt", "1"), ("a/d", "2"), ("ab/e", "3"), ("f", "4")]);
        let expected = Folder::of([("b/c.txt", "1"), ("d", "2")]);
        assert_eq!(folder.within("a"), expected);
        assert_eq!(folder.within(""), folder);
        assert!(folder.within("none").is_empty());
    }

    #[test]
    fn links_are_not_followed_and_nothing_outside_is_read() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s3cret").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/node_modules/x")).unwrap();
        fs::write(root.path().join("a/file.txt"), "inside").unwrap();
        fs::write(root.path().join("a/image.png"), b"\x89PNG\0").unwrap();
        fs::write(root.path().join("a/node_modules/x/index.js"), "").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("file-link"))
            .unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        let folder = Folder::read(root.path()).unwrap();
        assert_eq!(folder.text("a/file.txt").unwrap(), "inside");
        assert!(matches!(
            folder.text("a/image.png"),
            Err(FolderError::NotText(_))
        ));
        assert!(matches!(
            folder.text("file-link"),
            Err(FolderError::Link(_))
        ));
        assert!(
            matches!(folder.text("link/secret"), Err(FolderError::Link(link)) if link == "link")
        );
        assert!(matches!(
            folder.text("a/other"),
            Err(FolderError::Missing(_))
        ));
        assert_eq!(folder.directories(""), ["a"]);
        assert_eq!(
            folder.files("a").collect::<Vec<_>>(),
            ["file.txt", "image.png"]
        );
    }
}
