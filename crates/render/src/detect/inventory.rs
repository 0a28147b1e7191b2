//! A repository in the facts that detection reads.

use catalyst_model::ids::CommitSha;

/// A repository in a few facts, directory by directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The commit that was looked at.
    pub commit: Option<CommitSha>,
    /// Some of the names at the root, for a person to recognise the repository by.
    pub names: Vec<String>,
    /// The directory that was looked at, usually the root, then the usual places of several programs in it.
    pub directories: Vec<Directory>,
    /// The root, where a directory below it was looked at.
    pub(super) root: Option<Directory>,
}

/// The facts of one directory, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Relative to the root; `.` for the root itself.
    pub path: String,
    facts: Vec<(String, String)>,
}

impl Inventory {
    /// Adds a directory.
    pub fn add(&mut self, directory: Directory) {
        self.directories.push(directory);
    }

    /// Whether this is the directory that was looked at, and not one in it.
    pub(super) fn is_top(&self, directory: &Directory) -> bool {
        self.directories
            .first()
            .is_some_and(|top| top.path == directory.path)
    }

    /// The root's facts.
    #[must_use]
    pub fn root(&self) -> Option<&Directory> {
        let among = || self.directories.iter().find(|d| d.path == ".");
        self.root.as_ref().or_else(among)
    }
}

impl Directory {
    /// A directory without facts.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            facts: Vec::new(),
        }
    }

    /// Adds a fact.
    pub fn add(&mut self, fact: &str, value: String) {
        self.facts.push((fact.to_owned(), value));
    }

    /// Whether a fact has this value.
    #[must_use]
    pub fn knows(&self, fact: &str, value: &str) -> bool {
        self.all(fact).any(|known| known == value)
    }

    /// Whether package.json names this dependency.
    #[must_use]
    pub fn depends(&self, package: &str) -> bool {
        self.knows("dependency", package)
    }

    /// All values of a fact.
    pub fn all<'a>(&'a self, fact: &str) -> impl Iterator<Item = &'a str> {
        let fact = fact.to_owned();
        self.facts
            .iter()
            .filter(move |(name, _)| *name == fact)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a fact.
    #[must_use]
    pub fn get(&self, fact: &str) -> Option<&str> {
        self.facts
            .iter()
            .find(|(name, _)| name == fact)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a file of this name is here, in any case.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        self.all("file").any(|name| name.eq_ignore_ascii_case(file))
    }

    /// The first of these files that is here, as it is spelt.
    #[must_use]
    pub fn first_of(&self, files: &[&str]) -> Option<&str> {
        files.iter().find_map(|file| {
            self.all("file")
                .find(|name| name.eq_ignore_ascii_case(file))
        })
    }

    /// A script of package.json.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<String> {
        self.all("script")
            .find_map(|script| script.strip_prefix(name)?.strip_prefix('='))
            .filter(|script| !script.trim().is_empty())
            .map(ToOwned::to_owned)
    }

    /// Whether the Makefile has this target, and it does not start containers.
    #[must_use]
    pub fn makes(&self, target: &str) -> bool {
        self.all("make")
            .any(|fact| fact.strip_prefix(target) == Some("="))
    }

    /// The port that the program listens on whatever `PORT` says, where one was found.
    #[must_use]
    pub fn fixed_port(&self) -> Option<u16> {
        self.get("port")?.parse().ok().filter(|&port| port > 0)
    }
}
