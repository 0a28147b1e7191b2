//! Which commit of which repository is run, and the container that brings it in.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_crd::identity::{GIT_ACCOUNT, GIT_AUDIENCE};
use catalyst_crd::project::{ProjectSource, Template};
use catalyst_crd::{Environment, Project};
use catalyst_model::ids::CommitSha;
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, HostPathVolumeSource,
    ProjectedVolumeSource, ResourceRequirements, SecurityContext, ServiceAccount,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
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
const IDENTITY_VOLUME: &str = "git-identity";
const IDENTITY_PATH: &str = "/var/run/secrets/catalyst.dev/git";
/// The shortest that Kubernetes gives. A clone that takes longer finds a new one in its place.
const IDENTITY_SECONDS: i64 = 600;
/// The certificates, beside the scripts.
const CERTIFICATES: &str = "ca.crt";
/// The names of the volumes that are the operator's own.
pub const OWN_VOLUMES: [&str; 3] = [SCRIPTS_VOLUME, REPOSITORY_VOLUME, IDENTITY_VOLUME];

/// A commit to be checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the Project calls it.
    pub name: String,
    /// Where from.
    pub repository: Repository,
    /// Which commit.
    pub reference: Reference,
    /// The branch that it is on.
    pub branch: String,
    /// The Project's own branch of this source, which others are made from and merged into.
    pub trunk: String,
    /// The pull request that it belongs to.
    pub pull_request: Option<u64>,
    /// Where the repository may be private: the GitHub App's installation that reaches it, or
    /// `pat`.
    pub installation: Option<String>,
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
        Self::named(None, environment, project, settings)
    }

    /// Checks that what refers to sources means some of the Project's: each of the Environment's
    /// own, once, and what its template and that one's builds name.
    ///
    /// # Errors
    /// Names the first that the Project does not have, and those that it has.
    pub fn check(
        environment: &Environment,
        project: &Project,
        template: Option<&Template>,
    ) -> Result<(), Problem> {
        let mut seen = BTreeSet::new();
        for source in &environment.spec.sources {
            let name = source.name.as_str();
            known(project, name, "the Environment's source")?;
            if !seen.insert(name) {
                return Err(Problem::new(
                    "SourceNotFound",
                    format!("the Environment names the source {name:?} twice; name each once"),
                ));
            }
        }
        let Some(template) = template else {
            return Ok(());
        };
        let said = template.source_ref.as_deref().unwrap_or_default();
        if !said.is_empty() {
            known(project, said, "the template's sourceRef")?;
        }
        for build in template
            .builds
            .iter()
            .filter(|build| !build.source_ref.is_empty())
        {
            let what = format!("the sourceRef of the template's build {}", build.name);
            known(project, &build.source_ref, &what)?;
        }
        Ok(())
    }

    /// The source that a template refers to, at the Environment's commit of it; the newest of its
    /// branch where the Environment does not name it. Without a name, as [`Self::of`].
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn named(
        name: Option<&str>,
        environment: &Environment,
        project: &Project,
        settings: &OperatorSettings,
    ) -> Result<Self, Problem> {
        let sources = &project.spec.sources;
        let name = name.filter(|name| !name.is_empty());
        if let Some(name) = name {
            known(project, name, "the template's sourceRef")?;
        }
        let of_environment = &environment.spec.sources;
        let wanted = match name {
            Some(name) => of_environment.iter().find(|source| source.name == name),
            None => of_environment.first(),
        };
        let by_name = name.and_then(|name| sources.iter().find(|source| source.name == name));
        let found = match wanted {
            Some(wanted) => known(project, &wanted.name, "the Environment's source")?,
            None => by_name.or_else(|| sources.first()).ok_or_else(|| {
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
        let installation = installation(project)?
            .filter(|_| settings.credentials.is_some() && repository.local_path().is_none());
        Ok(Self {
            name: found.name.clone(),
            repository,
            installation,
            reference,
            branch,
            trunk: match found.branch.as_str() {
                "" | "HEAD" => "main".to_owned(),
                branch => branch.to_owned(),
            },
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

    /// The same source; at `newest` where its commit was not known before.
    #[must_use]
    pub fn known(&self, newest: &CommitSha) -> Self {
        match &self.reference {
            Reference::Commit(_) => self.clone(),
            Reference::Newest => self.at(newest),
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

/// The Project's source of this name, which `what` refers to.
fn known<'a>(project: &'a Project, name: &str, what: &str) -> Result<&'a ProjectSource, Problem> {
    let sources = &project.spec.sources;
    sources
        .iter()
        .find(|source| source.name == name)
        .ok_or_else(|| {
            let known: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
            Problem::new(
                "SourceNotFound",
                format!(
                    "{what} {name:?} is no source of the Project; it has {}",
                    known.join(", ")
                ),
            )
        })
}

/// The Project's `githubInstallationId`, which becomes part of a URL.
fn installation(project: &Project) -> Result<Option<String>, Problem> {
    let given = project.spec.github_installation_id.as_deref();
    let Some(given) = given.map(str::trim).filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    if given == "pat" || given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(given.to_owned()));
    }
    Err(Problem::new(
        "InstallationInvalid",
        format!(
            "githubInstallationId {given:?} is neither a number nor \"pat\"; correct it in the Project"
        ),
    ))
}

/// ServiceAccount `catalyst-git-clone`: whoever asks for credentials does so in its name. Nothing
/// is bound to it.
#[must_use]
pub fn git_account(target: &Target) -> ServiceAccount {
    ServiceAccount {
        metadata: target.meta(GIT_ACCOUNT),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The value of the label [`catalyst_crd::labels::COMPONENT`] on what comes from a source.
pub(super) fn component(source: &Source) -> String {
    catalyst_model::names::label_value(&source.name)
}

/// The service account that pods with this source run as; none: the namespace's default.
pub(super) fn account(source: &Source) -> Option<String> {
    source
        .installation
        .is_some()
        .then(|| GIT_ACCOUNT.to_owned())
}

/// ConfigMap `catalyst-git-scripts`.
#[must_use]
pub fn scripts(target: &Target, settings: &OperatorSettings) -> ConfigMap {
    let data = [
        ("git-clone.sh", include_str!("../scripts/git-clone.sh")),
        (
            "git-credential-catalyst.sh",
            include_str!("../scripts/git-credential-catalyst.sh"),
        ),
        ("inspect.sh", include_str!("../scripts/inspect.sh")),
        ("build.sh", include_str!("../scripts/build.sh")),
        (
            "render-chart.sh",
            include_str!("../scripts/render-chart.sh"),
        ),
        ("fetch.sh", include_str!("../scripts/fetch.sh")),
        ("restore.sh", include_str!("../scripts/restore.sh")),
    ];
    let certificates = settings.git_certificates.as_deref();
    let data = data
        .into_iter()
        .chain(certificates.map(|text| (CERTIFICATES, text)));
    ConfigMap {
        metadata: target.meta(SCRIPTS),
        data: Some(
            data.map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
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
    let mut credentials = Vec::new();
    if let (Some(installation), Some(door)) = (&source.installation, &settings.credentials) {
        mounts.push(VolumeMount {
            name: IDENTITY_VOLUME.to_owned(),
            mount_path: IDENTITY_PATH.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
        credentials = vec![
            variable("INSTALLATION_ID", installation),
            variable("CATALYST_WEB_URL", &door.url),
            variable("CATALYST_TOKEN_FILE", format!("{IDENTITY_PATH}/token")),
        ];
    }
    if settings.git_certificates.is_some() {
        let file = format!("{SCRIPTS_PATH}/{CERTIFICATES}");
        credentials.push(variable("GIT_SSL_CAINFO", file));
    }
    let env = [
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
    ];
    Container {
        name: GIT_CLONE.to_owned(),
        image: Some(settings.git_image.clone()),
        command: Some(script("git-clone.sh")),
        env: Some(env.into_iter().chain(credentials).collect()),
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
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(GIT_AUDIENCE.to_owned()),
            expiration_seconds: Some(IDENTITY_SECONDS),
            path: "token".to_owned(),
        }),
        ..VolumeProjection::default()
    };
    let identity = source.installation.as_ref().map(|_| Volume {
        name: IDENTITY_VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![token]),
            default_mode: None,
        }),
        ..Volume::default()
    });
    [scripts]
        .into_iter()
        .chain(repository)
        .chain(identity)
        .collect()
}

/// What the operator's own containers have in common: they need little, and no rights at all.
pub(super) fn small_container() -> Container {
    Container {
        resources: Some(resources("500m", "512Mi")),
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

/// Resources of the operator's own containers, with these limits.
pub(super) fn resources(cpu: &str, memory: &str) -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    ResourceRequirements {
        requests: Some(amounts("100m", "256Mi")),
        limits: Some(amounts(cpu, memory)),
        claims: None,
    }
}
