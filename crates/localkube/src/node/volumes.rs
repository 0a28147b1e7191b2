//! A pod's volumes as folders of this machine, and their place in its containers.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use serde_json::Value;

use super::env::{self, EnvProblem, Sources};
use super::process::{Mount, MountSource};
use super::spec::{list, text};

/// Why a pod's volume cannot be mounted. It is tried again: what is missing may still come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeProblem {
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : {kind} \"{name}\" not found")]
    Missing {
        volume: String,
        kind: &'static str,
        name: String,
    },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : references non-existent {kind} key: {key}"
    )]
    MissingKey {
        volume: String,
        kind: &'static str,
        key: String,
    },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : persistentvolumeclaim \"{claim}\" is not bound yet"
    )]
    NotBound { volume: String, claim: String },
    #[error(
        "volume \"{volume}\" : the host path \"{path}\" is not below one of the folders that pods of the embedded cluster may read"
    )]
    HostPath { volume: String, path: String },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : hostPath type check failed: {path} is not there"
    )]
    HostPathAbsent { volume: String, path: String },
    #[error("volume \"{volume}\" : the embedded cluster has no volumes of this type ({kind})")]
    Unsupported { volume: String, kind: String },
    #[error("volume \"{volume}\" : \"{path}\" leads out of the volume")]
    Path { volume: String, path: String },
    #[error("volume \"{volume}\" : no volume of that name in the pod")]
    Unknown { volume: String },
    #[error("volume \"{volume}\" : {problem}")]
    Field { volume: String, problem: EnvProblem },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : the pod's service account is not there, so it has no token"
    )]
    NoAccount { volume: String },
    #[error("MountVolume.SetUp failed for volume \"{volume}\"")]
    Io { volume: String, source: io::Error },
}

/// A volume that is ready to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub path: PathBuf,
    pub read_only: bool,
}

/// What volumes are made from.
pub(crate) struct Makers<'a> {
    pub sources: &'a dyn Sources,
    /// The folder of a bound claim.
    pub claim: &'a dyn Fn(&str) -> Option<PathBuf>,
    /// A token of the pod's service account, for a `serviceAccountToken` source.
    pub token: &'a dyn Fn(&Value) -> Option<String>,
    /// Folders that `hostPath` may name something below of.
    pub host_path_roots: &'a [PathBuf],
    /// The pod's own folder for volumes.
    pub folder: &'a Path,
}

/// Make every volume of a pod.
pub(crate) fn prepare(
    pod: &Value,
    makers: &Makers<'_>,
) -> Result<BTreeMap<String, Volume>, VolumeProblem> {
    list(&pod["spec"], "volumes")
        .map(|volume| {
            let name = text(volume, "name").to_owned();
            Ok((name.clone(), make(pod, volume, &name, makers)?))
        })
        .collect()
}

fn make(
    pod: &Value,
    volume: &Value,
    name: &str,
    makers: &Makers<'_>,
) -> Result<Volume, VolumeProblem> {
    let failed = |source| VolumeProblem::Io {
        volume: name.to_owned(),
        source,
    };
    let folder = makers.folder.join(name);
    if let Some(claim) = volume.get("persistentVolumeClaim") {
        let claim_name = text(claim, "claimName");
        let path = (makers.claim)(claim_name).ok_or_else(|| VolumeProblem::NotBound {
            volume: name.to_owned(),
            claim: claim_name.to_owned(),
        })?;
        return Ok(Volume {
            path,
            read_only: claim["readOnly"] == true,
        });
    }
    if let Some(host_path) = volume.get("hostPath") {
        return host_folder(name, text(host_path, "path"), makers.host_path_roots);
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    if volume.get("emptyDir").is_some() {
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).map_err(failed)?;
        return Ok(Volume {
            path: folder,
            read_only: false,
        });
    }
    let mut files = Files {
        volume: name,
        pod,
        sources: makers.sources,
        files: BTreeMap::new(),
    };
    let mode = if let Some(source) = volume.get("configMap") {
        files.add_data(source, "configmap", text(source, "name"))?;
        &source["defaultMode"]
    } else if let Some(source) = volume.get("secret") {
        files.add_data(source, "secret", text(source, "secretName"))?;
        &source["defaultMode"]
    } else if let Some(source) = volume.get("downwardAPI") {
        files.add_fields(source)?;
        &source["defaultMode"]
    } else if let Some(projected) = volume.get("projected") {
        for source in list(projected, "sources") {
            if let Some(source) = source.get("configMap") {
                files.add_data(source, "configmap", text(source, "name"))?;
            } else if let Some(source) = source.get("secret") {
                files.add_data(source, "secret", text(source, "name"))?;
            } else if let Some(source) = source.get("downwardAPI") {
                files.add_fields(source)?;
            } else if let Some(source) = source.get("serviceAccountToken") {
                let token = (makers.token)(source).ok_or_else(|| VolumeProblem::NoAccount {
                    volume: name.to_owned(),
                })?;
                files.add(text(source, "path"), token.into_bytes(), None)?;
            } else {
                return Err(unsupported(name, source));
            }
        }
        &projected["defaultMode"]
    } else {
        return Err(unsupported(name, volume));
    };
    let mode = mode
        .as_u64()
        .and_then(|mode| u32::try_from(mode).ok())
        .unwrap_or(0o644);
    write_files(&folder, &files.files, mode).map_err(failed)?;
    Ok(Volume {
        path: folder,
        read_only: true,
    })
}

fn unsupported(name: &str, source: &Value) -> VolumeProblem {
    let kinds: Vec<&str> = source
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .filter(|key| *key != "name")
        .collect();
    VolumeProblem::Unsupported {
        volume: name.to_owned(),
        kind: kinds.join(", "),
    }
}

fn host_folder(name: &str, path: &str, roots: &[PathBuf]) -> Result<Volume, VolumeProblem> {
    // Links are resolved on both sides, so that none leads out of the allowed folders.
    let real = std::fs::canonicalize(path).ok();
    let allowed = real.filter(|real| {
        roots
            .iter()
            .filter_map(|root| std::fs::canonicalize(root).ok())
            .any(|root| real.starts_with(root))
    });
    match allowed {
        Some(path) => Ok(Volume {
            path,
            read_only: true,
        }),
        // What is not there is said only of the folders that pods may see.
        None if is_absent(path) && roots.iter().any(|root| Path::new(path).starts_with(root)) => {
            Err(VolumeProblem::HostPathAbsent {
                volume: name.to_owned(),
                path: path.to_owned(),
            })
        }
        None => Err(VolumeProblem::HostPath {
            volume: name.to_owned(),
            path: path.to_owned(),
        }),
    }
}

fn is_absent(path: &str) -> bool {
    let steps_back = Path::new(path)
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    !steps_back
        && std::fs::canonicalize(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The files of a configMap, secret, downwardAPI or projected volume, with their modes.
struct Files<'a> {
    volume: &'a str,
    pod: &'a Value,
    sources: &'a dyn Sources,
    files: BTreeMap<PathBuf, (Vec<u8>, Option<u32>)>,
}

impl Files<'_> {
    fn add_data(
        &mut self,
        source: &Value,
        kind: &'static str,
        name: &str,
    ) -> Result<(), VolumeProblem> {
        let optional = source["optional"] == true;
        let data = match kind {
            "secret" => self.sources.secret(name),
            _ => self.sources.config_map(name),
        };
        let Some(data) = data else {
            return if optional {
                Ok(())
            } else {
                Err(VolumeProblem::Missing {
                    volume: self.volume.to_owned(),
                    kind,
                    name: name.to_owned(),
                })
            };
        };
        if source.get("items").is_none_or(Value::is_null) {
            for (key, value) in data {
                self.add(&key, value, None)?;
            }
            return Ok(());
        }
        for item in list(source, "items") {
            let key = text(item, "key");
            match data.get(key) {
                Some(value) => {
                    self.add(text(item, "path"), value.clone(), item["mode"].as_u64())?
                }
                None if optional => {}
                None => {
                    return Err(VolumeProblem::MissingKey {
                        volume: self.volume.to_owned(),
                        kind,
                        key: key.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn add_fields(&mut self, source: &Value) -> Result<(), VolumeProblem> {
        for item in list(source, "items") {
            let value = match item.get("fieldRef") {
                Some(field) => env::field_value(self.pod, text(field, "fieldPath")),
                None => env::resource_value(self.pod, &Value::Null, &item["resourceFieldRef"]),
            };
            let value = value.map_err(|problem| VolumeProblem::Field {
                volume: self.volume.to_owned(),
                problem,
            })?;
            self.add(
                text(item, "path"),
                value.into_bytes(),
                item["mode"].as_u64(),
            )?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        path: &str,
        content: Vec<u8>,
        mode: Option<u64>,
    ) -> Result<(), VolumeProblem> {
        let path = relative(path).ok_or_else(|| VolumeProblem::Path {
            volume: self.volume.to_owned(),
            path: path.to_owned(),
        })?;
        let mode = mode.and_then(|mode| u32::try_from(mode).ok());
        self.files.insert(path, (content, mode));
        Ok(())
    }
}

/// A path below a volume: plain names only.
fn relative(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (plain && path.components().next().is_some()).then(|| path.to_owned())
}

fn write_files(
    folder: &Path,
    files: &BTreeMap<PathBuf, (Vec<u8>, Option<u32>)>,
    default_mode: u32,
) -> io::Result<()> {
    use std::io::Write;
    for (path, (content, mode)) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // Written aside and renamed, so that whoever reads a file that is written anew finds the
        // old one or the new one.
        let unfinished = path.with_extension("unfinished");
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = mode.unwrap_or(default_mode) & 0o777;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(content)?;
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        std::fs::rename(&unfinished, &path)?;
    }
    Ok(())
}

/// The mounts of one container.
pub(crate) fn mounts(
    container: &Value,
    volumes: &BTreeMap<String, Volume>,
    env: &BTreeMap<String, String>,
    can_bind_open_files: bool,
) -> Result<Vec<Mount>, VolumeProblem> {
    list(container, "volumeMounts")
        .map(|mount| {
            let name = text(mount, "name");
            let volume = volumes.get(name).ok_or_else(|| VolumeProblem::Unknown {
                volume: name.to_owned(),
            })?;
            let sub_path = match mount["subPathExpr"].as_str() {
                Some(expression) => env::expand(expression, env),
                None => text(mount, "subPath").to_owned(),
            };
            let source = if sub_path.is_empty() {
                MountSource::Path(volume.path.clone())
            } else {
                open_below(name, volume, &sub_path, can_bind_open_files)?
            };
            Ok(Mount {
                source,
                target: text(mount, "mountPath").into(),
                read_only: volume.read_only || mount["readOnly"] == true,
            })
        })
        .collect()
}

/// Open a path below a volume, making folders that are missing. A pod may have put links there
/// that lead anywhere on this machine, so none is followed, and what was opened is what is mounted.
fn open_below(
    name: &str,
    volume: &Volume,
    sub_path: &str,
    can_bind_open_files: bool,
) -> Result<MountSource, VolumeProblem> {
    let outside = || VolumeProblem::Path {
        volume: name.to_owned(),
        path: sub_path.to_owned(),
    };
    let failed = |source: io::Error| VolumeProblem::Io {
        volume: name.to_owned(),
        source,
    };
    let path = relative(sub_path).ok_or_else(outside)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at: OwnedFd =
        rustix::fs::open(&volume.path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    for part in path.components() {
        let part = part.as_os_str();
        at = match rustix::fs::openat(at.as_fd(), part, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) if !volume.read_only => {
                rustix::fs::mkdirat(at.as_fd(), part, Mode::from_raw_mode(0o777))
                    .and_then(|()| rustix::fs::openat(at.as_fd(), part, flags, Mode::empty()))
            }
            opened => opened,
        }
        .map_err(|e| failed(e.into()))?;
        let kind = rustix::fs::fstat(&at)
            .map_err(|e| failed(e.into()))?
            .st_mode;
        if FileType::from_raw_mode(kind) == FileType::Symlink {
            return Err(outside());
        }
    }
    if can_bind_open_files {
        return Ok(MountSource::Open(at));
    }
    Ok(MountSource::Path(volume.path.join(path)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Fixed;

    impl Sources for Fixed {
        fn config_map(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
            (name == "scripts")
                .then(|| BTreeMap::from([("run.sh".to_owned(), b"echo hi".to_vec())]))
        }
        fn secret(&self, _: &str) -> Option<BTreeMap<String, Vec<u8>>> {
            None
        }
    }

    fn prepared(folder: &Path, volumes: Value) -> Result<BTreeMap<String, Volume>, VolumeProblem> {
        prepare(
            &json!({ "metadata": { "name": "p" }, "spec": { "volumes": volumes } }),
            &Makers {
                sources: &Fixed,
                claim: &|_| None,
                token: &|source| Some(format!("for {}", source["audience"])),
                host_path_roots: &[folder.join("allowed")],
                folder: &folder.join("volumes"),
            },
        )
    }

    #[test]
    fn a_config_map_becomes_files_with_their_modes() {
        let folder = tempfile::tempdir().unwrap();
        let volumes = prepared(
            folder.path(),
            json!([{ "name": "s", "configMap": { "name": "scripts", "defaultMode": 0o755, "items": [{ "key": "run.sh", "path": "bin/go" }] } }]),
        )
        .unwrap();
        let file = volumes["s"].path.join("bin/go");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "echo hi");
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert!(volumes["s"].read_only);
    }

    #[test]
    fn a_token_is_a_file_of_a_projected_volume() {
        let folder = tempfile::tempdir().unwrap();
        let volumes = prepared(
            folder.path(),
            json!([{ "name": "t", "projected": { "defaultMode": 0o400, "sources": [{ "serviceAccountToken": { "audience": "git", "path": "token" } }] } }]),
        )
        .unwrap();
        let file = volumes["t"].path.join("token");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "for \"git\"");
        assert!(volumes["t"].read_only);
        assert_eq!(std::fs::read_dir(&volumes["t"].path).unwrap().count(), 1);
    }

    #[test]
    fn host_paths_are_read_only_and_below_the_allowed_folders() {
        let folder = tempfile::tempdir().unwrap();
        let allowed = folder.path().join("allowed");
        std::fs::create_dir_all(allowed.join("repo")).unwrap();
        std::os::unix::fs::symlink("/etc", allowed.join("link")).unwrap();
        let volume = |path: PathBuf| {
            prepared(
                folder.path(),
                json!([{ "name": "h", "hostPath": { "path": path } }]),
            )
        };
        assert!(volume(allowed.join("repo")).unwrap()["h"].read_only);
        for path in [allowed.join("link"), allowed.join("../.."), "/etc".into()] {
            assert!(matches!(volume(path), Err(VolumeProblem::HostPath { .. })));
        }
        let absent = volume(allowed.join("vanished"));
        assert!(matches!(absent, Err(VolumeProblem::HostPathAbsent { .. })));
        let foreign = volume(folder.path().join("vanished"));
        assert!(matches!(foreign, Err(VolumeProblem::HostPath { .. })));
    }

    #[test]
    fn a_sub_path_never_leaves_its_volume() {
        let folder = tempfile::tempdir().unwrap();
        let volumes = prepared(folder.path(), json!([{ "name": "e", "emptyDir": {} }])).unwrap();
        std::os::unix::fs::symlink("/etc", volumes["e"].path.join("out")).unwrap();
        let mount = |sub_path: &str| {
            let container = json!({ "volumeMounts": [{ "name": "e", "mountPath": "/m", "subPath": sub_path }] });
            mounts(&container, &volumes, &BTreeMap::new(), true)
        };
        assert!(mount("new/folder").is_ok());
        assert!(volumes["e"].path.join("new/folder").is_dir());
        for path in ["out", "out/passwd", "../x", "/etc"] {
            assert!(
                matches!(mount(path), Err(VolumeProblem::Path { .. })),
                "{path}"
            );
        }
    }
}
