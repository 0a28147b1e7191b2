//! Which commit of which repository is run and how, where the configuration does not say: told from
//! what the repository holds.

use catalyst_crd::Alternative;
use catalyst_crd::project::{Build as TemplateBuild, Template};
use catalyst_render::detect::{
    Inventory, Plan, Undetected, alternatives, detect, dockerfile, is_run_by_dockerfile, survey,
    survey_at,
};
use catalyst_render::folder::join;
use catalyst_render::source::{Kind, kind, translate};
use catalyst_render::{Bundle, Folder, compose};

use super::image::{Image, Workshop};
use super::inspection::{Look, inspect};
use super::progress::Step;
use super::wanted::{Mode, Wanted};
use crate::context::Context;
use crate::desired::build::{Builder, Order};
use crate::desired::record::Held;
use crate::desired::workload::shown;
use crate::desired::{Problem, Source, Target};
use crate::error::Error;
use catalyst_crd::EnvironmentConfig;
use jiff::Timestamp;

/// What is known before the workload is made.
pub(super) enum Build {
    /// An image is run as it is.
    AsItIs,
    /// The source at its commit, and what was found out of it where that was needed.
    Known(Step, Source, Option<Found>),
    /// An image that was built of the source.
    Built(Step, Source, BuiltImage),
    /// The repository holds files that say what is to be deployed.
    Files(Kind),
    /// Nothing yet, or nothing at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

/// How a repository is run, as far as it tells.
pub(super) struct Found {
    pub plan: Plan,
    /// Other ways.
    pub alternatives: Vec<Alternative>,
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
        let template = self.wanted.template.as_ref();
        let directory = match directory(template) {
            Ok(directory) => directory,
            Err(problem) => return Ok(Build::Open(problem.into(), None)),
        };
        let seen = inspect(context, target, source, &directory, self.retry, self.now).await?;
        let bundle = match seen {
            Look::Known(bundle) => bundle,
            Look::Open(step, look_again) => return Ok(Build::Open(step, look_again)),
        };
        let place = Place {
            bundle: &bundle,
            directory: &directory,
            ordered: template.and_then(|template| template.builds.first()),
        };
        let conclusion = match builder {
            _ if !bundle.folder.is_directory(&directory) => {
                let said = format!(
                    "there is no folder {directory:?} in the repository; correct the template's path in the Project"
                );
                Conclusion::Of(Build::Open(Step::failed("NotRecognised", said), None))
            }
            Some(builder) if by_image => place.order(builder, &source.known(&bundle.commit)),
            builder => place.conclude(source, config, builder),
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

/// The directory that is run, relative to the root, which is the empty path.
fn directory(template: Option<&Template>) -> Result<String, Problem> {
    let path = template.and_then(|template| template.path.as_deref());
    // The earlier Catalyst took paths from the root with and without a slash.
    let path = path.unwrap_or_default().trim_start_matches('/');
    join("", path).map_err(|error| {
        let said = format!("the template's path: {error}; correct it in the Project");
        Problem::new("ConfigRefused", said)
    })
}

/// What lies where the template says, and what it has to be built of that.
struct Place<'a> {
    bundle: &'a Bundle,
    directory: &'a str,
    ordered: Option<&'a TemplateBuild>,
}

impl Place<'_> {
    /// The image of what is here.
    fn order(&self, builder: Builder<'_>, source: &Source) -> Conclusion {
        match builder.program(&self.bundle.folder, source, self.directory, self.ordered) {
            Ok((order, port)) => Conclusion::ToBuild(Box::new(order), port),
            Err(problem) => Conclusion::Of(Build::Open(problem.into(), None)),
        }
    }

    /// How it is run where nothing was said about that. What builds images makes the difference: with
    /// it a compose file that builds comes first, then a Dockerfile; without it, what can be run from
    /// its source.
    fn conclude(
        &self,
        source: &Source,
        config: &EnvironmentConfig,
        builder: Option<Builder<'_>>,
    ) -> Conclusion {
        let Self {
            bundle,
            directory,
            ordered,
        } = *self;
        let source = source.known(&bundle.commit);
        if config.image.is_some() {
            let words = format!("branch {} is at {}", source.branch, bundle.commit);
            let step = Step::done("Configured", words);
            return Conclusion::Of(Build::Known(step, source, None));
        }
        let folder = &bundle.folder;
        let inventory = survey_at(folder, directory);
        let order = |builder| self.order(builder, &source);
        // Commands of the configuration are meant for the source.
        if let Some(builder) = builder.filter(|_| config.command.is_empty()) {
            if ordered.is_some() {
                return order(builder);
            }
            if builds_by_compose(folder, directory) {
                return Conclusion::Of(Build::Files(Kind::Compose));
            }
            if is_run_by_dockerfile(&inventory) && kind(folder, directory) != Some(Kind::Compose) {
                return order(builder);
            }
        }
        let port = config
            .ports
            .first()
            .and_then(|port| u16::try_from(port.container_port).ok());
        match detect(&inventory, port) {
            Ok(mut plan) => {
                let whole = (!directory.is_empty()).then(|| survey(folder));
                let whole = whole.as_ref().unwrap_or(&inventory);
                let alternatives = others(whole, &plan, config);
                if !config.command.is_empty() {
                    plan.start.words = shown(&config.command, &config.args);
                }
                let words = plan.told(&inventory);
                let found = Found { plan, alternatives };
                let step = Step::done("Detected", words);
                Conclusion::Of(Build::Known(step, source, Some(found)))
            }
            Err(error) => match (kind(folder, directory), builder, error) {
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
}

/// The ways to run a repository besides the one that is chosen, wherever in it they are.
fn others(whole: &Inventory, chosen: &Plan, config: &EnvironmentConfig) -> Vec<Alternative> {
    let told = alternatives(whole, chosen)
        .into_iter()
        .map(|it| Alternative {
            words: it.words,
            command: it.command,
            port: it.port.map(i32::from),
            path: Some(it.directory).filter(|directory| directory != "."),
        });
    let is_said = |it: &Alternative| {
        let command = it.command.as_ref();
        command.is_some_and(|command| config.command.last() == Some(command))
    };
    told.filter(|it| !is_said(it)).collect()
}

/// Whether a compose file in this directory builds what it runs, rather than bringing along
/// databases for work on the source.
fn builds_by_compose(folder: &Folder, directory: &str) -> bool {
    kind(folder, directory) == Some(Kind::Compose)
        && translate(
            Kind::Compose,
            folder,
            directory,
            &compose::Options::default(),
        )
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
        concluded_in("", files, builds)
    }

    fn concluded_in(
        directory: &str,
        files: &[(&str, &str)],
        builds: Option<&BuildSettings>,
    ) -> Conclusion {
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
        let place = Place {
            bundle: &bundle,
            directory,
            ordered: None,
        };
        place.conclude(&source, &EnvironmentConfig::default(), builder)
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
    fn a_part_of_a_workspace_is_run_with_what_its_root_installs() {
        let files = [
            ("package.json", r#"{ "workspaces": ["apps/*"] }"#),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
            (
                "apps/site/package.json",
                r#"{ "scripts": { "dev": "next dev", "storybook": "storybook dev" } }"#,
            ),
        ];
        let Conclusion::Of(Build::Known(_, _, Some(Found { plan, alternatives }))) =
            concluded_in("apps/site", &files, None)
        else {
            panic!("it is run from its source");
        };
        assert_eq!(plan.start.directory, "apps/site");
        let install = plan.install.unwrap();
        assert_eq!(install.directory, ".");
        assert_eq!(install.words, "pnpm install --frozen-lockfile");
        let told = &alternatives[0];
        assert_eq!(told.words, "pnpm run storybook");
        assert_eq!(told.path.as_deref(), Some("apps/site"));
        let command = told.command.as_deref().unwrap();
        assert!(command.contains("--host 0.0.0.0"), "{command}");
    }

    #[test]
    fn a_templates_path_is_the_folder_that_is_run_and_nothing_else_counts() {
        let program = ("package.json", r#"{ "scripts": { "dev": "vite" } }"#);
        let inner = (
            "apps/site/package.json",
            r#"{ "scripts": { "dev": "next dev" } }"#,
        );
        let dockerfile = ("Dockerfile", "FROM scratch\nEXPOSE 3000\n");
        let files = [program, inner, dockerfile];
        let Conclusion::Of(Build::Known(_, _, Some(Found { plan, alternatives }))) =
            concluded_in("apps/site", &files, None)
        else {
            panic!("it is run from its source");
        };
        assert_eq!(plan.start.directory, "apps/site");
        assert!(
            plan.install
                .is_none_or(|step| step.directory == "apps/site")
        );
        let told: Vec<_> = alternatives
            .iter()
            .map(|it| (&*it.words, &it.path))
            .collect();
        assert_eq!(told, [("npm run dev in the root", &None)]);
        let builds = BuildSettings {
            engine: Engine::Kaniko,
            image: "kaniko".to_owned(),
            registry: "registry.example.com".to_owned(),
            insecure: false,
        };
        let inner = ("apps/api/Dockerfile", "FROM scratch\nEXPOSE 4000\n");
        assert!(matches!(
            concluded_in("apps/api", &[program, inner], Some(&builds)),
            Conclusion::ToBuild(order, 4000)
                if order.context == "apps/api" && order.words == "apps/api/Dockerfile"
        ));
        let compose = ("apps/all/compose.yaml", "services: { web: { build: . } }\n");
        assert!(matches!(
            concluded_in("apps/all", &[program, compose], Some(&builds)),
            Conclusion::Of(Build::Files(Kind::Compose))
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
