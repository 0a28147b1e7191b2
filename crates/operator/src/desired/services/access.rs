//! How a service is let into: generated credentials, given ones, or none.

use std::collections::BTreeMap;
use std::fmt::Write;

use catalyst_crd::config::ManagedService;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, Secret, SecretKeySelector};

use super::preset::{Client, Preset};
use super::{literal, port};
use crate::desired::config::merge_variables;
use crate::desired::{Target, variable};

/// The keys of the Secret that the workload reads.
const PASSWORD: &str = "password";
const URL: &str = "url";

/// Who decides how a service is let into.
#[derive(Debug, PartialEq, Eq)]
enum Access<'a> {
    /// Anybody in the namespace is let in.
    Open,
    /// By a password that Catalyst makes up.
    Generated,
    /// By one that the configuration spells out.
    Given(&'a str),
    /// The configuration's own affair.
    Own,
}

fn access(service: &ManagedService) -> Access<'_> {
    let Some(preset) = Preset::of(service) else {
        return Access::Own;
    };
    let env = &service.container.env;
    let says = |name: &&str| env.iter().any(|variable| variable.name == *name);
    if preset.own.iter().any(&says) {
        return Access::Own;
    }
    if preset.passwords.is_empty() {
        return Access::Open;
    }
    // What is taken from elsewhere is not known here.
    let names = [
        preset.user.map(|(name, _)| name),
        preset.database.map(|(name, _)| name),
    ];
    let elsewhere = |name: &&str| says(name) && spelt_out(env, name).is_none();
    if names
        .iter()
        .flatten()
        .chain(preset.passwords)
        .any(elsewhere)
    {
        return Access::Own;
    }
    let given = preset
        .passwords
        .iter()
        .find_map(|name| spelt_out(env, name));
    given.map_or(Access::Generated, Access::Given)
}

/// A value that is no reference, whole or in part.
fn spelt_out<'a>(env: &'a [EnvVar], name: &str) -> Option<&'a str> {
    literal(env, name).filter(|text| !text.contains("$("))
}

/// Whether a variable of the configuration holds a password in plain text. It is moved into the
/// Secret, so that no other object has it.
fn is_moved(service: &ManagedService, variable: &EnvVar) -> bool {
    let is_password = match access(service) {
        Access::Given(_) => Preset::of(service)
            .is_some_and(|preset| preset.passwords.contains(&variable.name.as_str())),
        Access::Own => variable.name.ends_with("PASSWORD"),
        Access::Open | Access::Generated => false,
    };
    is_password && spelt_out(std::slice::from_ref(variable), &variable.name).is_some()
}

/// Whether its password is made up here: once, as it is in the database from then on.
#[must_use]
pub fn is_generated(service: &ManagedService) -> bool {
    access(service) == Access::Generated
}

/// Whether a preset's own way in is used, rather than the configuration's.
pub(super) fn is_ours(service: &ManagedService) -> bool {
    access(service) != Access::Own
}

/// The name of [`credentials`].
#[must_use]
pub fn secret_name(service: &ManagedService) -> String {
    format!("{}-credentials", service.name)
}

/// Secret `<name>-credentials`: the password, generated or given, with the address that has it; and
/// what the configuration spells out besides. None where there is nothing to keep.
#[must_use]
pub fn credentials(target: &Target, service: &ManagedService, generated: &str) -> Option<Secret> {
    let mut data: BTreeMap<String, String> = service
        .container
        .env
        .iter()
        .filter(|variable| is_moved(service, variable))
        .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
        .collect();
    let password = match access(service) {
        Access::Generated => Some(generated),
        Access::Given(password) => Some(password),
        Access::Open | Access::Own => None,
    };
    if let (Some(password), Some(preset)) = (password, Preset::of(service)) {
        data.insert(PASSWORD.to_owned(), password.to_owned());
        data.insert(URL.to_owned(), url(service, preset, Some(password)));
        let login = [
            ("username", user(service, preset)),
            ("database", database(service, preset)),
        ];
        for (key, value) in login {
            data.extend(value.map(|value| (key.to_owned(), value.to_owned())));
        }
    }
    let data = data
        .into_iter()
        .map(|(key, value)| (key, ByteString(value.into_bytes())));
    let data: BTreeMap<_, _> = data.collect();
    (!data.is_empty()).then(|| Secret {
        metadata: target.meta(&secret_name(service)),
        data: Some(data),
        ..Secret::default()
    })
}

/// Whether a StatefulSet was made with credentials of ours.
#[must_use]
pub fn has_credentials(set: &StatefulSet, service: &ManagedService) -> bool {
    let name = secret_name(service);
    let pod = set
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let variables = pod
        .into_iter()
        .flat_map(|pod| &pod.containers)
        .flat_map(|container| container.env.iter().flatten());
    variables
        .filter_map(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref())
        .any(|key| key.name == name && key.key == PASSWORD)
}

/// What the container is told.
pub(super) fn variables_of_container(
    service: &ManagedService,
    preset: Option<&'static Preset>,
) -> Vec<EnvVar> {
    let mut env = Vec::new();
    match preset {
        Some(preset) => {
            let plain = |pairs: &[(&str, &str)]| -> Vec<EnvVar> {
                let pairs = pairs.iter().map(|(name, value)| variable(name, *value));
                pairs.collect()
            };
            env.extend(plain(preset.env));
            let access = access(service);
            if access == Access::Open {
                env.extend(plain(preset.open));
            }
            if matches!(access, Access::Generated | Access::Given(_)) {
                let of_secret = |name: &&str| from_secret(name, service, PASSWORD);
                env.extend(preset.passwords.iter().map(of_secret));
                env.extend(preset.user.map(|(name, user)| variable(name, user)));
                env.extend(
                    preset
                        .database
                        .and_then(|(name, _)| Some(variable(name, database(service, preset)?))),
                );
            } else if let (Some((name, _)), Some(said)) = (preset.database, said_database(service))
            {
                env.push(variable(name, said));
            }
        }
        None if service.storage.is_some()
            && matches!(service.name.as_str(), "postgres" | "postgresql") =>
        {
            env.push(variable("PGDATA", super::postgres::DATA));
        }
        None => {}
    }
    let given: Vec<_> = service
        .container
        .env
        .iter()
        .map(|variable| match is_moved(service, variable) {
            true => from_secret(&variable.name, service, &variable.name),
            false => variable.clone(),
        })
        .collect();
    merge_variables(env, &given)
}

/// What the workload is told about its services: the address of each by its name, of the first of
/// each kind by the kind's, and of the first database as `DATABASE_URL`. Only of those whose
/// password is known here, or that ask for none.
#[must_use]
pub fn variables(services: &[ManagedService]) -> Vec<EnvVar> {
    let mut all: Vec<EnvVar> = Vec::new();
    let mut add = |name: &str, service: &ManagedService, preset: &Preset| {
        if all.iter().any(|known| known.name == name) {
            return;
        }
        match access(service) {
            Access::Own => {}
            Access::Open => all.push(variable(name, url(service, preset, None))),
            Access::Generated | Access::Given(_) => all.push(from_secret(name, service, URL)),
        }
    };
    let known: Vec<_> = services
        .iter()
        .filter_map(|service| Some((service, Preset::of(service)?)))
        .collect();
    if let Some((service, preset)) = known.iter().find(|(_, preset)| preset.is_database) {
        add("DATABASE_URL", service, preset);
    }
    for (service, preset) in &known {
        add(preset.variable, service, preset);
    }
    for (service, preset) in &known {
        let name = service.name.to_ascii_uppercase().replace(['-', '.'], "_");
        add(&format!("{name}_URL"), service, preset);
    }
    all
}

/// Whether dumps can be loaded into it.
#[must_use]
pub fn is_restored(service: &ManagedService) -> bool {
    Preset::of(service).is_some_and(|preset| preset.client.is_some())
}

/// The name of the client that loads dumps into it, and what that is told.
#[must_use]
pub fn client(service: &ManagedService) -> Option<(&'static str, Vec<EnvVar>)> {
    let preset = Preset::of(service)?;
    let Client { name, env } = preset.client.as_ref()?;
    let served = variables_of_container(service, Some(preset));
    let mut all = vec![
        variable("RESTORE_HOST", &service.name),
        variable("RESTORE_PORT", port(service)?.to_string()),
    ];
    all.extend(env.iter().filter_map(|(client, server)| {
        let known = served.iter().find(|variable| variable.name == *server)?;
        Some(EnvVar {
            name: (*client).to_owned(),
            ..known.clone()
        })
    }));
    Some((name, all))
}

/// The database that the configuration names.
fn said_database(service: &ManagedService) -> Option<&str> {
    service.database.as_deref().filter(|name| !name.is_empty())
}

/// Who is let in.
fn user<'a>(service: &'a ManagedService, preset: &Preset) -> Option<&'a str> {
    let (name, user) = preset.user?;
    Some(literal(&service.container.env, name).unwrap_or(user))
}

/// The database that there is: the variable counts, as the container's image reads that.
fn database<'a>(service: &'a ManagedService, preset: &Preset) -> Option<&'a str> {
    let Some((name, database)) = preset.database else {
        return said_database(service);
    };
    literal(&service.container.env, name)
        .or_else(|| said_database(service))
        .or(database)
        .or_else(|| user(service, preset))
}

/// Where the service is reached.
fn url(service: &ManagedService, preset: &Preset, password: Option<&str>) -> String {
    let mut url = format!("{}://", preset.scheme);
    if let Some(password) = password {
        let user = user(service, preset).unwrap_or_default();
        url.push_str(&format!("{}:{}@", encoded(user), encoded(password)));
    }
    url.push_str(&service.name);
    if let Some(port) = port(service) {
        url.push_str(&format!(":{port}"));
    }
    if let Some(database) = database(service, preset) {
        url.push_str(&format!("/{}", encoded(database)));
    }
    url
}

/// Text as a part of a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

fn from_secret(name: &str, service: &ManagedService, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret_name(service),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}
