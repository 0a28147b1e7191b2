//! Pairs of a Project and an Environment, as files have them: pure but for reading a folder.

use std::path::{Path, PathBuf};

use catalyst_crd::environment::EnvironmentSource;
use catalyst_crd::labels::{ENVIRONMENT, MANAGED_BY, PROJECT, RETRY, TEAM};
use catalyst_crd::{Environment, Project};
use catalyst_model::ids::CommitSha;
use catalyst_model::names::{label_value, project_namespace, team_namespace};
use kube::ResourceExt;
use serde::Deserialize;

use super::MANAGER;

/// What Catalyst is held to: Helm, compose, and nothing said at all.
const OWN: [(&str, &str); 3] = [
    (
        "catalyst",
        include_str!("../../../../examples/pairs/catalyst.yaml"),
    ),
    (
        "rails",
        include_str!("../../../../examples/pairs/rails.yaml"),
    ),
    (
        "nextjs",
        include_str!("../../../../examples/pairs/nextjs.yaml"),
    ),
];

/// A pair that cannot be tried out.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// No pair has this name.
    #[error("there is no pair {name:?}; there is {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder has none.
    #[error("{} holds no pairs: put a NAME.yaml there with a Project and an Environment", .0.display())]
    None(PathBuf),
    /// It is no YAML, or not of its kind.
    #[error("the pair {pair} is not written as it should be")]
    Malformed {
        /// Its name.
        pair: String,
        /// Where and why.
        source: serde_yaml::Error,
    },
    /// Something is missing in it, or at odds.
    #[error("the pair {pair} {problem}")]
    Wrong {
        /// Its name.
        pair: String,
        /// What is to be put right.
        problem: &'static str,
    },
    /// Nobody says where it comes from.
    #[error(
        "the pair {pair} does not say which repository it is of: add --repository URL, as `git clone` takes it"
    )]
    NoRepository {
        /// Its name.
        pair: String,
    },
}

/// A Project, and an Environment of it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Its file's name.
    pub name: String,
    /// The team that the Project belongs to.
    pub team: String,
    pub project: Project,
    pub environment: Environment,
}

/// Where pairs are taken from that do not say so themselves, or are to be taken from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// What `git clone` is given.
    pub repository: Option<String>,
    /// A branch, or 40 hexadecimal digits.
    pub revision: Option<String>,
}

/// The pairs that are part of Catalyst.
pub fn own() -> Result<Vec<Pair>, PairError> {
    OWN.iter()
        .map(|(name, text)| Pair::read(name, text))
        .collect()
}

/// The pairs in a folder, each `NAME.yaml`, by name.
pub fn of_folder(folder: &Path) -> Result<Vec<Pair>, PairError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| PairError::Unreadable { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml");
        files.extend(Some(path).filter(|_| is_yaml));
    }
    files.sort();
    if files.is_empty() {
        return Err(PairError::None(folder.to_owned()));
    }
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
            let name = path.file_stem().unwrap_or_default();
            Pair::read(&name.to_string_lossy(), &text)
        })
        .collect()
}

/// Those of these names, in that order; all of them for no names.
pub fn chosen(pairs: Vec<Pair>, names: &[String]) -> Result<Vec<Pair>, PairError> {
    if names.is_empty() {
        return Ok(pairs);
    }
    let mut chosen: Vec<Pair> = Vec::new();
    for name in names {
        let found = pairs.iter().find(|pair| pair.name == *name);
        let found = found.ok_or_else(|| PairError::Unknown {
            name: name.clone(),
            known: pairs
                .iter()
                .map(|pair| pair.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        if !chosen.iter().any(|pair| pair.name == *name) {
            chosen.push(found.clone());
        }
    }
    Ok(chosen)
}

impl Pair {
    /// Reads a file. The Project names its team by its namespace; whatever follows from these two
    /// names (namespaces, labels, which Project the Environment is of) may be left out.
    pub fn read(name: &str, text: &str) -> Result<Self, PairError> {
        let malformed = |source| PairError::Malformed {
            pair: name.to_owned(),
            source,
        };
        let wrong = |problem| PairError::Wrong {
            pair: name.to_owned(),
            problem,
        };
        let (mut project, mut environment) = (None::<Project>, None::<Environment>);
        for document in serde_yaml::Deserializer::from_str(text) {
            let value = serde_yaml::Value::deserialize(document).map_err(malformed)?;
            let twice = match value["kind"].as_str() {
                Some("Project") => project
                    .replace(serde_yaml::from_value(value).map_err(malformed)?)
                    .is_some(),
                Some("Environment") => environment
                    .replace(serde_yaml::from_value(value).map_err(malformed)?)
                    .is_some(),
                _ if value.is_null() => false,
                _ => {
                    return Err(wrong(
                        "holds something else than a Project and an Environment",
                    ));
                }
            };
            if twice {
                return Err(wrong(
                    "holds two of a kind: write one Project and one Environment",
                ));
            }
        }
        let project = project.ok_or_else(|| wrong("has no Project"))?;
        let environment = environment.ok_or_else(|| wrong("has no Environment"))?;
        let team = project
            .labels()
            .get(TEAM)
            .cloned()
            .or_else(|| project.namespace());
        let team = team.filter(|team| !team.is_empty());
        let team = team
            .ok_or_else(|| wrong("names no team: write it as the Project's metadata.namespace"))?;
        if project.metadata.name.is_none() || environment.metadata.name.is_none() {
            return Err(wrong("has an object without a name (metadata.name)"));
        }
        if project.spec.sources.is_empty() {
            return Err(wrong("has a Project without sources"));
        }
        let pair = Self {
            name: name.to_owned(),
            team,
            project,
            environment,
        };
        if !pair.is_of_one_project() {
            return Err(wrong(
                "has an Environment of another project: leave out its namespace and its labels, or let them say the same as the Project",
            ));
        }
        Ok(pair)
    }

    /// Whether what the two objects say of each other and of their places is the same.
    fn is_of_one_project(&self) -> bool {
        let name = self.project.name_any();
        let reference = &self.environment.spec.project_ref.name;
        let agrees = |found: Option<&String>, wanted: &str| found.is_none_or(|it| it == wanted);
        let labels = self.environment.labels();
        (reference.is_empty() || *reference == name)
            && agrees(
                self.project.metadata.namespace.as_ref(),
                &self.team_namespace(),
            )
            && agrees(
                self.environment.metadata.namespace.as_ref(),
                &self.project_namespace(),
            )
            && agrees(labels.get(TEAM), &self.team)
            && agrees(labels.get(PROJECT), &name)
    }

    /// The same at `place`, complete, and asking for a new attempt that is called `attempt`: what
    /// is there of an earlier one does not count.
    pub fn placed(mut self, place: &Place, attempt: &str) -> Result<Self, PairError> {
        let name = self.project.name_any();
        let (home, namespace) = (self.team_namespace(), self.project_namespace());
        let first = &mut self.project.spec.sources[0];
        if let Some(repository) = &place.repository {
            first.repository_url.clone_from(repository);
        }
        if first.repository_url.is_empty() {
            return Err(PairError::NoRepository { pair: self.name });
        }
        let commit = place
            .revision
            .as_ref()
            .and_then(|it| it.parse::<CommitSha>().ok());
        if let (Some(branch), None) = (&place.revision, &commit) {
            first.branch.clone_from(branch);
        }
        let sources = &mut self.environment.spec.sources;
        for source in &self.project.spec.sources {
            if !sources.iter().any(|it| it.name == source.name) {
                sources.push(EnvironmentSource {
                    name: source.name.clone(),
                    branch: source.branch.clone(),
                    ..EnvironmentSource::default()
                });
            }
        }
        let first = &self.project.spec.sources[0];
        if place.revision.is_some()
            && let Some(source) = sources.iter_mut().find(|it| it.name == first.name)
        {
            source.branch.clone_from(&first.branch);
            source.commit_sha = commit.map(|it| it.to_string()).unwrap_or_default();
        }
        self.environment.spec.project_ref.name.clone_from(&name);
        self.project.metadata.namespace = Some(home);
        self.environment.metadata.namespace = Some(namespace);
        let environment = label_value(&self.environment.name_any());
        let common = [(MANAGED_BY, MANAGER), (TEAM, &self.team), (PROJECT, &name)];
        for (key, value) in common {
            let value = value.to_owned();
            self.project
                .labels_mut()
                .insert(key.to_owned(), value.clone());
            self.environment.labels_mut().insert(key.to_owned(), value);
        }
        self.environment
            .labels_mut()
            .insert(ENVIRONMENT.to_owned(), environment);
        self.environment
            .annotations_mut()
            .insert(RETRY.to_owned(), attempt.to_owned());
        Ok(self)
    }

    /// The namespace of the Project.
    pub fn team_namespace(&self) -> String {
        team_namespace(&self.team)
    }

    /// The namespace of the Environment.
    pub fn project_namespace(&self) -> String {
        project_namespace(&self.team, &self.project.name_any())
    }

    /// What the repository is run by, in a word.
    pub fn kind(&self) -> &str {
        let template = self.project.spec.templates.get(&self.environment.spec.kind);
        match template {
            Some(it) if it.kind != "managed" => &it.kind,
            Some(it) if it.config.is_some() || self.environment.spec.config.is_some() => "managed",
            _ => "zero-config",
        }
    }
}

#[cfg(test)]
mod tests;
