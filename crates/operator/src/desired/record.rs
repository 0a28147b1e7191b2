//! ConfigMaps in which the operator keeps what it would have to read Secrets for, so that a restart
//! forgets nothing.

use k8s_openapi::api::core::v1::ConfigMap;

use super::Target;

/// Which version of the Environment's secrets its Secret holds.
pub const SECRETS_VERSION: &str = "catalyst-secrets-version";
/// The names of the Secrets that the repository's files made.
pub const RENDERED_SECRETS: &str = "catalyst-rendered-secrets";

const KEY: &str = "is";

/// The record of this name.
#[must_use]
pub fn record(target: &Target, name: &str, text: &str) -> ConfigMap {
    ConfigMap {
        metadata: target.meta(name),
        data: Some([(KEY.to_owned(), text.to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// What a record says.
#[must_use]
pub fn recorded(record: &ConfigMap) -> &str {
    let text = record.data.as_ref().and_then(|data| data.get(KEY));
    text.map(String::as_str).unwrap_or_default()
}
