//! Which commit of which repository is run, and the container that brings it in.

use std::collections::BTreeMap;

use catalyst_crd::{Environment, Project};
use catalyst_model::ids::CommitSha;
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, HostPathVolumeSource,
    ResourceRequirements, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Problem, Target, variable};
use crate::repository::Repository;
use crate::settings::OperatorSettings;

/// The name of the container that checks the source out.
pub const GIT_CLONE: &str = "git-clone";
/// The ConfigMap with the scripts.
pub const SCRIPTS: &str = "catalyst-git-scripts";
/// The name of the volume with the source where the configuration names no other.
pub const CODE: &str = "code";
/// Where that volume appears.
pub const CODE_PATH: &str = "/code";

const SCRIPTS_VOLUME: &str = "git-scripts";
const SCRIPTS_PATH: &str = "/scripts";
const REPOSITORY_VOLUME: &str = "repository";

/// A commit to be checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where from.
    pub repository: Repository,
    /// Which commit.
    pub reference: Reference,
    /// The branch that it is on.
    pub branch: String,
    /// The pull request that it belongs to.
    pub pull_request: Option<u64>,
}

/// What is known about the commit beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// This very one.
    Commit(CommitSha),
    /// The newest of the branch.
    Newest,
}

impl Source {
    /// The Environment's first source in its Project, or the Project's first where the
    /// Environment names none.
    ///
    /// # Errors
    /// If the Project does not have it, its URL is not accepted, or the commit is neither 40
    /// hexadecimal digits nor empty nor `HEAD`. Never another source or commit instead.
    pub fn of(
        environment: &Environment,
        project: &Project,
        settings: &OperatorSettings,
    ) -> Result<Self, Problem> {
        let wanted = environment.spec.sources.first();
        let sources = &project.spec.sources;
        let found = match wanted {
            Some(wanted) => sources
                .iter()
                .find(|source| source.name == wanted.name)
                .ok_or_else(|| {
                    let known: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
                    Problem::new(
                        "SourceNotFound",
                        format!(
                            "the Project has no source {:?}; it has {}",
                            wanted.name,
                            known.join(", ")
                        ),
                    )
                })?,
            None => sources.first().ok_or_else(|| {
                Problem::new(
                    "SourceNotFound",
                    "the Project has no sources; add one with a repositoryUrl",
                )
            })?,
        };
        let repository =
            Repository::parse(&found.repository_url, settings.allow_local_repositories).map_err(
                |error| {
                    Problem::new(
                        "RepositoryRefused",
                        format!("source {:?}: {error}", found.name),
                    )
                },
            )?;
        let reference = match wanted.map(|wanted| wanted.commit_sha.as_str()) {
            None | Some("" | "HEAD") => Reference::Newest,
            Some(sha) => Reference::Commit(sha.parse().map_err(|error| {
                Problem::new(
                    "CommitInvalid",
                    format!("commitSha of source {:?}: {error}", found.name),
                )
            })?),
        };
        let branch = [
            wanted.map(|wanted| wanted.branch.as_str()),
            Some(&found.branch),
        ]
        .into_iter()
        .flatten()
        .find(|branch| !matches!(*branch, "" | "HEAD"))
        .unwrap_or("main")
        .to_owned();
        Ok(Self {
            repository,
            reference,
            branch,
            pull_request: wanted
                .and_then(|wanted| wanted.pr_number)
                .and_then(|n| u64::try_from(n).ok()),
        })
    }

    /// The same source at a commit that has become known.
    #[must_use]
    pub fn at(&self, commit: &CommitSha) -> Self {
        Self {
            reference: Reference::Commit(commit.clone()),
            ..self.clone()
        }
    }

    /// The commit, where it is known.
    #[must_use]
    pub fn commit(&self) -> Option<&CommitSha> {
        match &self.reference {
            Reference::Commit(commit) => Some(commit),
            Reference::Newest => None,
        }
    }
}

/// ConfigMap `catalyst-git-scripts`.
#[must_use]
pub fn scripts(target: &Target) -> ConfigMap {
    let data = [
        ("git-clone.sh", include_str!("../scripts/git-clone.sh")),
        ("inspect.sh", include_str!("../scripts/inspect.sh")),
    ];
    ConfigMap {
        metadata: target.meta(SCRIPTS),
        data: Some(
            data.map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
        ),
        ..ConfigMap::default()
    }
}

/// The container that checks the source out into `mount`.
#[must_use]
pub fn git_clone(source: &Source, mount: &VolumeMount, settings: &OperatorSettings) -> Container {
    let mut mounts = vec![mount.clone(), scripts_mount()];
    if let Some(path) = source.repository.local_path() {
        mounts.push(VolumeMount {
            name: REPOSITORY_VOLUME.to_owned(),
            mount_path: path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
    Container {
        name: GIT_CLONE.to_owned(),
        image: Some(settings.git_image.clone()),
        command: Some(script("git-clone.sh")),
        env: Some(vec![
            variable("GIT_REPO_URL", source.repository.url()),
            variable("GIT_COMMIT", source.commit().map_or("", CommitSha::as_str)),
            variable("GIT_BRANCH", &source.branch),
            variable(
                "GIT_PULL_REQUEST",
                source
                    .pull_request
                    .map(|n| n.to_string())
                    .unwrap_or_default(),
            ),
            variable("GIT_CLONE_ROOT", &mount.mount_path),
            variable("GIT_CLONE_DEST", "."),
            variable("GIT_ALLOW_PROTOCOL", source.repository.protocol()),
        ]),
        volume_mounts: Some(mounts),
        ..small_container()
    }
}

/// The command that runs one of the scripts.
pub(super) fn script(name: &str) -> Vec<String> {
    vec!["sh".to_owned(), format!("{SCRIPTS_PATH}/{name}")]
}

pub(super) fn scripts_mount() -> VolumeMount {
    VolumeMount {
        name: SCRIPTS_VOLUME.to_owned(),
        mount_path: SCRIPTS_PATH.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// The volumes that [`git_clone`] mounts besides the one it fills.
pub(super) fn volumes(source: &Source) -> Vec<Volume> {
    let scripts = Volume {
        name: SCRIPTS_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: SCRIPTS.to_owned(),
            default_mode: Some(0o755),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let repository = source.repository.local_path().map(|path| Volume {
        name: REPOSITORY_VOLUME.to_owned(),
        host_path: Some(HostPathVolumeSource {
            path: path.to_owned(),
            type_: Some("Directory".to_owned()),
        }),
        ..Volume::default()
    });
    [scripts].into_iter().chain(repository).collect()
}

/// What the operator's own containers have in common: they need little, and no rights at all.
pub(super) fn small_container() -> Container {
    let amounts = |cpu: &str, memory: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    Container {
        resources: Some(ResourceRequirements {
            requests: Some(amounts("100m", "256Mi")),
            limits: Some(amounts("500m", "512Mi")),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}
