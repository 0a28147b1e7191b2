//! What is asked for, by an Environment and its Project together.

use catalyst_crd::project::{Build, Template};
use catalyst_crd::{Environment, EnvironmentConfig, EnvironmentSpec, Project};
use catalyst_model::names;
use catalyst_render::source::Kind;
use kube::Api;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;

use crate::context::Context;
use crate::desired::quota::Allowance;
use crate::desired::{Problem, Source, Target, config, validate};
use crate::error::Error;
use crate::settings::OperatorSettings;

/// What an Environment and its Project ask for together.
pub(super) struct Wanted {
    pub project: Project,
    pub source: Source,
    pub config: EnvironmentConfig,
    pub allowance: Allowance,
    pub mode: Mode,
    /// The Project's template for this type of Environment.
    pub template: Option<Template>,
    /// Images that are built for a chart, each of its source.
    pub builds: Vec<(Build, Source)>,
}

/// How the workload is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// From its source.
    Development,
    /// As an image.
    Production,
    /// As the files of the repository say that are read in this way.
    Rendered(Kind),
}

/// Puts it together, or says what a person has to put right.
pub(super) async fn wanted(
    environment: &Environment,
    target: &Target,
    context: &Context,
) -> Result<Result<Wanted, Problem>, Error> {
    let project = match project(environment, target, context).await? {
        Ok(project) => project,
        Err(problem) => return Ok(Err(problem)),
    };
    Ok(ask(environment, project, &context.settings))
}

fn ask(
    environment: &Environment,
    project: Project,
    settings: &OperatorSettings,
) -> Result<Wanted, Problem> {
    let spec = &environment.spec;
    let template = project.spec.templates.get(&spec.kind);
    let mode = mode(spec, template)?;
    let config = config::merge(
        template.and_then(|template| template.config.as_ref()),
        spec.config.as_ref(),
    );
    validate::validate(&config)?;
    let quota = project
        .spec
        .resources
        .as_ref()
        .and_then(|resources| resources.default_quota.as_ref());
    let allowance = Allowance::of(quota)?;
    Source::check(environment, &project, template)?;
    let source_ref = source_ref(mode, template, &config, settings);
    let source = Source::named(source_ref, environment, &project, settings)?;
    let builds = match (mode, template) {
        (Mode::Rendered(Kind::Helm), Some(template)) => template
            .builds
            .iter()
            .map(|build| {
                let name = Some(build.source_ref.as_str()).filter(|name| !name.is_empty());
                let name = name.or(source_ref);
                let source = Source::named(name, environment, &project, settings)?;
                Ok((build.clone(), source))
            })
            .collect::<Result<_, Problem>>()?,
        _ => Vec::new(),
    };
    Ok(Wanted {
        builds,
        template: template.cloned(),
        source,
        config,
        allowance,
        mode,
        project,
    })
}

/// The source that is run: where an image is built for it, that of the build; else the template's;
/// none: the first.
fn source_ref<'a>(
    mode: Mode,
    template: Option<&'a Template>,
    config: &EnvironmentConfig,
    settings: &OperatorSettings,
) -> Option<&'a str> {
    let template = template?;
    let is_built = match mode {
        Mode::Rendered(_) => false,
        Mode::Development | Mode::Production => config.image.is_none() && settings.builds.is_some(),
    };
    let of_build = template.builds.first().filter(|_| is_built);
    let of_build = of_build.map(|build| build.source_ref.as_str());
    of_build
        .filter(|name| !name.is_empty())
        .or(template.source_ref.as_deref())
        .filter(|name| !name.is_empty())
}

/// How an Environment is run: as it says, else by its template, else by its type.
fn mode(spec: &EnvironmentSpec, template: Option<&Template>) -> Result<Mode, Problem> {
    let said = spec
        .deployment_mode
        .as_deref()
        .filter(|mode| !mode.is_empty());
    let mode = match (said, template.map(|template| template.kind.as_str())) {
        (Some(said), _) => said,
        (None, Some("" | "managed") | None) => match spec.kind.as_str() {
            "development" => "development",
            "deployment" | "staging" | "production" => "production",
            _ => "workspace",
        },
        (None, Some(kind)) => kind,
    };
    match mode {
        "development" => Ok(Mode::Development),
        "production" => Ok(Mode::Production),
        "docker-compose" | "compose" => Ok(Mode::Rendered(Kind::Compose)),
        "kustomize" => Ok(Mode::Rendered(Kind::Kustomize)),
        "manifest" | "manifests" => Ok(Mode::Rendered(Kind::Manifests)),
        "helm" => Ok(Mode::Rendered(Kind::Helm)),
        other => Err(Problem::new(
            "ModeNotSupported",
            format!(
                "this version cannot run Environments in the mode {other:?}; use development, production, \
                 docker-compose, kustomize, manifest or helm (spec.deploymentMode, or a template of type \
                 managed, docker-compose, kustomize, manifest or helm)"
            ),
        )),
    }
}

async fn project(
    environment: &Environment,
    target: &Target,
    context: &Context,
) -> Result<Result<Project, Problem>, Error> {
    let name = &environment.spec.project_ref.name;
    let team = names::team_namespace(&target.team);
    let seen = context
        .cluster
        .caches
        .projects
        .get(&ObjectRef::new(name).within(&team));
    let found = match seen {
        Some(seen) => Some((*seen).clone()),
        // It may be newer than the cache.
        None if name.is_empty() => None,
        None => {
            let api: Api<DeserializeGuard<Project>> =
                Api::namespaced(context.cluster.client.clone(), &team);
            api.get_opt(name)
                .await
                .map_err(Error::api("get", format!("Project {team}/{name}")))?
        }
    };
    Ok(match found {
        Some(DeserializeGuard(Ok(project))) => Ok(project),
        Some(DeserializeGuard(Err(invalid))) => Err(Problem::new(
            "ProjectUnreadable",
            format!("the Project {name} cannot be read: {}", invalid.error),
        )),
        None => Err(Problem::new(
            "ProjectNotFound",
            format!("there is no Project {name} in namespace {team}"),
        )),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spec(kind: &str, mode: Option<&str>) -> EnvironmentSpec {
        EnvironmentSpec {
            kind: kind.to_owned(),
            deployment_mode: mode.map(ToOwned::to_owned),
            ..EnvironmentSpec::default()
        }
    }

    fn template(kind: &str) -> Template {
        Template {
            kind: kind.to_owned(),
            ..Template::default()
        }
    }

    #[test]
    fn the_mode_is_what_is_said_else_the_templates_else_the_types() {
        for (kind, said, by_template, expected) in [
            ("development", None, None, Some(Mode::Development)),
            (
                "development",
                Some(""),
                Some("managed"),
                Some(Mode::Development),
            ),
            ("deployment", None, None, Some(Mode::Production)),
            ("staging", None, Some("managed"), Some(Mode::Production)),
            ("production", None, None, Some(Mode::Production)),
            (
                "development",
                Some("production"),
                Some("helm"),
                Some(Mode::Production),
            ),
            (
                "development",
                None,
                Some("helm"),
                Some(Mode::Rendered(Kind::Helm)),
            ),
            (
                "staging",
                Some("helm"),
                None,
                Some(Mode::Rendered(Kind::Helm)),
            ),
            (
                "development",
                None,
                Some("docker-compose"),
                Some(Mode::Rendered(Kind::Compose)),
            ),
            (
                "development",
                None,
                Some("kustomize"),
                Some(Mode::Rendered(Kind::Kustomize)),
            ),
            (
                "staging",
                None,
                Some("manifest"),
                Some(Mode::Rendered(Kind::Manifests)),
            ),
            (
                "development",
                Some("docker-compose"),
                None,
                Some(Mode::Rendered(Kind::Compose)),
            ),
            ("anything", None, None, None),
            ("development", Some("workspace"), None, None),
            ("development", Some("something"), None, None),
        ] {
            let by_template = by_template.map(template);
            let mode = mode(&spec(kind, said), by_template.as_ref());
            assert_eq!(mode.ok(), expected, "{kind} {said:?} {by_template:?}");
        }
    }

    #[test]
    fn an_image_is_built_of_its_builds_source_and_all_else_comes_from_the_templates() {
        let with_builds = OperatorSettings {
            builds: Some(crate::builds::BuildSettings {
                registry: "registry.example".to_owned(),
                insecure: false,
                engine: crate::builds::Engine::Kaniko,
                image: "kaniko".to_owned(),
            }),
            ..OperatorSettings::default()
        };
        let none = OperatorSettings::default();
        let template = |source: &str, build: Option<&str>| -> Template {
            let builds =
                build.map(|build| serde_json::json!([{ "name": "web", "sourceRef": build }]));
            serde_json::from_value(serde_json::json!({
                "type": "managed", "sourceRef": source, "builds": builds.unwrap_or(serde_json::json!([]))
            }))
            .unwrap()
        };
        let compose = Mode::Rendered(Kind::Compose);
        for (mode, template, settings, expected) in [
            (
                Mode::Production,
                template("api", Some("site")),
                &with_builds,
                Some("site"),
            ),
            (
                Mode::Development,
                template("api", Some("site")),
                &with_builds,
                Some("site"),
            ),
            (
                Mode::Production,
                template("api", Some("")),
                &with_builds,
                Some("api"),
            ),
            (
                Mode::Development,
                template("api", Some("site")),
                &none,
                Some("api"),
            ),
            (Mode::Development, template("api", None), &none, Some("api")),
            (
                compose,
                template("api", Some("site")),
                &with_builds,
                Some("api"),
            ),
            (compose, template("", None), &with_builds, None),
        ] {
            let found = source_ref(
                mode,
                Some(&template),
                &EnvironmentConfig::default(),
                settings,
            );
            assert_eq!(found, expected, "{mode:?} {template:?}");
        }
        let image = EnvironmentConfig {
            image: Some("node:22".to_owned()),
            ..EnvironmentConfig::default()
        };
        let built = template("api", Some("site"));
        assert_eq!(
            source_ref(Mode::Production, Some(&built), &image, &with_builds),
            Some("api")
        );
        assert_eq!(
            source_ref(Mode::Production, None, &image, &with_builds),
            None
        );
    }
}
