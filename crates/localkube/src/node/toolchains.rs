//! What a pod sees of this machine's programs: folders, read-only, and a few settings.
//!
//! `/usr` and `/opt` are bound whole. Programs that live elsewhere (below someone's home, mostly)
//! are bound by the folder of their toolchain alone, never the home itself: that is where
//! credentials are.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Settings of toolchains that pods inherit: certificate authorities, registries and mirrors,
/// proxies. Everything else of Catalyst's own environment stays out of pods.
const INHERITED: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NIX_SSL_CERT_FILE",
    "npm_config_registry",
    "NPM_CONFIG_REGISTRY",
    "YARN_NPM_REGISTRY_SERVER",
    "PIP_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_DEFAULT_TIMEOUT",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "GOPROXY",
    "GOSUMDB",
    "GOTOOLCHAIN",
    "RUSTUP_DIST_SERVER",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// Folders that are there in every pod.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
];

/// Version managers: a PATH entry below such a folder needs all of it, and finds itself by the
/// variable. The part after `/` is a depth below: `.nvm/versions/node/*` is one installed version.
const MANAGERS: &[(&str, usize, Option<&str>)] = &[
    (".pyenv", 0, Some("PYENV_ROOT")),
    (".rbenv", 0, Some("RBENV_ROOT")),
    (".goenv", 0, Some("GOENV_ROOT")),
    (".asdf", 0, Some("ASDF_DATA_DIR")),
    (".volta", 0, Some("VOLTA_HOME")),
    (".bun", 0, None),
    (".deno", 0, None),
    (".nvm/versions/node", 1, None),
    (".local/share/fnm", 0, None),
    (".local/share/mise", 0, Some("MISE_DATA_DIR")),
    (".local/share/pnpm", 0, None),
    (".sdkman/candidates", 0, None),
    ("sdk", 1, None),
];

/// This machine's toolchains, as pods get them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Toolchains {
    /// The folders of Catalyst's PATH that exist in pods.
    pub path: Vec<PathBuf>,
    /// Folders and files outside of the system's that are bound read-only, at their own place.
    pub binds: BTreeSet<PathBuf>,
    /// Settings that every container starts with.
    pub env: BTreeMap<String, String>,
}

impl Toolchains {
    /// Those of this process's environment.
    pub fn of_this_process() -> Self {
        Self::find(
            &std::env::var("PATH").unwrap_or_default(),
            &std::env::vars().collect(),
        )
    }

    fn find(path: &str, env: &BTreeMap<String, String>) -> Self {
        let mut found = Self::default();
        for folder in path.split(':').map(Path::new) {
            if !folder.is_absolute() || !folder.is_dir() || found.path.iter().any(|p| p == folder) {
                continue;
            }
            found.add_folder(folder);
            found.path.push(folder.to_owned());
        }
        for name in INHERITED {
            if let Some(value) = env.get(*name) {
                found.inherit(name, value);
            }
        }
        for system in ["/usr/local/bin", "/usr/bin", "/bin"] {
            if !found.path.iter().any(|p| p == Path::new(system)) {
                found.path.push(system.into());
            }
        }
        found
    }

    fn add_folder(&mut self, folder: &Path) {
        if is_system(folder) {
            return;
        }
        if folder.ends_with(".cargo/bin") {
            // The programs there are rustup's and find their toolchain by its home; the rest of
            // ~/.cargo holds credentials.
            let rustup = folder.ancestors().nth(2).map(|home| home.join(".rustup"));
            if let Some(rustup) = rustup.filter(|rustup| rustup.is_dir()) {
                self.env
                    .insert("RUSTUP_HOME".into(), rustup.display().to_string());
                self.binds.insert(rustup);
            }
            self.binds.insert(folder.to_owned());
            return;
        }
        for (manager, depth, variable) in MANAGERS {
            if let Some(root) = below(folder, manager, *depth) {
                if let Some(variable) = variable {
                    self.env
                        .insert((*variable).to_owned(), root.display().to_string());
                }
                self.binds.insert(root);
                return;
            }
        }
        self.binds.insert(folder.to_owned());
    }

    fn inherit(&mut self, name: &str, value: &str) {
        let has_password = url::Url::parse(value)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        if has_password {
            tracing::warn!(
                variable = name,
                "not passed on to pods: it holds a password; use an address without one"
            );
            return;
        }
        let path = Path::new(value);
        if path.is_absolute() && !is_system(path) && !path.starts_with("/etc/ssl") && path.exists()
        {
            self.binds.insert(path.to_owned());
        }
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The program as a pod finds it on its PATH.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.path
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| {
                std::fs::metadata(file)
                    .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
            })
    }

    /// The value of PATH.
    pub fn path_variable(&self) -> String {
        let folders: Vec<String> = self.path.iter().map(|p| p.display().to_string()).collect();
        folders.join(":")
    }
}

/// Whether a path is below a folder that every pod has anyway.
fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

/// `…/<manager>/<depth more parts>`, where the folder is at or below it.
fn below(folder: &Path, manager: &str, depth: usize) -> Option<PathBuf> {
    let root = folder
        .ancestors()
        .find(|ancestor| ancestor.ends_with(manager))?;
    let rest: Vec<_> = folder
        .strip_prefix(root)
        .ok()?
        .components()
        .take(depth)
        .collect();
    (rest.len() == depth).then(|| {
        rest.iter()
            .fold(root.to_owned(), |path, part| path.join(part))
    })
}

/// The system's folders as `bwrap` arguments: links stay links, folders are bound read-only.
pub(crate) fn system_mounts() -> Vec<[String; 3]> {
    SYSTEM
        .iter()
        .filter_map(|&folder| {
            let path = Path::new(folder);
            match std::fs::read_link(path) {
                Ok(target) => Some([
                    "--symlink".into(),
                    target.display().to_string(),
                    folder.into(),
                ]),
                Err(_) if path.is_dir() => Some(["--ro-bind".into(), folder.into(), folder.into()]),
                Err(_) => None,
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_below_a_home_is_bound_without_the_home() {
        let home = tempfile::tempdir().unwrap();
        for folder in [
            ".cargo/bin",
            ".rustup",
            ".pyenv/shims",
            ".nvm/versions/node/v22/bin",
            "bin",
            ".ssh",
        ] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        std::fs::write(home.path().join(".cargo/credentials.toml"), "secret").unwrap();
        let at = |folder: &str| home.path().join(folder);
        let path = [
            "bin",
            ".cargo/bin",
            ".pyenv/shims",
            ".nvm/versions/node/v22/bin",
            "missing",
        ]
        .map(|folder| at(folder).display().to_string())
        .join(":");
        let found = Toolchains::find(&path, &BTreeMap::new());
        let expected: BTreeSet<PathBuf> = [
            at("bin"),
            at(".cargo/bin"),
            at(".rustup"),
            at(".pyenv"),
            at(".nvm/versions/node/v22"),
        ]
        .into();
        assert_eq!(found.binds, expected);
        assert_eq!(
            found.env["RUSTUP_HOME"],
            at(".rustup").display().to_string()
        );
        assert_eq!(found.path[0], at("bin"));
        assert!(!found.path.contains(&at("missing")));
    }

    #[test]
    fn only_known_settings_without_passwords_are_inherited() {
        let env = BTreeMap::from(
            [
                ("GOPROXY", "https://proxy.example"),
                ("https_proxy", "http://user:secret@proxy.example:3128"),
                ("GITHUB_WEBHOOK_SECRET", "canary"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let found = Toolchains::find("", &env);
        assert_eq!(found.env.keys().collect::<Vec<_>>(), ["GOPROXY"]);
    }
}
