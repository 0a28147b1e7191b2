//! Which commit of which repository is run and how, where the configuration does not say: told from
//! what the repository holds.

use catalyst_crd::EnvironmentConfig;
use catalyst_render::Bundle;
use catalyst_render::detect::{Plan, Undetected, detect, survey};
use catalyst_render::source::{Kind, kind};
use jiff::Timestamp;

use super::inspection::{Seen, inspect};
use super::progress::Step;
use crate::context::Context;
use crate::desired::{Source, Target};
use crate::error::Error;

/// What is known before the workload is made.
pub(super) enum Build {
    /// The source at its commit, and the plan where one was needed.
    Known(Step, Source, Option<Plan>),
    /// The repository holds files that say what is to be deployed.
    Files(Kind),
    /// Nothing yet, or nothing at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

/// Finds it out, by way of a look at the repository where it is not known yet.
pub(super) async fn build(
    context: &Context,
    target: &Target,
    source: &Source,
    config: &EnvironmentConfig,
    retry: Option<&str>,
    now: Timestamp,
) -> Result<Build, Error> {
    if let Some(image) = config.image.as_deref()
        && source.commit().is_some()
    {
        let words = format!("the configuration names the image {image}");
        return Ok(Build::Known(
            Step::done("Configured", words),
            source.clone(),
            None,
        ));
    }
    Ok(
        match inspect(context, target, source, "", retry, now).await? {
            Seen::Known(bundle) => conclude(&bundle, source, config),
            Seen::Open(step, look_again) => Build::Open(step, look_again),
        },
    )
}

fn conclude(bundle: &Bundle, source: &Source, config: &EnvironmentConfig) -> Build {
    let source = source.known(&bundle.commit);
    if config.image.is_some() {
        let words = format!("branch {} is at {}", source.branch, bundle.commit);
        return Build::Known(Step::done("Configured", words), source, None);
    }
    let port = config
        .ports
        .first()
        .and_then(|port| u16::try_from(port.container_port).ok());
    match detect(&survey(&bundle.folder), port) {
        Ok(plan) => {
            let words = plan.words();
            Build::Known(Step::done("Detected", words), source, Some(plan))
        }
        Err(error) => match (kind(&bundle.folder, ""), error) {
            (Some(kind), _) => Build::Files(kind),
            (None, error @ Undetected::NeedsImageBuild(_)) => {
                Build::Open(Step::failed("NeedsImageBuild", error.to_string()), None)
            }
            (None, error) => Build::Open(Step::failed("NotRecognised", error.to_string()), None),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use catalyst_render::Folder;

    use super::*;
    use crate::desired::Reference;
    use crate::repository::Repository;

    fn concluded(files: &[(&str, &str)]) -> Build {
        let bundle = Bundle {
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            folder: Folder::of(files.iter().copied()),
        };
        let source = Source {
            name: "primary".to_owned(),
            repository: Repository::parse("https://github.com/acme/shop", false).unwrap(),
            reference: Reference::Newest,
            branch: "main".to_owned(),
            pull_request: None,
            installation: None,
        };
        conclude(&bundle, &source, &EnvironmentConfig::default())
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
