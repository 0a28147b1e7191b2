//! Which clone URLs are fetched from at all.
//!
//! Anyone who can create a Project names a URL that a pod of the cluster then connects to. Only
//! HTTPS to a public host is accepted; what a name resolves to is the NetworkPolicy's part.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// A clone URL that may be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repository {
    /// `https://…`
    Https(String),
    /// `file://…`: a directory of the node, for the embedded cluster.
    Local {
        /// The whole URL.
        url: String,
        /// The directory, absolute.
        path: String,
    },
}

/// Why a clone URL is not fetched from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// Not a URL at all, such as `git@github.com:acme/shop`.
    #[error("{0:?} is not a URL; use https://HOST/OWNER/NAME.git")]
    NotAUrl(String),
    /// Any other scheme.
    #[error("the scheme {0:?} is not accepted; use https://HOST/OWNER/NAME.git")]
    Scheme(String),
    /// `file://` without the setting that allows it.
    #[error("file:// is accepted only with CATALYST_ALLOW_LOCAL_REPOSITORIES=true")]
    LocalNotAllowed,
    /// `file://` with something that is not a plain absolute path.
    #[error("{0:?} is not a plain absolute path; use file:///DIRECTORY without \"..\" or escapes")]
    LocalPath(String),
    /// A name or password inside the URL.
    #[error("the URL holds a user name or password; credentials do not belong into a URL")]
    Credentials,
    /// A query or fragment.
    #[error("the URL has a query or fragment; use https://HOST/OWNER/NAME.git")]
    Query,
    /// A host inside the cluster, the node or a private network.
    #[error("the host {0:?} is not a public one")]
    PrivateHost(String),
}

/// Texts as they arrive are shown in errors cut to this many characters.
fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

impl Repository {
    /// Checks a clone URL.
    ///
    /// # Errors
    /// If it is anything but `https://` to a public host, or `file://` where that is allowed.
    pub fn parse(text: &str, allow_local: bool) -> Result<Self, RepositoryError> {
        // The WHATWG parser forgives control characters and spaces; git does not see them the
        // same way, so they are refused first.
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.starts_with('-') {
            return Err(RepositoryError::NotAUrl(shown(text)));
        }
        let url = Url::parse(text).map_err(|_| RepositoryError::NotAUrl(shown(text)))?;
        match url.scheme() {
            "https" => Self::https(text, &url),
            "file" if !allow_local => Err(RepositoryError::LocalNotAllowed),
            "file" => Self::local(text),
            other => Err(RepositoryError::Scheme(shown(other))),
        }
    }

    fn https(text: &str, url: &Url) -> Result<Self, RepositoryError> {
        // `https:host/x` and backslashes are read as a URL by browsers alone.
        if !text
            .get(..8)
            .is_some_and(|s| s.eq_ignore_ascii_case("https://"))
            || text.contains('\\')
        {
            return Err(RepositoryError::NotAUrl(shown(text)));
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(RepositoryError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(RepositoryError::Query);
        }
        let public = match url.host() {
            Some(Host::Domain(name)) => is_public_name(name),
            Some(Host::Ipv4(address)) => is_public_v4(address),
            Some(Host::Ipv6(address)) => is_public_v6(address),
            None => false,
        };
        if public {
            // The parsed form: what was checked is what git is given.
            Ok(Self::Https(url.as_str().to_owned()))
        } else {
            Err(RepositoryError::PrivateHost(shown(
                url.host_str().unwrap_or_default(),
            )))
        }
    }

    fn local(text: &str) -> Result<Self, RepositoryError> {
        let path = text.strip_prefix("file://").unwrap_or_default();
        let plain = path.len() > 1
            && path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains(['%', '?', '#', '\\', ':'])
            && path.split('/').all(|part| part != ".." && part != ".");
        if plain {
            let path = path.trim_end_matches('/').to_owned();
            Ok(Self::Local {
                url: format!("file://{path}"),
                path,
            })
        } else {
            Err(RepositoryError::LocalPath(shown(path)))
        }
    }

    /// What `git fetch` is given.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Https(url) | Self::Local { url, .. } => url,
        }
    }

    /// The node's directory, of a `file://` URL.
    #[must_use]
    pub fn local_path(&self) -> Option<&str> {
        match self {
            Self::Https(_) => None,
            Self::Local { path, .. } => Some(path),
        }
    }

    /// The value of git's `GIT_ALLOW_PROTOCOL`.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self {
            Self::Https(_) => "https",
            Self::Local { .. } => "file",
        }
    }
}

/// A name with a dot that no cluster, machine or cloud keeps for itself.
fn is_public_name(name: &str) -> bool {
    const PRIVATE: &[&str] = &[
        "localhost",
        "local",
        "localdomain",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "svc",
        "arpa",
        "invalid",
        "test",
        "example",
        "onion",
    ];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    // A last label of digits or 0x… would be read as an address by some resolvers.
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    // `<service>.<namespace>.svc` is a name inside a cluster whatever follows it.
    name.contains('.')
        && !numeric
        && !PRIVATE.contains(&last)
        && !name.split('.').skip(1).any(|label| label == "svc")
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = matches!(
        segments,
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0, 0, 0, 0, 0, _, _, _]
    );
    !(embedded
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || segments[0] == 0x2001 && segments[1] == 0xdb8)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn https_to_a_public_host_is_accepted_as_it_was_checked() {
        for (text, url) in [
            (
                "https://github.com/acme/shop.git",
                "https://github.com/acme/shop.git",
            ),
            (
                "HTTPS://GitHub.com/acme/shop",
                "https://github.com/acme/shop",
            ),
            (
                "https://git.acme.dev:8443/shop",
                "https://git.acme.dev:8443/shop",
            ),
            (
                "https://140.82.112.3/acme/shop",
                "https://140.82.112.3/acme/shop",
            ),
        ] {
            assert_eq!(Repository::parse(text, false).unwrap().url(), url, "{text}");
        }
    }

    #[test]
    fn nothing_inside_the_cluster_the_node_or_a_private_network_is_fetched_from() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "x.localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "metadata.google.internal",
            "metadata",
            "kubernetes",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "web.acme-shop-preview-1.svc.k8s.acme.dev",
            "printer.local",
            "router.lan",
            "①②⑦.⓪.⓪.①",
        ] {
            let text = format!("https://{host}/acme/shop");
            let error = Repository::parse(&text, true);
            assert!(
                matches!(
                    error,
                    Err(RepositoryError::PrivateHost(_) | RepositoryError::NotAUrl(_))
                ),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn other_schemes_and_forms_are_refused() {
        for text in [
            "",
            "acme/shop",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com/acme/shop",
            "git://github.com/a/b",
            "http://github.com/acme/shop",
            "ext::sh -c id",
            "ext::sh%20-c%20id",
            "fd::17",
            "javascript:alert(1)",
            "--upload-pack=id",
            "-oProxyCommand=id",
            "https:github.com/a/b",
            "https:\\\\github.com/a/b",
            "https://user@github.com/a/b",
            "https://user:secret@github.com/a/b",
            "https://github.com@10.0.0.1/x",
            "https://github.com/a/b?x=1",
            "https://github.com/a/b#x",
            "https://github.com/a b",
            "https://github.com/\n/b",
            "https://",
            "https:///x",
            " https://github.com/a/b",
            "file:///srv/git/shop",
            "/srv/git/shop",
            "../shop",
        ] {
            assert!(Repository::parse(text, false).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_local_directory_is_accepted_only_where_it_is_allowed_and_plain() {
        let repository = Repository::parse("file:///srv/git/acme/shop.git/", true).unwrap();
        assert_eq!(repository.local_path(), Some("/srv/git/acme/shop.git"));
        assert_eq!(repository.url(), "file:///srv/git/acme/shop.git");
        assert_eq!(repository.protocol(), "file");
        for text in [
            "file:///",
            "file://host/share",
            "file:///a/../etc",
            "file:///a/%2e%2e/etc",
            "file://localhost/etc",
            "file:////etc",
            "file:///a?b",
            "file:relative",
            "file:///a/./b",
            "file:///a:b",
        ] {
            assert!(Repository::parse(text, true).is_err(), "{text}");
        }
        assert_eq!(
            Repository::parse("file:///srv/git/shop", false),
            Err(RepositoryError::LocalNotAllowed)
        );
    }
}
