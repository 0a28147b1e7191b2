//! What a preview by hand may be made of: pure checks, with answers for people.

use catalyst_model::ids::{CommitSha, Label};
use catalyst_model::names::sanitize_component;
use catalyst_store::Repository;

use super::NewManualPreview;
use crate::error::Error;
use crate::projects::check_branch;

/// The longest name of an Environment: the namespace's name has to hold those of team and project
/// too.
const LONGEST_NAME: usize = 40;

/// A preview whose parts are all well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub branch: String,
    pub commit: Option<CommitSha>,
    pub image: Option<String>,
    pub port: Option<u16>,
    pub name: Option<Label>,
}

/// Checks every field. An empty text is as good as none: forms send those.
///
/// # Errors
/// [`Error::Invalid`] names the first field that is wrong and what would be right.
pub(super) fn check(new: NewManualPreview, repository: &Repository) -> Result<Checked, Error> {
    let given = |text: Option<String>| {
        let text = text.map(|it| it.trim().to_owned());
        text.filter(|it| !it.is_empty())
    };
    let invalid = |field, problem: String| Error::Invalid { field, problem };
    let branch = given(new.branch).unwrap_or_else(|| repository.branch.clone());
    check_branch(&branch).map_err(|problem| invalid("branch", problem))?;
    let commit: Option<CommitSha> = given(new.commit)
        .map(|text| text.to_ascii_lowercase().parse())
        .transpose()
        .map_err(|e: catalyst_model::ids::InvalidId| invalid("commit", e.to_string()))?;
    let image = given(new.image);
    if let Some(image) = &image {
        check_image(image).map_err(|problem| invalid("image", problem))?;
    }
    if image.is_some() && commit.is_some() {
        let problem = "give a commit or an image, not both".to_owned();
        return Err(invalid("image", problem));
    }
    if new.port == Some(0) {
        return Err(invalid(
            "port",
            "0 is not a port: expected 1 to 65535".to_owned(),
        ));
    }
    if new.port.is_some() && image.is_none() {
        let problem = "only an image is given a port; a repository's is found out".to_owned();
        return Err(invalid("port", problem));
    }
    let name = given(new.name).map(check_name).transpose();
    Ok(Checked {
        name: name.map_err(|problem| invalid("name", problem))?,
        branch,
        commit,
        image,
        port: new.port,
    })
}

fn check_name(text: String) -> Result<Label, String> {
    let name: Label = text.parse().map_err(|e| format!("{e}"))?;
    // Names are joined with single hyphens into those of namespaces.
    if sanitize_component(&text) != text {
        return Err(format!("{text:?} has two hyphens in a row: expected one"));
    }
    if text.len() > LONGEST_NAME {
        return Err(format!(
            "{text:?} is too long: expected at most {LONGEST_NAME} characters"
        ));
    }
    if text.starts_with("preview-") {
        return Err(format!(
            "{text:?} is kept for pull requests: choose a name that does not begin with preview-"
        ));
    }
    Ok(name)
}

/// Whether a container runtime takes this as an image: `[host[:port]/]path[:tag][@sha256:digest]`,
/// as the distribution project's reference grammar has it.
///
/// # Errors
/// What is wrong with it.
fn check_image(text: &str) -> Result<(), String> {
    let bad = || {
        let shown: String = text.chars().take(100).collect();
        Err(format!(
            "{shown:?} is not an image: expected one such as ghcr.io/acme/shop:1.4 or nginx@sha256:…"
        ))
    };
    if text.len() > 512 || !text.is_ascii() {
        return bad();
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // A colon before the last slash is a port's.
    let name_at = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[name_at..].split_once(':') {
        Some((name, tag)) => (&rest[..name_at + name.len()], Some(tag)),
        None => (rest, None),
    };
    let mut parts: Vec<&str> = name.split('/').collect();
    let has_host = parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost");
    let host_ok = match has_host {
        true => is_host(parts.remove(0)),
        false => true,
    };
    let fine = host_ok
        && name.len() <= 255
        && parts.iter().all(|part| is_path_component(part))
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if fine { Ok(()) } else { bad() }
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|it| it > 0))
}

/// Lower-case letters and digits, held together by `.`, `_`, `__` or hyphens.
fn is_path_component(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let joint = |b: u8| matches!(b, b'.' | b'_' | b'-');
    let bytes = text.as_bytes();
    let ends = |at: Option<&u8>| at.is_some_and(|b| inner(*b));
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| inner(*b) || joint(*b))
        && text
            .split(|c: char| c.is_ascii_alphanumeric())
            .all(|joint| joint.len() <= 1 || joint == "__" || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn repository() -> Repository {
        Repository {
            id: "r".into(),
            team: "acme".into(),
            project: "shop".into(),
            github_id: None,
            full_name: "acme/shop".parse().unwrap(),
            source: "primary".into(),
            position: 0,
            clone_url: "https://github.com/acme/shop.git".into(),
            branch: "trunk".into(),
        }
    }

    fn field(new: NewManualPreview) -> Result<Checked, &'static str> {
        check(new, &repository()).map_err(|e| match e {
            Error::Invalid { field, .. } => field,
            other => panic!("{other:?}"),
        })
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_a_form_leaves_empty_is_the_newest_of_the_projects_branch() {
        let empty = NewManualPreview {
            branch: some(" "),
            commit: some(""),
            image: some(""),
            name: some(""),
            ..NewManualPreview::default()
        };
        let checked = field(empty).unwrap();
        assert_eq!(checked.branch, "trunk");
        assert_eq!(
            (checked.commit, checked.image, checked.name),
            (None, None, None)
        );
    }

    #[test]
    fn malformed_fields_are_named() {
        let none = NewManualPreview::default;
        let sha = "a".repeat(40);
        let cases = [
            (
                "branch",
                NewManualPreview {
                    branch: some("a b"),
                    ..none()
                },
            ),
            (
                "branch",
                NewManualPreview {
                    branch: some("--upload-pack=x"),
                    ..none()
                },
            ),
            (
                "commit",
                NewManualPreview {
                    commit: some("HEAD"),
                    ..none()
                },
            ),
            (
                "commit",
                NewManualPreview {
                    commit: some("manual-deployment"),
                    ..none()
                },
            ),
            (
                "image",
                NewManualPreview {
                    image: some("a b"),
                    ..none()
                },
            ),
            (
                "image",
                NewManualPreview {
                    image: some("nginx"),
                    commit: Some(sha),
                    ..none()
                },
            ),
            (
                "port",
                NewManualPreview {
                    port: Some(80),
                    ..none()
                },
            ),
            (
                "port",
                NewManualPreview {
                    image: some("nginx"),
                    port: Some(0),
                    ..none()
                },
            ),
            (
                "name",
                NewManualPreview {
                    name: some("a--b"),
                    ..none()
                },
            ),
            (
                "name",
                NewManualPreview {
                    name: some("Big"),
                    ..none()
                },
            ),
            (
                "name",
                NewManualPreview {
                    name: some("preview-7"),
                    ..none()
                },
            ),
            (
                "name",
                NewManualPreview {
                    name: Some("x".repeat(41)),
                    ..none()
                },
            ),
        ];
        for (expected, new) in cases {
            assert_eq!(field(new.clone()), Err(expected), "{new:?}");
        }
        let upper = NewManualPreview {
            commit: Some("A".repeat(40)),
            ..none()
        };
        assert_eq!(
            field(upper).unwrap().commit.unwrap().as_str(),
            "a".repeat(40)
        );
    }

    #[test]
    fn images_are_what_a_container_runtime_takes() {
        let digest = format!("nginx@sha256:{}", "a".repeat(64));
        let both = format!("registry.example.com:5000/a/b:1@sha256:{}", "0".repeat(64));
        for image in [
            "nginx",
            "node:22-slim",
            "ghcr.io/acme/shop:pr-7-abc1234",
            "localhost:5000/shop",
            "localhost/shop:latest",
            "registry.example.com:5000/team/shop/web:1.4_rc.1",
            "a__b/c-d/e---f",
            &digest,
            &both,
        ] {
            assert_eq!(check_image(image), Ok(()), "{image}");
        }
        for image in [
            "",
            "Nginx",
            "nginx:",
            "nginx:.1",
            "/nginx",
            "nginx/",
            "a//b",
            "-a",
            "a..b/c",
            "a_-b",
            "https://ghcr.io/acme/shop",
            "ghcr.io:0/shop",
            "ghcr.io:99999/shop",
            "nginx@sha256:abc",
            "nginx@md5:abc",
            "nginx; rm -rf /",
            "nginx\n",
            "$(id)",
            "--privileged",
            "ünïx",
        ] {
            assert!(check_image(image).is_err(), "{image}");
        }
        assert!(check_image(&"a".repeat(300)).is_err());
    }
}
