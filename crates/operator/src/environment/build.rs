//! Which commit of which repository is run and how, where the configuration does not say: told from
//! what the repository holds.

use catalyst_crd::EnvironmentConfig;
use catalyst_render::Bundle;
use catalyst_render::detect::{Plan, Undetected, detect, survey};
use jiff::Timestamp;

use super::inspection::{Seen, inspect};
use super::progress::Step;
use crate::context::Context;
use crate::desired::{Source, Target};
use crate::error::Error;

/// What is known before the workload is made.
pub(super) struct Build {
    /// The condition's step.
    pub step: Step,
    /// With the step done: the source at its commit, and the plan where one was needed.
    pub known: Option<(Source, Option<Plan>)>,
    /// When to look again.
    pub look_again: Option<Timestamp>,
}

impl Build {
    fn open(step: Step) -> Self {
        Self {
            step,
            known: None,
            look_again: None,
        }
    }
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
        return Ok(Build {
            step: Step::done(
                "Configured",
                format!("the configuration names the image {image}"),
            ),
            known: Some((source.clone(), None)),
            look_again: None,
        });
    }
    Ok(
        match inspect(context, target, source, "", retry, now).await? {
            Seen::Known(bundle) => conclude(&bundle, source, config),
            Seen::Open(step, look_again) => Build {
                step,
                known: None,
                look_again,
            },
        },
    )
}

fn conclude(bundle: &Bundle, source: &Source, config: &EnvironmentConfig) -> Build {
    let commit = &bundle.commit;
    let source = source
        .commit()
        .map_or_else(|| source.at(commit), |_| source.clone());
    if config.image.is_some() {
        return Build {
            step: Step::done(
                "Configured",
                format!("branch {} is at {commit}", source.branch),
            ),
            known: Some((source, None)),
            look_again: None,
        };
    }
    let port = config
        .ports
        .first()
        .and_then(|port| u16::try_from(port.container_port).ok());
    match detect(&survey(&bundle.folder), port) {
        Ok(plan) => Build {
            step: Step::done("Detected", plan.words()),
            known: Some((source, Some(plan))),
            look_again: None,
        },
        Err(error @ Undetected::NeedsImageBuild(_)) => {
            Build::open(Step::failed("NeedsImageBuild", error.to_string()))
        }
        Err(error) => Build::open(Step::failed("NotRecognised", error.to_string())),
    }
}
