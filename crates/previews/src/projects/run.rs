//! How a project's pull requests are run, where the repository does not tell it aright.

use catalyst_crd::config::EnvironmentConfig;
use catalyst_crd::project::Template;
use catalyst_crd::{ConditionType, Environment, EnvironmentStatus, Project};
use catalyst_model::names::team_namespace;
use catalyst_model::platform::{RunAlternative, RunOverride};
use catalyst_model::state::Role;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::create::DEVELOPMENT;
use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

/// The longest command or folder, in bytes.
const LONGEST: usize = 1000;
/// What reads a command that was typed.
const SHELL: [&str; 2] = ["sh", "-c"];

impl Previews {
    /// Keeps how a project's pull requests are run from then on; takes the role admin or owner in its
    /// team. What is empty is left to the repository again.
    ///
    /// # Errors
    /// `Invalid` names the field that is wrong; `Conflict` where the template says more than this.
    pub async fn override_run(
        &self,
        actor: &Actor,
        slug: &str,
        run: RunOverride,
    ) -> Result<(), Error> {
        let view = self.project_by_slug(actor, slug).await?;
        let (team, name) = (view.team.as_str(), view.name.as_str());
        actor.needs(Role::Admin, team, || {
            format!("saying how the project {name} is run")
        })?;
        let run = checked(run)?;
        let place = self.inner.places.get(view.cluster.as_deref())?;
        let projects = place.cluster.objects::<Project>();
        let namespace = team_namespace(team);
        let project = projects.get(&namespace, name).await?;
        let project = project.ok_or_else(|| Error::not_found("project", slug))?;
        if let Some(why) = project.spec.templates.get(DEVELOPMENT).and_then(fixed) {
            return Err(Error::Conflict(why));
        }
        projects.patch(&namespace, name, &change(&run)).await?;
        let details = json!({ "command": run.command, "port": run.port, "path": run.path });
        self.audit(actor, "project.run", &format!("{team}/{name}"), details)
            .await
    }
}

/// What the template says of it.
pub(crate) fn said(template: Option<&Template>) -> RunOverride {
    let none = EnvironmentConfig::default();
    let config = template.and_then(|it| it.config.as_ref()).unwrap_or(&none);
    let port = config.ports.first();
    RunOverride {
        command: match config.command.as_slice() {
            [] => None,
            [shell, flag, command] if [shell.as_str(), flag.as_str()] == SHELL => {
                Some(command.clone())
            }
            words => Some(words.join(" ")),
        },
        port: port.and_then(|port| u16::try_from(port.container_port).ok()),
        path: template.and_then(|it| it.path.clone()),
    }
}

/// Why it cannot be said in the dashboard: the template says more than what can be said there.
pub(crate) fn fixed(template: &Template) -> Option<String> {
    let names_image = template
        .config
        .as_ref()
        .is_some_and(|config| config.image.is_some());
    let what = match template.kind.as_str() {
        "managed" if names_image => "names an image".to_owned(),
        "managed" => return None,
        kind => format!("is of the type {kind}"),
    };
    Some(format!(
        "the Project's template {DEVELOPMENT} {what}: change it with kubectl"
    ))
}

/// What was found out lately of the repository of these Environments: the condition that says so, and the
/// status it stands in.
pub(crate) fn found<'a>(
    environments: impl Iterator<Item = &'a Environment>,
) -> Option<(&'a Condition, &'a EnvironmentStatus)> {
    let development = environments.filter(|it| it.spec.kind == DEVELOPMENT);
    let found = development.filter_map(|it| {
        let status = it.status.as_ref()?;
        let condition = status.condition(ConditionType::BuildReady)?;
        (condition.status == "True").then_some((condition, status))
    });
    found.max_by_key(|(condition, _)| condition.last_transition_time.0)
}

/// What else a team may say with one click.
pub(crate) fn alternatives(status: &EnvironmentStatus) -> Vec<RunAlternative> {
    let all = status.alternatives.iter().map(|it| RunAlternative {
        words: it.words.clone(),
        run: RunOverride {
            command: it.command.clone(),
            port: it.port.and_then(|port| u16::try_from(port).ok()),
            path: it.path.clone(),
        },
    });
    all.collect()
}

fn checked(run: RunOverride) -> Result<RunOverride, Error> {
    let text = |field: &'static str, text: Option<String>| {
        let text = text.map(|it| it.trim().to_owned());
        let text = text.filter(|it| !it.is_empty());
        match text {
            Some(long) if long.len() > LONGEST => Err(Error::Invalid {
                field,
                problem: format!("it is longer than {LONGEST} bytes"),
            }),
            Some(odd) if odd.chars().any(char::is_control) => Err(Error::Invalid {
                field,
                problem: "expected one line".to_owned(),
            }),
            text => Ok(text),
        }
    };
    let path = text("path", run.path)?;
    let leads_out = |path: &String| path.split('/').any(|part| part == "..");
    if path.as_ref().is_some_and(leads_out) {
        return Err(Error::Invalid {
            field: "path",
            problem: "it leads out of the repository".to_owned(),
        });
    }
    if run.port == Some(0) {
        return Err(Error::Invalid {
            field: "port",
            problem: "expected a number from 1 to 65535".to_owned(),
        });
    }
    Ok(RunOverride {
        command: text("command", run.command)?,
        port: run.port,
        path,
    })
}

/// The change of the Project, as a merge patch.
fn change(run: &RunOverride) -> Value {
    let command = run.command.as_ref().map(|it| [SHELL[0], SHELL[1], it]);
    let ports = run.port.map(|port| json!([{ "containerPort": port }]));
    json!({ "spec": { "templates": { DEVELOPMENT: {
        "type": "managed",
        "path": run.path,
        "config": { "command": command, "ports": ports },
    } } } })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run(command: &str, port: Option<u16>, path: &str) -> RunOverride {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RunOverride {
            command: text(command),
            port,
            path: text(path),
        }
    }

    fn template(text: &str) -> Template {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_was_said_is_read_back_as_it_was_typed() {
        let said_so = run("make dev && echo 'done'", Some(4000), "web");
        let patch = change(&said_so);
        let written = patch["spec"]["templates"][DEVELOPMENT].clone();
        let template: Template = serde_json::from_value(written).unwrap();
        assert_eq!(said(Some(&template)), said_so);
        assert_eq!(said(None), RunOverride::default());
    }

    #[test]
    fn what_is_left_empty_is_taken_away() {
        let patch = change(&checked(run(" ", None, "")).unwrap());
        let config = &patch["spec"]["templates"][DEVELOPMENT]["config"];
        assert_eq!(config, &json!({ "command": null, "ports": null }));
    }

    #[test]
    fn a_template_that_says_more_is_left_alone() {
        let managed = template(r#"{ "type": "managed", "config": { "command": ["a", "b"] } }"#);
        assert_eq!(fixed(&managed), None);
        assert_eq!(said(Some(&managed)).command.as_deref(), Some("a b"));
        for (text, why) in [
            (r#"{ "type": "helm", "path": "chart" }"#, "type helm"),
            (
                r#"{ "type": "managed", "config": { "image": "x" } }"#,
                "names an image",
            ),
        ] {
            let said = fixed(&template(text)).unwrap();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn odd_values_are_refused_by_their_field() {
        let long = "x".repeat(LONGEST + 1);
        for (odd, field) in [
            (run("a\nb", None, ""), "command"),
            (run(&long, None, ""), "command"),
            (run("", Some(0), ""), "port"),
            (run("", None, "../x"), "path"),
        ] {
            let error = checked(odd).unwrap_err();
            assert!(matches!(error, Error::Invalid { field: named, .. } if named == field));
        }
    }
}
