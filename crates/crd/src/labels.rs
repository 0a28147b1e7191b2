//! The labels, annotations and finalizers that Catalyst puts on objects.

/// The team that an object belongs to. Required on Environments.
pub const TEAM: &str = "catalyst.dev/team";
/// The project that an object belongs to. Required on Environments.
pub const PROJECT: &str = "catalyst.dev/project";
/// The Environment that an object belongs to, by its name. Required on Environments.
pub const ENVIRONMENT: &str = "catalyst.dev/environment";
/// On a namespace: `team`, `project` or `environment`.
pub const NAMESPACE_TYPE: &str = "catalyst.dev/namespace-type";
/// On an environment's namespace: the branch of its first source, as a label value.
pub const BRANCH: &str = "catalyst.dev/branch";
/// On pods: the 40-digit commit that they run.
pub const COMMIT: &str = "catalyst.dev/commit";
/// On what was made from the files of a source: that source's name.
pub const COMPONENT: &str = "catalyst.dev/component";
/// On Jobs of the operator: what they do, `inspect`, `build`, `restore` or `seed`.
pub const JOB_TYPE: &str = "catalyst.dev/job-type";
/// What a Job of an inspection looks at: `source`, `chart`, or another source of the Project.
pub const INSPECTED: &str = "catalyst.dev/inspected";
/// On Jobs that build an image: the build's name within the project.
pub const BUILD: &str = "catalyst.dev/build";
/// Who keeps an object: always [`MANAGER`] on what the operator makes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The operator's field manager and its value of [`MANAGED_BY`].
pub const MANAGER: &str = "catalyst-operator";
/// The web side's field manager.
pub const WEB_MANAGER: &str = "catalyst-web";

/// Annotation on an Environment: the id of the preview's row in the store.
pub const ENVIRONMENT_ID: &str = "catalyst.dev/environment-id";
/// Annotation on an Environment: the id of the HTTP request that asked for what it asks for. It is
/// in every log line about it, from the webhook to the reconcile.
pub const REQUEST: &str = "catalyst.dev/request";
/// Annotation on an Environment: changed by the web side each time a person asks for a retry.
pub const RETRY: &str = "catalyst.dev/retry";
/// Annotation on an Environment: the value of [`RETRY`] that its status speaks of.
pub const OBSERVED_RETRY: &str = "catalyst.dev/observed-retry";
/// Annotation on an Environment: which version of its secrets it is to run with, or [`NO_SECRETS`].
/// The same annotation on a pod: which version it was made with.
pub const SECRETS: &str = "catalyst.dev/secrets";
/// The value of [`SECRETS`] where there are none.
pub const NO_SECRETS: &str = "none";
/// Annotation on an Environment: how its source is built and run, in words.
pub const RUNS: &str = "catalyst.dev/runs";
/// Annotation on an Environment: the present attempt to bring it up, as `<key> <RFC 3339 time>`.
/// The key changes with what is asked for; deadlines count from the time.
pub const ATTEMPT: &str = "catalyst.dev/attempt";
/// Annotation on a pod: which version of the workload it was made from.
pub const TEMPLATE: &str = "catalyst.dev/template";
/// Annotation on a pod that is kept though its command fails: how it failed.
pub const KEPT: &str = "catalyst.dev/kept";
/// Annotation on Deployment `web`, where it is the whole of what answers: the port that its Service reaches.
pub const PORT: &str = "catalyst.dev/port";
/// Annotation on a pod: a digest of the ConfigMaps and Secrets of its repository that it uses.
pub const CONTENT: &str = "catalyst.dev/content";
/// Annotation on an inspection's Job and its pods: what is inspected.
pub const INSPECTION: &str = "catalyst.dev/inspection";
/// Annotation on a build's Job and its pods: what is built.
pub const BUILD_KEY: &str = "catalyst.dev/build-key";
/// Annotation on a Job that fills an environment with data, and its pods: what it fills.
pub const FILLING: &str = "catalyst.dev/filling";
/// Annotation on everything that the operator makes for an Environment, its namespace included:
/// the `namespace/name` of that Environment. A namespace without it is never touched.
pub const OWNER: &str = "catalyst.dev/owner";
/// Annotations on a Project, one a source: `repository.catalyst.dev/<source name>` holds the
/// repository's full name on GitHub where the clone URL does not tell it.
pub const REPOSITORY_PREFIX: &str = "repository.catalyst.dev/";

/// Keeps an Environment until its namespace is really gone.
pub const ENVIRONMENT_FINALIZER: &str = "catalyst.dev/finalizer";
/// Keeps a Project while Environments refer to it.
pub const PROJECT_FINALIZER: &str = "catalyst.catalyst.dev/finalizer";
