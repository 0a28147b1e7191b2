//! Secrets of previews: where they belong, what they may be called, and which one wins. Their
//! values are never part of what is shown.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The longest name.
pub const LONGEST_NAME: usize = 253;
/// The longest value, in characters.
pub const LONGEST_VALUE: usize = 10_000;
/// The longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 500;

/// Where a secret belongs. A later one in this order wins over an earlier one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "level", content = "of", rename_all = "lowercase")]
pub enum SecretLevel {
    /// All projects of the team.
    Team,
    /// All Environments of the project.
    Project,
    /// The project's Environments of this type, which is a template's name.
    Template(String),
    /// The project's Environment of this name.
    Environment(String),
}

impl SecretLevel {
    /// The level by its word, and what it is of, as forms send it.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(word: &str, of: &str) -> Result<Self, String> {
        let of = of.trim();
        let named = |level: fn(String) -> Self| match is_label(of) {
            true => Ok(level(of.to_owned())),
            false => Err(format!(
                "{of:?} is not a name: expected lower-case letters, digits and hyphens"
            )),
        };
        match word {
            "team" => Ok(Self::Team),
            "project" => Ok(Self::Project),
            "template" => named(Self::Template),
            "environment" => named(Self::Environment),
            other => Err(format!(
                "{other:?} is not a level: expected team, project, template or environment"
            )),
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Project => "project",
            Self::Template(_) => "template",
            Self::Environment(_) => "environment",
        }
    }

    /// The template's or the Environment's name.
    #[must_use]
    pub fn of(&self) -> Option<&str> {
        match self {
            Self::Team | Self::Project => None,
            Self::Template(of) | Self::Environment(of) => Some(of),
        }
    }

    /// Whether an Environment of this type and name gets secrets of this level.
    #[must_use]
    pub fn applies(&self, template: &str, environment: &str) -> bool {
        match self {
            Self::Team | Self::Project => true,
            Self::Template(of) => of == template,
            Self::Environment(of) => of == environment,
        }
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

/// A secret as it may be shown: without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Where it belongs.
    pub level: SecretLevel,
    /// The environment variable.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// The login of whoever wrote it.
    pub updated_by: String,
}

/// Of secrets at several levels, those that an Environment of this type and name gets: for each
/// name the one at the last level.
pub fn effective<'a, T>(
    all: &'a [T],
    template: &str,
    environment: &str,
    at: impl Fn(&'a T) -> (&'a SecretLevel, &'a str),
) -> BTreeMap<&'a str, &'a T> {
    let mut chosen: BTreeMap<&str, &T> = BTreeMap::new();
    for secret in all {
        let (level, name) = at(secret);
        if !level.applies(template, environment) {
            continue;
        }
        let wins = chosen.get(name).is_none_or(|other| at(*other).0 <= level);
        if wins {
            chosen.insert(name, secret);
        }
    }
    chosen
}

/// Whether this can be a secret's name: an environment variable's.
///
/// # Errors
/// What would be right.
pub fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_uppercase() || b == b'_');
    let rest = bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if first && rest && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!(
        "expected upper-case letters, digits and underscores, not beginning with a digit, at most {LONGEST_NAME} of them"
    ))
}

/// Whether this can be a secret's value. What is wrong is said without the value.
///
/// # Errors
/// What would be right.
pub fn check_value(value: &str) -> Result<(), String> {
    let length = value.chars().count();
    if value.contains('\0') {
        return Err("an environment variable cannot hold a NUL character".to_owned());
    }
    if (1..=LONGEST_VALUE).contains(&length) {
        return Ok(());
    }
    Err(format!(
        "expected 1 to {LONGEST_VALUE} characters, got {length}"
    ))
}

/// Whether this can be a secret's description.
///
/// # Errors
/// What would be right.
pub fn check_description(description: &str) -> Result<(), String> {
    let length = description.chars().count();
    if length <= LONGEST_DESCRIPTION {
        return Ok(());
    }
    Err(format!(
        "expected at most {LONGEST_DESCRIPTION} characters, got {length}"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_environment_variables() {
        for good in ["A", "_", "API_KEY", "_X9", &"A".repeat(253)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "9A",
            "a",
            "A-B",
            "A B",
            "A\n",
            "Ä",
            "A=B",
            &"A".repeat(254),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_has_1_to_10000_characters() {
        for good in ["x", " ", "two\nlines", &"ä".repeat(10_000)] {
            assert!(check_value(good).is_ok());
        }
        for bad in ["", "a\0b", &"x".repeat(10_001)] {
            let problem = check_value(bad).unwrap_err();
            assert!(bad.is_empty() || !problem.contains(bad), "{problem}");
        }
        assert!(check_description(&"ä".repeat(500)).is_ok());
        assert!(check_description(&"x".repeat(501)).is_err());
    }

    #[test]
    fn the_nearest_level_wins() {
        let at = |level: SecretLevel, name: &'static str| (level, name);
        let template = |of: &str| SecretLevel::Template(of.to_owned());
        let environment = |of: &str| SecretLevel::Environment(of.to_owned());
        let all = [
            at(environment("preview-7"), "A"),
            at(SecretLevel::Team, "A"),
            at(template("development"), "A"),
            at(SecretLevel::Project, "A"),
            at(SecretLevel::Project, "B"),
            at(template("development"), "B"),
            at(SecretLevel::Team, "C"),
            at(template("production"), "D"),
            at(environment("preview-8"), "E"),
        ];
        let levels = |template: &str, environment: &str| -> Vec<String> {
            effective(&all, template, environment, |it| (&it.0, it.1))
                .into_iter()
                .map(|(name, it)| format!("{name} {}", it.0.word()))
                .collect()
        };
        assert_eq!(
            levels("development", "preview-7"),
            ["A environment", "B template", "C team"]
        );
        assert_eq!(
            levels("development", "preview-9"),
            ["A template", "B template", "C team"]
        );
        assert_eq!(
            levels("production", "preview-8"),
            [
                "A project",
                "B project",
                "C team",
                "D template",
                "E environment"
            ]
        );
    }

    #[test]
    fn a_level_is_read_from_its_word() {
        assert_eq!(SecretLevel::parse("team", "").unwrap(), SecretLevel::Team);
        assert_eq!(
            SecretLevel::parse("environment", "preview-7").unwrap(),
            SecretLevel::Environment("preview-7".into())
        );
        for (word, of) in [
            ("template", ""),
            ("environment", "A b"),
            ("all", ""),
            ("", ""),
        ] {
            assert!(SecretLevel::parse(word, of).is_err(), "{word} {of}");
        }
    }
}
