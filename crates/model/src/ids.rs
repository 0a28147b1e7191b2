//! Validated identifiers. A value of one of these types is well-formed: check once, at the edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not a full Git commit id.
    #[error("{0:?} is not a commit id: expected 40 lower-case hexadecimal digits")]
    CommitSha(String),
    /// Not `owner/name`.
    #[error("{0:?} is not a repository: expected OWNER/NAME as GitHub spells it")]
    Repository(String),
    /// Zero, which GitHub never assigns.
    #[error("a pull request number starts at 1")]
    PullRequestNumber,
    /// Not a DNS-1123 label.
    #[error(
        "{0:?} is not a usable name: expected 1 to 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit"
    )]
    Label(String),
}

/// Texts as they arrive are shown in errors cut to this many characters.
const SHOWN: usize = 80;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

/// A full Git commit id: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);
text_newtype!(CommitSha);

impl CommitSha {
    /// The first seven digits, as people write a commit.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for CommitSha {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 40 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::CommitSha(shown(text)))
        }
    }
}

/// A repository's full name on GitHub, `owner/name`, in the spelling it was given.
///
/// GitHub compares these without regard to case; [`RepositoryName::key`] is the form to compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(String);
text_newtype!(RepositoryName);

impl RepositoryName {
    /// The part before the slash.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }

    /// Lower-cased: equal for two spellings of one repository.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Reads `owner/name` off the end of a clone URL such as
    /// `https://github.com/owner/name.git` or `git@github.com:owner/name`.
    #[must_use]
    pub fn from_clone_url(url: &str) -> Option<Self> {
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix(".git").unwrap_or(url);
        let mut parts = url.rsplit(['/', ':']);
        let (name, owner) = (parts.next()?, parts.next()?);
        format!("{owner}/{name}").parse().ok()
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // GitHub's rules: owners are letters, digits and hyphens up to 39 characters; names may
        // also hold dots and underscores, up to 100 characters, and are never "." or "..".
        let owner_ok = |s: &str| {
            !s.is_empty()
                && s.len() <= 39
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let name_ok = |s: &str| {
            !s.is_empty()
                && s.len() <= 100
                && s != "."
                && s != ".."
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if owner_ok(owner) && name_ok(name) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId::Repository(shown(text))),
        }
    }
}

/// A pull request's number within its repository, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PullRequestNumber(u64);

impl PullRequestNumber {
    /// The number itself.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for PullRequestNumber {
    type Error = InvalidId;
    fn try_from(number: u64) -> Result<Self, InvalidId> {
        if number == 0 || number > i64::MAX as u64 {
            Err(InvalidId::PullRequestNumber)
        } else {
            Ok(Self(number))
        }
    }
}

impl From<PullRequestNumber> for u64 {
    fn from(number: PullRequestNumber) -> u64 {
        number.0
    }
}

impl fmt::Display for PullRequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A DNS-1123 label: what Kubernetes accepts as a namespace, and Catalyst as a team's or
/// project's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);
text_newtype!(Label);

impl FromStr for Label {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if crate::names::is_dns_1123_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::Label(shown(text)))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_forty_lower_case_hex_digits_and_nothing_else() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(sha.parse::<CommitSha>().unwrap().short(), "0123456");
        for bad in [
            "",
            "HEAD",
            "0123456",
            &sha.to_uppercase(),
            &format!("{sha}0"),
            "$(id)",
        ] {
            assert!(bad.parse::<CommitSha>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        let repository: RepositoryName = "Acme/store.front_2".parse().unwrap();
        assert_eq!(
            (repository.owner(), repository.name()),
            ("Acme", "store.front_2")
        );
        assert_eq!(repository.key(), "acme/store.front_2");
        for bad in [
            "acme",
            "acme/",
            "/x",
            "a/b/c",
            "acme/..",
            "acme/$(id)",
            "a b/c",
            "acme/x\n",
        ] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_clone_url_ends_in_its_repository() {
        for url in [
            "https://github.com/acme/shop.git",
            "https://github.com/acme/shop/",
            "git@github.com:acme/shop.git",
            "file:///srv/git/acme/shop",
        ] {
            assert_eq!(
                RepositoryName::from_clone_url(url).unwrap().as_str(),
                "acme/shop",
                "{url}"
            );
        }
        assert_eq!(RepositoryName::from_clone_url("nonsense"), None);
    }

    #[test]
    fn identifiers_are_checked_when_they_are_read_from_json() {
        assert!(serde_json::from_str::<PullRequestNumber>("0").is_err());
        assert!(serde_json::from_str::<CommitSha>("\"main\"").is_err());
        assert_eq!(
            serde_json::from_str::<PullRequestNumber>("7")
                .unwrap()
                .get(),
            7
        );
    }
}
