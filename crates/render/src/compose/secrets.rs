//! Secrets of the preview as variables of a compose file.
//!
//! Their values are known to nobody who translates. Where `${NAME}` stands for one, a mark is put
//! in its place, which becomes a reference to the Secret that holds it once it is clear where it
//! has come to stand. A mark that a reference cannot replace is an error: the value must not stand
//! in an object.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::interpolate::Variables;
use super::service::SECRETS;
use crate::rendered::{BuildSpec, RenderError, Warning};

/// Characters that no text means anything by.
const BEGIN: char = '\u{e000}';
const END: char = '\u{e001}';
/// Begins the names of variables that hold what other variables are made of.
const PREFIX: &str = "CATALYST_SECRET_";

/// Lets `${NAME}` stand for secrets, where nothing else says what it stands for.
pub(super) fn mark(variables: &mut Variables, secrets: &BTreeSet<String>) {
    for name in secrets {
        variables
            .entry(name.clone())
            .or_insert_with(|| format!("{BEGIN}{name}{END}"));
    }
}

/// Makes the marks in a container's variables and commands references.
pub(super) fn settle(container: &mut Map<String, Value>, secrets: &BTreeSet<String>) {
    if secrets.is_empty() {
        return;
    }
    let mut used = BTreeSet::new();
    for variable in list(container.get_mut("env")) {
        let text = variable["value"].as_str().unwrap_or_default();
        if let Some(name) = whole(text, secrets) {
            *variable = reference(variable["name"].as_str().unwrap_or_default(), &name);
        } else {
            replace(&mut variable["value"], "$(", ")", secrets, &mut used);
        }
    }
    for key in ["command", "args"] {
        for word in list(container.get_mut(key)) {
            replace(word, "$(", ")", secrets, &mut used);
        }
    }
    // A probe's command is not given the container's variables, and a shell finds them.
    let check = container
        .get_mut("readinessProbe")
        .and_then(|probe| probe.pointer_mut("/exec/command"));
    if let [program, flag, script] = list(check)
        && program == "/bin/sh"
        && flag == "-c"
    {
        replace(script, "${", "}", secrets, &mut used);
    }
    if used.is_empty() {
        return;
    }
    let mut all: Vec<Value> = used
        .iter()
        .map(|name| reference(&format!("{PREFIX}{name}"), name))
        .collect();
    all.extend(list(container.get_mut("env")).iter().cloned());
    container.insert("env".to_owned(), Value::Array(all));
}

fn list(value: Option<&mut Value>) -> &mut [Value] {
    match value {
        Some(Value::Array(list)) => list,
        _ => &mut [],
    }
}

fn reference(variable: &str, secret: &str) -> Value {
    let key = json!({ "name": SECRETS, "key": secret, "optional": true });
    json!({ "name": variable, "valueFrom": { "secretKeyRef": key } })
}

/// The secret that a text is, and nothing besides.
fn whole(text: &str, secrets: &BTreeSet<String>) -> Option<String> {
    let name = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    secrets.get(name).cloned()
}

fn replace(
    value: &mut Value,
    before: &str,
    after: &str,
    secrets: &BTreeSet<String>,
    used: &mut BTreeSet<String>,
) {
    let Some(text) = value.as_str().filter(|text| text.contains(BEGIN)) else {
        return;
    };
    let mut text = text.to_owned();
    for name in secrets {
        let marked = format!("{BEGIN}{name}{END}");
        if text.contains(&marked) {
            text = text.replace(&marked, &format!("{before}{PREFIX}{name}{after}"));
            used.insert(name.clone());
        }
    }
    *value = Value::String(text);
}

/// Text for people: marks, quoted or not, as they stand in the file.
pub(super) fn plain(text: &str) -> String {
    let begin = BEGIN.escape_unicode().to_string();
    let end = END.escape_unicode().to_string();
    text.replace([BEGIN], "${")
        .replace([END], "}")
        .replace(&begin, "${")
        .replace(&end, "}")
}

/// An error or warning for people.
pub(super) fn plain_error(error: &RenderError) -> RenderError {
    RenderError::new(plain(&error.subject), plain(&error.message))
}

/// Refuses objects with a mark that became no reference, and takes out what builds would be given.
pub(super) fn check(
    objects: &[Value],
    builds: &mut [BuildSpec],
    warnings: &mut Vec<Warning>,
) -> Result<(), RenderError> {
    for object in objects {
        if let Some(text) = marked(object) {
            let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
            let subject = format!(
                "{} {}",
                kind.as_str().unwrap_or_default(),
                name.as_str().unwrap_or_default()
            );
            return Err(RenderError::new(
                plain(&subject),
                format!(
                    "{:?} holds a secret, which can only stand in environment, command, entrypoint and a \
                     healthcheck that is run by a shell",
                    plain(text).chars().take(100).collect::<String>()
                ),
            ));
        }
    }
    for build in builds {
        let name = &build.name;
        build.args.retain(|key, value| {
            let is_secret = value.contains(BEGIN);
            if is_secret {
                let message = format!("{key} is a secret, and not given to the build");
                warnings.push(Warning::new(
                    format!("service {name}: build: args"),
                    message,
                ));
            }
            !is_secret
        });
    }
    Ok(())
}

fn marked(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => text.contains(BEGIN).then_some(text),
        Value::Array(list) => list.iter().find_map(marked),
        Value::Object(map) => map.values().find_map(marked),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::Folder;
    use crate::compose::{Options, render};

    use super::*;

    fn rendered(service: &str) -> Result<Value, RenderError> {
        let file = format!("services: {{ web: {{ image: node, ports: ['80'], {service} }} }}\n");
        let options = Options {
            secrets: ["TOKEN", "PASSWORD"].map(ToOwned::to_owned).into(),
            ..Options::default()
        };
        let folder = Folder::of([("compose.yaml", file.as_str())]);
        let rendered = render(&folder, "", &options)?;
        assert_eq!(rendered.warnings, []);
        let web = rendered
            .objects
            .into_iter()
            .find(|object| object["kind"] == "Deployment");
        Ok(web.unwrap()["spec"]["template"]["spec"]["containers"][0].clone())
    }

    #[test]
    fn a_variable_that_is_a_secret_refers_to_it() {
        let container = rendered("environment: { KEY: '${TOKEN:?is needed}' }").unwrap();
        assert_eq!(container["env"], json!([reference("KEY", "TOKEN")]));
        let passed_on = rendered("environment: [TOKEN]").unwrap();
        assert_eq!(passed_on["env"], json!([reference("TOKEN", "TOKEN")]));
    }

    #[test]
    fn what_is_made_of_a_secret_is_put_together_where_it_runs() {
        let container = rendered(
            "environment: { URL: 'pg://u:${PASSWORD}@db/$$(x)' }, command: run --token $TOKEN, \
             healthcheck: { test: 'check ${TOKEN}' }",
        )
        .unwrap();
        assert_eq!(
            container["env"],
            json!([
                reference("CATALYST_SECRET_PASSWORD", "PASSWORD"),
                reference("CATALYST_SECRET_TOKEN", "TOKEN"),
                { "name": "URL", "value": "pg://u:$(CATALYST_SECRET_PASSWORD)@db/$$(x)" }
            ])
        );
        assert_eq!(
            container["args"],
            json!(["run", "--token", "$(CATALYST_SECRET_TOKEN)"])
        );
        assert_eq!(
            container["readinessProbe"]["exec"]["command"][2],
            "check ${CATALYST_SECRET_TOKEN}"
        );
    }

    #[test]
    fn a_secret_in_any_other_place_is_an_error_that_names_it() {
        for service in [
            "working_dir: '/${TOKEN}'",
            "mem_limit: $TOKEN",
            "labels: { a: $TOKEN }",
        ] {
            let error = rendered(service).unwrap_err().to_string();
            assert!(error.contains("${TOKEN}"), "{error}");
            assert!(!error.contains(BEGIN), "{error}");
        }
    }
}
