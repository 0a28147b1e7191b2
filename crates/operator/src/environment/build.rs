//! Which commit of which repository is run and how, where the configuration does not say: told from
//! what the repository holds.

use catalyst_crd::project::Build as TemplateBuild;
use catalyst_render::detect::{Plan, Undetected, detect, dockerfile, is_run_by_dockerfile, survey};
use catalyst_render::source::{Kind, kind, translate};
use catalyst_render::{Bundle, Folder, compose};

use super::image::{Image, Workshop};
use super::inspection::{Look, inspect};
use super::progress::Step;
use super::wanted::{Mode, Wanted};
use crate::context::Context;
use crate::desired::build::{Builder, Order};
use crate::desired::record::Held;
use crate::desired::{Problem, Source, Target};
use crate::error::Error;
use catalyst_crd::EnvironmentConfig;
use jiff::Timestamp;

/// What is known before the workload is made.
pub(super) enum Build {
    /// An image is run as it is.
    AsItIs,
    /// The source at its commit, and the plan where one was needed.
    Known(Step, Source, Option<Plan>),
    /// An image that was built of the source.
    Built(Step, Source, BuiltImage),
    /// The repository holds files that say what is to be deployed.
    Files(Kind),
    /// Nothing yet, or nothing at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

/// An image that was built of a source.
pub(super) struct BuiltImage {
    /// Its name in the registry.
    pub image: String,
    /// Where its program listens.
    pub port: u16,
    /// What it was built by, in words.
    pub words: String,
}

/// What a repository comes to, before anything is built of it.
enum Conclusion {
    Of(Build),
    ToBuild(Box<Order>, u16),
}

/// What an Environment's pass has at hand when it asks.
pub(super) struct Question<'a> {
    pub context: &'a Context,
    pub target: &'a Target,
    pub wanted: &'a Wanted,
    pub secrets: Option<&'a Held>,
    pub retry: Option<&'a str>,
    pub now: Timestamp,
}

impl Question<'_> {
    /// Finds it out, by way of a look at the repository where it is not known yet, and of a build
    /// where it is run as an image.
    pub async fn answer(&self) -> Result<Build, Error> {
        let Self {
            context, target, ..
        } = *self;
        let Wanted {
            source,
            config,
            mode,
            ..
        } = self.wanted;
        let settings = &context.settings;
        let by_image = *mode == Mode::Production;
        if let Some(image) = config.image.as_deref() {
            if by_image {
                return Ok(Build::AsItIs);
            }
            if source.commit().is_some() {
                let words = format!("the configuration names the image {image}");
                let step = Step::done("Configured", words);
                return Ok(Build::Known(step, source.clone(), None));
            }
        }
        let builder = settings.builds.as_ref().map(|builds| Builder {
            target,
            settings,
            builds,
        });
        if by_image && builder.is_none() {
            // Told there: it names no image.
            return Ok(Build::AsItIs);
        }
        let bundle = match inspect(context, target, source, "", self.retry, self.now).await? {
            Look::Known(bundle) => bundle,
            Look::Open(step, look_again) => return Ok(Build::Open(step, look_again)),
        };
        let template = self.wanted.template.as_ref();
        let ordered = template.and_then(|template| template.builds.first());
        let conclusion = match builder.filter(|_| by_image) {
            Some(builder) => ordered_or_told(builder.program(
                &bundle.folder,
                &source.known(&bundle.commit),
                ordered,
            )),
            None => conclude(&bundle, source, config, builder, ordered),
        };
        match (conclusion, builder) {
            (Conclusion::ToBuild(order, port), Some(builder)) => {
                let workshop = Workshop {
                    context,
                    target,
                    builds: builder.builds,
                    secrets: self.secrets,
                    retry: self.retry,
                    now: self.now,
                };
                Ok(match workshop.build(&order).await? {
                    Image::Built(image) => {
                        let words = format!("{}, built as {image}", order.words);
                        let said = match order.warning(builder.builds) {
                            Some(warning) => format!("{words}. {warning}"),
                            None => words.clone(),
                        };
                        Build::Built(
                            Step::done("ImageBuilt", said),
                            order.source,
                            BuiltImage { image, port, words },
                        )
                    }
                    Image::Open(step, look_again) => Build::Open(step, look_again),
                })
            }
            (Conclusion::ToBuild(order, _), None) => Ok(Build::Open(
                Step::failed("NeedsImageBuild", format!("{} is to be built", order.words)),
                None,
            )),
            (Conclusion::Of(build), _) => Ok(build),
        }
    }
}

fn ordered_or_told(ordered: Result<(Order, u16), Problem>) -> Conclusion {
    match ordered {
        Ok((order, port)) => Conclusion::ToBuild(Box::new(order), port),
        Err(problem) => Conclusion::Of(Build::Open(problem.into(), None)),
    }
}

/// How a repository is run that nothing was said about. What builds images makes the difference:
/// with it a compose file that builds comes first, then a Dockerfile; without it, what can be run
/// from its source.
fn conclude(
    bundle: &Bundle,
    source: &Source,
    config: &EnvironmentConfig,
    builder: Option<Builder<'_>>,
    ordered: Option<&TemplateBuild>,
) -> Conclusion {
    let source = source.known(&bundle.commit);
    if config.image.is_some() {
        let words = format!("branch {} is at {}", source.branch, bundle.commit);
        let step = Step::done("Configured", words);
        return Conclusion::Of(Build::Known(step, source, None));
    }
    let folder = &bundle.folder;
    let inventory = survey(folder);
    let order = |builder: Builder<'_>| ordered_or_told(builder.program(folder, &source, ordered));
    // Commands of the configuration are meant for the source.
    if let Some(builder) = builder.filter(|_| config.command.is_empty()) {
        if ordered.is_some() {
            return order(builder);
        }
        if builds_by_compose(folder) {
            return Conclusion::Of(Build::Files(Kind::Compose));
        }
        if is_run_by_dockerfile(&inventory) && kind(folder, "") != Some(Kind::Compose) {
            return order(builder);
        }
    }
    let port = config
        .ports
        .first()
        .and_then(|port| u16::try_from(port.container_port).ok());
    match detect(&inventory, port) {
        Ok(plan) => {
            let words = plan.words();
            Conclusion::Of(Build::Known(
                Step::done("Detected", words),
                source,
                Some(plan),
            ))
        }
        Err(error) => match (kind(folder, ""), builder, error) {
            (Some(kind), _, _) => Conclusion::Of(Build::Files(kind)),
            (None, Some(builder), _) if dockerfile(&inventory).is_some() => order(builder),
            (None, _, error @ Undetected::NeedsImageBuild(_)) => Conclusion::Of(Build::Open(
                Step::failed("NeedsImageBuild", error.to_string()),
                None,
            )),
            (None, _, error) => Conclusion::Of(Build::Open(
                Step::failed("NotRecognised", error.to_string()),
                None,
            )),
        },
    }
}

/// Whether a compose file at the root builds what it runs, rather than bringing along databases for
/// work on the source.
fn builds_by_compose(folder: &Folder) -> bool {
    kind(folder, "") == Some(Kind::Compose)
        && translate(Kind::Compose, folder, "", &compose::Options::default())
            .is_ok_and(|rendered| !rendered.builds.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::builds::{BuildSettings, Engine};
    use crate::desired::Reference;
    use crate::desired::tests::target;
    use crate::repository::Repository;
    use crate::settings::OperatorSettings;

    fn concluded(files: &[(&str, &str)]) -> Build {
        match concluded_with(files, None) {
            Conclusion::Of(build) => build,
            Conclusion::ToBuild(..) => panic!("nothing builds here"),
        }
    }

    fn concluded_with(files: &[(&str, &str)], builds: Option<&BuildSettings>) -> Conclusion {
        let bundle = Bundle {
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            folder: Folder::of(files.iter().copied()),
        };
        let source = Source {
            name: "primary".to_owned(),
            repository: Repository::parse("https://github.com/acme/shop", false).unwrap(),
            reference: Reference::Newest,
            branch: "main".to_owned(),
            trunk: "main".to_owned(),
            pull_request: None,
            installation: None,
        };
        let settings = OperatorSettings::default();
        let target = target();
        let builder = builds.map(|builds| Builder {
            target: &target,
            settings: &settings,
            builds,
        });
        conclude(
            &bundle,
            &source,
            &EnvironmentConfig::default(),
            builder,
            None,
        )
    }

    #[test]
    fn where_images_are_built_a_compose_file_that_builds_comes_first_and_then_a_dockerfile() {
        let builds = BuildSettings {
            engine: Engine::Kaniko,
            image: "kaniko".to_owned(),
            registry: "registry.example.com".to_owned(),
            insecure: false,
        };
        let with = |files: &[(&str, &str)]| concluded_with(files, Some(&builds));
        let program = ("package.json", r#"{ "scripts": { "dev": "vite" } }"#);
        let dockerfile = ("Dockerfile", "FROM scratch\nEXPOSE 3000\n");
        let building = ("compose.yaml", "services: { web: { build: . } }\n");
        let database = ("compose.yaml", "services: { db: { image: postgres } }\n");
        for files in [&[dockerfile][..], &[dockerfile, program]] {
            assert!(matches!(with(files), Conclusion::ToBuild(order, 3000)
                if order.name == "web" && order.words == "Dockerfile"
                    && order.image == "registry.example.com/shop/web-preview-7:0123456789abcdef0123456789abcdef01234567"));
        }
        assert!(matches!(
            with(&[building, dockerfile, program]),
            Conclusion::Of(Build::Files(Kind::Compose))
        ));
        assert!(matches!(
            with(&[database, program]),
            Conclusion::Of(Build::Known(..))
        ));
        assert!(matches!(
            with(&[program, ("api/Dockerfile", "FROM scratch\n")]),
            Conclusion::Of(Build::Known(..))
        ));
        assert!(matches!(
            with(&[("backend/Dockerfile", "FROM scratch\n")]),
            Conclusion::ToBuild(order, 8080) if order.context == "backend"
        ));
    }

    #[test]
    fn a_repository_that_only_says_what_to_deploy_is_deployed_as_it_says() {
        let compose = ("compose.yaml", "services: { web: { image: nginx } }\n");
        let program = ("package.json", r#"{ "scripts": { "dev": "vite" } }"#);
        assert!(matches!(concluded(&[compose]), Build::Files(Kind::Compose)));
        assert!(matches!(
            concluded(&[compose, program]),
            Build::Known(_, source, Some(_)) if source.commit().is_some()
        ));
        let dockerfile = ("Dockerfile", "FROM scratch\n");
        assert!(matches!(
            concluded(&[dockerfile]),
            Build::Open(Step::Failed(said), None) if said.reason == "NeedsImageBuild"
        ));
    }
}
