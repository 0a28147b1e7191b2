//! What a project may be made of: pure checks, with answers for people.

use catalyst_crd::Preset;
use catalyst_crd::project::Template;
use catalyst_model::ids::{Label, RepositoryName};
use catalyst_model::names::sanitize_component;
use url::Url;

use crate::error::Error;
use crate::settings::PreviewSettings;

use super::NewProject;

/// A project whose parts are all well-formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The team.
    pub team: Label,
    /// The project.
    pub name: Label,
    /// Its first repository.
    pub repository: RepositoryName,
    /// What `git clone` is given.
    pub clone_url: String,
    /// The branch.
    pub branch: String,
    /// A number or `pat`.
    pub installation_id: Option<String>,
    /// How its previews are run, where a preset says it.
    pub template: Option<Template>,
}

/// Checks every field.
///
/// # Errors
/// [`Error::Invalid`] names the first field that is wrong and what would be right.
pub fn check(new: NewProject, settings: &PreviewSettings) -> Result<Checked, Error> {
    let label = |field, text: &str| {
        let label = text.parse::<Label>().map_err(|e| Error::Invalid {
            field,
            problem: e.to_string(),
        })?;
        // Names are joined with single hyphens into those of namespaces.
        if sanitize_component(text) != text {
            let problem = format!("{text:?} has two hyphens in a row: expected one");
            return Err(Error::Invalid { field, problem });
        }
        Ok(label)
    };
    let repository: RepositoryName = new.repository.parse().map_err(|e| Error::Invalid {
        field: "repository",
        problem: format!("{e}"),
    })?;
    let github = settings.git_hosts.last();
    let github = github.map_or("github.com", String::as_str);
    let clone_url = new
        .clone_url
        .unwrap_or_else(|| format!("https://{github}/{repository}.git"));
    let invalid = |field| move |problem| Error::Invalid { field, problem };
    check_clone_url(&clone_url, settings).map_err(invalid("clone_url"))?;
    check_branch(&new.branch).map_err(invalid("branch"))?;
    if let Some(id) = &new.installation_id {
        check_installation(id).map_err(invalid("installation_id"))?;
    }
    let preset = new.preset.as_deref().map(str::parse::<Preset>).transpose();
    let preset = preset.map_err(|e| Error::Invalid {
        field: "preset",
        problem: e.to_string(),
    })?;
    Ok(Checked {
        team: label("team", &new.team)?,
        name: label("name", &new.name)?,
        repository,
        clone_url,
        branch: new.branch,
        installation_id: new.installation_id,
        template: preset.and_then(Preset::template),
    })
}

/// Whether a repository may be cloned from here: over https from a host that is allowed, or,
/// where the settings say so, from a directory of this machine.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn check_clone_url(text: &str, settings: &PreviewSettings) -> Result<(), String> {
    let url = Url::parse(text).map_err(|e| format!("{text:?} is not a URL ({e})"))?;
    match url.scheme() {
        "file" if settings.allow_local_repositories => {
            if url.host_str().is_some_and(|host| !host.is_empty()) {
                return Err(format!("{text:?} names a host: expected file:///PATH"));
            }
            if text.contains("/../") || text.ends_with("/..") || text.contains('%') {
                return Err(format!(
                    "{text:?} has .. or % in its path: expected the plain path of the repository"
                ));
            }
        }
        "file" => {
            return Err(
                "file:// takes CATALYST_ALLOW_LOCAL_REPOSITORIES=true, in local mode only"
                    .to_owned(),
            );
        }
        "https" => {
            let host = url.host_str().unwrap_or_default();
            if !settings
                .git_hosts
                .iter()
                .any(|it| it.eq_ignore_ascii_case(host))
            {
                let hosts = settings.git_hosts.join(", ");
                return Err(format!(
                    "{host} is not a host to clone from; allowed: {hosts}"
                ));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err("credentials do not belong in the URL".to_owned());
            }
        }
        other => {
            return Err(format!("{other}:// is not allowed: expected https://"));
        }
    }
    if url.query().is_some() || url.fragment().is_some() || text.chars().any(char::is_control) {
        return Err(format!(
            "{text:?} has a query, a fragment or control characters"
        ));
    }
    Ok(())
}

/// Whether Git takes this as a branch's name (`git check-ref-format --branch`).
///
/// # Errors
/// What is wrong with it.
pub fn check_branch(name: &str) -> Result<(), String> {
    let bad_character = |c: char| c.is_control() || c == ' ' || "~^:?*[\\".contains(c);
    let bad = name.is_empty()
        || name.len() > 244
        || name == "@"
        || name.starts_with(['-', '/'])
        || name.ends_with(['/', '.'])
        || name.contains("..")
        || name.contains("//")
        || name.contains("@{")
        || name.chars().any(bad_character)
        || name
            .split('/')
            .any(|part| part.starts_with('.') || part.ends_with(".lock"));
    if bad {
        Err(format!("{name:?} is not the name of a Git branch"))
    } else {
        Ok(())
    }
}

/// Whether this is the id of a GitHub App's installation, or `pat`.
///
/// # Errors
/// What would be right.
pub fn check_installation(id: &str) -> Result<(), String> {
    if id == "pat" || (!id.is_empty() && id.len() <= 20 && id.bytes().all(|b| b.is_ascii_digit())) {
        Ok(())
    } else {
        Err(format!(
            "{id:?} is not an installation: expected its number, or pat"
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn local() -> PreviewSettings {
        PreviewSettings {
            allow_local_repositories: true,
            ..PreviewSettings::default()
        }
    }

    #[test]
    fn only_allowed_hosts_over_https_are_cloned_from() {
        let settings = PreviewSettings::default();
        for good in [
            "https://github.com/acme/shop.git",
            "https://GitHub.com/acme/shop",
        ] {
            check_clone_url(good, &settings).unwrap();
        }
        for bad in [
            "http://github.com/acme/shop.git",
            "https://github.com.evil.example/acme/shop",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/acme/shop",
            "https://user:pass@github.com/acme/shop",
            "https://github.com/acme/shop?x=1",
            "https://github.com/acme/shop#x",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com/acme/shop.git",
            "ext::sh -c id",
            "file:///srv/git/acme/shop",
            "--upload-pack=id",
            "",
        ] {
            assert!(check_clone_url(bad, &settings).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_of_this_machine_is_cloned_where_the_settings_allow_it() {
        check_clone_url("file:///srv/git/acme/shop", &local()).unwrap();
        for bad in [
            "file://server/share",
            "file:///srv/git/../../etc",
            "file:///srv/%2e%2e/etc",
        ] {
            assert!(check_clone_url(bad, &local()).is_err(), "{bad}");
        }
    }

    #[test]
    fn branches_are_what_git_takes() {
        for good in ["main", "feature/login_page", "release-1.2", "übung"] {
            check_branch(good).unwrap();
        }
        for bad in [
            "", "-d", "a b", "a..b", "a~1", "a:b", "/a", "a/", "a.lock", ".a", "a\nb", "@", "a@{1}",
        ] {
            assert!(check_branch(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let new = || NewProject {
            team: "acme".into(),
            name: "shop".into(),
            repository: "acme/shop".into(),
            clone_url: None,
            branch: "main".into(),
            installation_id: None,
            cluster: None,
            preset: None,
        };
        let settings = PreviewSettings::default();
        let checked = check(new(), &settings).unwrap();
        assert_eq!(checked.clone_url, "https://github.com/acme/shop.git");
        type Spoil = fn(&mut NewProject);
        let cases: [(&str, Spoil); 8] = [
            ("team", |it| it.team = "a--b".into()),
            ("team", |it| it.team = "Acme Inc".into()),
            ("name", |it| it.name = "-".into()),
            ("repository", |it| it.repository = "shop".into()),
            ("clone_url", |it| it.clone_url = Some("ext::id".into())),
            ("branch", |it| it.branch = "--help".into()),
            ("installation_id", |it| {
                it.installation_id = Some("1; id".into())
            }),
            ("preset", |it| it.preset = Some("rails".into())),
        ];
        for (expected, spoil) in cases {
            let mut spoilt = new();
            spoil(&mut spoilt);
            let error = check(spoilt, &settings).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid { field, .. } if *field == expected),
                "{error}"
            );
        }
    }
}
