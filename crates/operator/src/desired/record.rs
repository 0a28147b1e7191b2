//! ConfigMaps in which the operator keeps what it would have to read Secrets for, so that a restart
//! forgets nothing.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;

use super::Target;

/// Which of the Environment's secrets its Secret holds.
pub const HELD_SECRETS: &str = "catalyst-held-secrets";
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

/// A version of an Environment's secrets, as far as it may be known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Which version.
    pub version: String,
    /// The secrets' names.
    pub names: BTreeSet<String>,
}

impl Held {
    /// Reads a record.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut words = text.split_whitespace().map(ToOwned::to_owned);
        Self {
            version: words.next().unwrap_or_default(),
            names: words.collect(),
        }
    }

    /// What a record of it says.
    #[must_use]
    pub fn text(&self) -> String {
        let names = self.names.iter().map(String::as_str);
        let words: Vec<_> = std::iter::once(self.version.as_str())
            .chain(names)
            .collect();
        words.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_what_was_written() {
        let held = Held {
            version: "0123".to_owned(),
            names: ["A_TOKEN", "B"].map(ToOwned::to_owned).into(),
        };
        assert_eq!(Held::read(&held.text()), held);
        assert_eq!(Held::read(""), Held::default());
    }
}
