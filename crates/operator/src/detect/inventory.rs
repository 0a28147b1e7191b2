//! What `scripts/inspect.sh` found in a repository.

use catalyst_model::ids::CommitSha;

/// A repository in a few facts, directory by directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The commit that was looked at.
    pub commit: Option<CommitSha>,
    /// Some of the names at the root, for a person to recognise the repository by.
    pub names: Vec<String>,
    /// The root, then the usual places of a repository with several programs.
    pub directories: Vec<Directory>,
}

/// The facts of one directory, in the order of the script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Relative to the root; `.` for the root itself.
    pub path: String,
    facts: Vec<(String, String)>,
}

/// Why a text is no inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// The first line is not that of this version.
    #[error("the inspection reported nothing that can be understood")]
    Unknown,
    /// There is no commit.
    #[error("the inspection did not say which commit it looked at")]
    NoCommit,
}

impl Inventory {
    /// Reads the script's report: lines of fact, directory and value, separated by tabs. A last
    /// line that was cut, and facts of other versions, are passed over.
    ///
    /// # Errors
    /// If it is not such a report, or names no commit.
    pub fn parse(report: &str) -> Result<Self, InventoryError> {
        let mut inventory = Self::default();
        let mut lines = report
            .lines()
            .map(|line| line.splitn(3, '\t').collect::<Vec<_>>());
        if lines.next().as_deref() != Some(&["version", ".", "1"]) {
            return Err(InventoryError::Unknown);
        }
        for line in lines {
            let [fact, path, value] = line[..] else {
                continue;
            };
            match fact {
                "commit" => inventory.commit = value.parse().ok(),
                "name" => inventory.names.push(value.to_owned()),
                "end" | "cut" => {}
                _ => inventory
                    .directory(path)
                    .facts
                    .push((fact.to_owned(), value.to_owned())),
            }
        }
        if inventory.commit.is_none() {
            return Err(InventoryError::NoCommit);
        }
        Ok(inventory)
    }

    fn directory(&mut self, path: &str) -> &mut Directory {
        let at = self
            .directories
            .iter()
            .position(|d| d.path == path)
            .unwrap_or_else(|| {
                self.directories.push(Directory {
                    path: path.to_owned(),
                    facts: Vec::new(),
                });
                self.directories.len() - 1
            });
        &mut self.directories[at]
    }

    /// The root's facts.
    #[must_use]
    pub fn root(&self) -> Option<&Directory> {
        self.directories.iter().find(|d| d.path == ".")
    }
}

impl Directory {
    /// All values of a fact.
    pub fn all<'a>(&'a self, fact: &'a str) -> impl Iterator<Item = &'a str> {
        self.facts
            .iter()
            .filter(move |(name, _)| name == fact)
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
        let raw = self
            .all("script")
            .find_map(|script| script.strip_prefix(name)?.strip_prefix('='))
            .filter(|script| !script.trim().is_empty())?;
        // The script's reader keeps JSON's escapes; a value that was cut in one of them is taken
        // as it is.
        Some(serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned()))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn facts_are_kept_by_directory() {
        let report = format!(
            "version\t.\t1\ncommit\t.\t{COMMIT}\nfile\t.\tPackage.json\nscript\t.\tdev=node -e \\\"x\\\"\n\
             name\t.\tREADME.md\nfile\tweb\tindex.html\nmake\tweb\tdev=container\nport\tweb\t3000\nend\t.\t\n"
        );
        let inventory = Inventory::parse(&report).unwrap();
        assert_eq!(inventory.commit.as_ref().unwrap().as_str(), COMMIT);
        assert_eq!(inventory.names, ["README.md"]);
        let root = inventory.root().unwrap();
        assert!(root.has("package.json") && !root.has("index.html"));
        assert_eq!(root.script("dev").unwrap(), "node -e \"x\"");
        let web = &inventory.directories[1];
        assert!(!web.makes("dev"));
        assert_eq!(web.fixed_port(), Some(3000));
    }

    #[test]
    fn a_report_that_was_cut_is_read_as_far_as_it_goes() {
        let report = format!("version\t.\t1\ncommit\t.\t{COMMIT}\nfile\t.\tgo.mod\nfile\t.");
        assert!(
            Inventory::parse(&report)
                .unwrap()
                .root()
                .unwrap()
                .has("go.mod")
        );
    }

    #[test]
    fn anything_else_is_no_inventory() {
        for report in ["", "fatal: not a git repository", "version\t.\t2\n"] {
            assert_eq!(
                Inventory::parse(report),
                Err(InventoryError::Unknown),
                "{report}"
            );
        }
        assert_eq!(
            Inventory::parse("version\t.\t1\ncommit\t.\t\n"),
            Err(InventoryError::NoCommit)
        );
    }
}
