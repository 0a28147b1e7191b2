//! How Catalyst names what it makes in a cluster.
//!
//! A team has the namespace `<team>`, a project `<team>-<project>`, and an environment
//! `<team>-<project>-<environment>`; every name is a DNS-1123 label of at most 63 characters.

use sha2::{Digest, Sha256};

pub use crate::memorable::memorable_environment_name;

use crate::ids::{CommitSha, PullRequestNumber, RepositoryName};

/// The longest DNS-1123 label, and so the longest namespace.
pub const MAX_LABEL: usize = 63;

/// Characters kept of a name that is too long, before its hash.
const KEPT: usize = 57;

/// Whether `text` is a DNS-1123 label (RFC 1123, as Kubernetes checks namespaces).
#[must_use]
pub fn is_dns_1123_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// One component of a name: lower case; every run of other characters than `[a-z0-9]` becomes
/// one hyphen; no hyphen at either end.
#[must_use]
pub fn sanitize_component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}

/// Joins sanitized components with hyphens, leaving out the empty ones.
///
/// A result over 63 characters is cut to its first 57, trailing hyphens trimmed, with a hyphen and
/// the first five hexadecimal digits of the whole name's SHA-256 added, so that two long names
/// with a common beginning stay apart.
#[must_use]
pub fn join_components(components: &[&str]) -> String {
    let joined = components
        .iter()
        .map(|c| sanitize_component(c))
        .filter(|c| !c.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    shorten(joined)
}

fn shorten(name: String) -> String {
    if name.len() <= MAX_LABEL {
        return name;
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    format!("{}-{}", name[..KEPT].trim_end_matches('-'), &hash[..5])
}

/// The namespace that holds a team's Projects.
#[must_use]
pub fn team_namespace(team: &str) -> String {
    join_components(&[team])
}

/// The namespace that holds a project's Environments.
#[must_use]
pub fn project_namespace(team: &str, project: &str) -> String {
    join_components(&[team, project])
}

/// The namespace that an environment's workloads run in.
#[must_use]
pub fn environment_namespace(team: &str, project: &str, environment: &str) -> String {
    join_components(&[team, project, environment])
}

/// The name of a pull request's Environment: `preview-<n>` for the project's first repository,
/// `preview-<repository>-<n>` for its others, so that equal numbers never meet.
#[must_use]
pub fn preview_environment_name(
    repository: &RepositoryName,
    first_of_project: bool,
    number: PullRequestNumber,
) -> String {
    if first_of_project {
        format!("preview-{number}")
    } else {
        join_components(&["preview", repository.name(), &number.to_string()])
    }
}

/// The older name of a pull request's namespace, `pr-<repository>-<n>`, at most 63 characters by
/// cutting the repository's part. Kept for scripts that compute it.
#[must_use]
pub fn pull_request_namespace(repository: &str, number: PullRequestNumber) -> String {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let suffix = format!("-{number}");
    let room = MAX_LABEL - "pr-".len() - suffix.len();
    let mut name = sanitize_component(name);
    name.truncate(room);
    format!("pr-{}{suffix}", name.trim_end_matches('-'))
}

/// The image tag of a pull request's commit: `pr-<n>-<first seven digits>`.
#[must_use]
pub fn image_tag(number: PullRequestNumber, commit: &CommitSha) -> String {
    format!("pr-{number}-{}", commit.short())
}

/// A label's value as Kubernetes accepts it: `/` and `:` become `-`, other characters outside
/// `[A-Za-z0-9._-]` are left out, at most 63 characters, a letter or digit at both ends.
#[must_use]
pub fn label_value(text: &str) -> String {
    let ends = |c: char| !c.is_ascii_alphanumeric();
    let kept: String = text
        .chars()
        .map(|c| if matches!(c, '/' | ':') { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        .collect();
    let kept = kept.trim_start_matches(ends);
    kept[..kept.len().min(MAX_LABEL)]
        .trim_end_matches(ends)
        .to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn components_are_lowered_collapsed_and_trimmed() {
        for (text, expected) in [
            ("Feature/Login_Page", "feature-login-page"),
            ("--a--b--", "a-b"),
            ("Ünïcode", "n-code"),
            ("///", ""),
        ] {
            assert_eq!(sanitize_component(text), expected, "{text}");
        }
        assert_eq!(join_components(&["acme", "", "shop"]), "acme-shop");
    }

    #[test]
    fn long_names_end_in_a_hash_of_the_whole() {
        for (parts, expected) in [
            (
                [
                    "my-super-long-team-name",
                    "my-super-long-project-name",
                    "feature-very-long-branch-name",
                ],
                "my-super-long-team-name-my-super-long-project-name-featur-f61d3",
            ),
            (
                [
                    "my-super-long-team-name",
                    "my-super-long-project-name",
                    "feature-branch-name-1",
                ],
                "my-super-long-team-name-my-super-long-project-name-featur-42486",
            ),
            (
                [
                    "my-super-long-team-name",
                    "my-super-long-project-name",
                    "feature-branch-name-2",
                ],
                "my-super-long-team-name-my-super-long-project-name-featur-707ce",
            ),
            (
                [
                    "long-team-name-that-is-quite-lengthy",
                    "long-project-name-that-is-also-quite-lengthy",
                    "long-environment-name",
                ],
                "long-team-name-that-is-quite-lengthy-long-project-name-th-b4f86",
            ),
        ] {
            let name = join_components(&parts);
            assert_eq!(name, expected);
            assert!(is_dns_1123_label(&name));
        }
    }

    #[test]
    fn equal_numbers_of_two_repositories_never_meet() {
        let number = PullRequestNumber::try_from(42).unwrap();
        let repository: RepositoryName = "acme/Web_App".parse().unwrap();
        assert_eq!(
            preview_environment_name(&repository, true, number),
            "preview-42"
        );
        assert_eq!(
            preview_environment_name(&repository, false, number),
            "preview-web-app-42"
        );
    }

    #[test]
    fn the_older_namespace_keeps_its_number_whole() {
        let number = PullRequestNumber::try_from(12345).unwrap();
        assert_eq!(
            pull_request_namespace("acme/My.Repo", number),
            "pr-my-repo-12345"
        );
        let long = pull_request_namespace(&"x".repeat(100), number);
        assert!(is_dns_1123_label(&long) && long.ends_with("-12345") && long.len() == 63);
    }

    #[test]
    fn label_values_keep_what_kubernetes_accepts() {
        assert_eq!(label_value("feature/login:v2"), "feature-login-v2");
        assert_eq!(label_value("--$(id) ünïx."), "idnx");
        assert_eq!(label_value(&"a/".repeat(80)).len(), 63);
        assert_eq!(label_value("///"), "");
    }
}
