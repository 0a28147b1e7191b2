//! Which images stand for a program of this machine.
//!
//! Images are not pulled. A container of a known image runs its command on this machine's
//! toolchain of the same name; any other image is refused with the ways out.

use std::path::PathBuf;

/// What stands in for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalImage {
    /// Names of the image without registry, tag and digest; a trailing `*` matches any rest.
    names: &'static [&'static str],
    /// The program that must be installed, and the Debian package that has it.
    program: &'static str,
    package: &'static str,
    /// The image's ENTRYPOINT where its arguments alone mean nothing.
    entrypoint: &'static [&'static str],
    /// The image's CMD where it is of use here; empty: a command has to be given.
    command: &'static [&'static str],
}

const fn base(
    names: &'static [&'static str],
    program: &'static str,
    package: &'static str,
) -> LocalImage {
    LocalImage {
        names,
        program,
        package,
        entrypoint: &[],
        command: &[],
    }
}

const IMAGES: &[LocalImage] = &[
    base(&["node", "node-*"], "node", "nodejs npm"),
    base(&["oven/bun"], "bun", "bun (from bun.sh)"),
    base(&["denoland/deno"], "deno", "deno (from deno.com)"),
    base(&["python", "pypy"], "python3", "python3 python3-venv"),
    base(&["golang"], "go", "golang-go"),
    base(&["rust", "rustlang/rust"], "cargo", "cargo"),
    base(&["ruby"], "ruby", "ruby-full"),
    base(&["php"], "php", "php-cli"),
    base(
        &["openjdk", "eclipse-temurin", "amazoncorretto"],
        "java",
        "default-jdk-headless",
    ),
    base(&["maven"], "mvn", "maven"),
    base(&["gradle"], "gradle", "gradle"),
    LocalImage {
        names: &["alpine/git", "bitnami/git", "git"],
        program: "git",
        package: "git",
        entrypoint: &["git"],
        command: &[],
    },
    LocalImage {
        names: &["alpine/helm", "alpine/k8s", "helm"],
        program: "helm",
        package: "helm (from helm.sh)",
        entrypoint: &["helm"],
        command: &[],
    },
    LocalImage {
        names: &["nginx", "nginxinc/nginx-unprivileged"],
        program: "nginx",
        package: "nginx-light",
        entrypoint: &[],
        command: &["nginx", "-g", "daemon off;"],
    },
    LocalImage {
        names: &["caddy"],
        program: "caddy",
        package: "caddy",
        entrypoint: &[],
        command: &["caddy", "run"],
    },
    base(&["busybox"], "busybox", "busybox"),
    base(
        &[
            "debian",
            "ubuntu",
            "alpine",
            "fedora",
            "bash",
            "buildpack-deps",
            "scratch",
        ],
        "sh",
        "dash",
    ),
    base(&["curlimages/curl"], "curl", "curl"),
];

/// Why an image cannot be run here. The texts are what a person reads on the pod.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ImageProblem {
    #[error(
        "image \"{0}\" cannot run on the embedded cluster, which runs processes of this machine and pulls no images: use a Kubernetes cluster, or an image that this machine's programs stand in for ({known})",
        known = known()
    )]
    Unknown(String),
    #[error(
        "image \"{image}\" needs the program \"{program}\", which is not on this machine's PATH: install it (Debian package: {package}), or use a Kubernetes cluster"
    )]
    ProgramMissing {
        image: String,
        program: &'static str,
        package: &'static str,
    },
    #[error(
        "image \"{0}\" is not pulled, so its default command is not known here: give the container a command"
    )]
    NoCommand(String),
}

impl ImageProblem {
    /// The `reason` of the container's waiting state.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "ImageNotRunnableLocally",
            Self::ProgramMissing { .. } => "ToolchainNotInstalled",
            Self::NoCommand(_) => "CommandRequired",
        }
    }
}

fn known() -> String {
    let names: Vec<&str> = IMAGES
        .iter()
        .filter_map(|image| image.names.first().copied())
        .collect();
    names.join(", ")
}

/// The command line of a container: Kubernetes' `command` and `args` over the image's own.
pub(crate) fn command_line(
    image: &str,
    command: Vec<String>,
    args: Vec<String>,
    find: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Vec<String>, ImageProblem> {
    let local = lookup(image).ok_or_else(|| ImageProblem::Unknown(image.to_owned()))?;
    if find(local.program).is_none() {
        return Err(ImageProblem::ProgramMissing {
            image: image.to_owned(),
            program: local.program,
            package: local.package,
        });
    }
    let owned = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    let line = if !command.is_empty() {
        [command, args].concat()
    } else if !args.is_empty() {
        [owned(local.entrypoint), args].concat()
    } else if local.command.is_empty() {
        Vec::new()
    } else {
        [owned(local.entrypoint), owned(local.command)].concat()
    };
    if line.is_empty() {
        return Err(ImageProblem::NoCommand(image.to_owned()));
    }
    Ok(line)
}

/// The Debian package (or the place) that has a program, where one is known.
pub(crate) fn package_of(program: &str) -> Option<&'static str> {
    match program {
        "npm" | "npx" => Some("npm"),
        "pip" | "pip3" => Some("python3-pip"),
        "yarn" | "pnpm" => Some("npm, then `npm install -g` it"),
        "make" => Some("make"),
        "bash" => Some("bash"),
        _ => IMAGES
            .iter()
            .find(|image| image.program == program)
            .map(|image| image.package),
    }
}

fn lookup(image: &str) -> Option<&'static LocalImage> {
    let name = repository(image);
    IMAGES.iter().find(|local| {
        local
            .names
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *pattern,
            })
    })
}

/// `docker.io/library/node:22-slim@sha256:…` → `node`: what is left of a reference without its
/// registry, tag, digest and the `library/` that Docker Hub implies.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    let name = match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => name,
    };
    name.strip_prefix("library/")
        .or_else(|| name.strip_prefix("docker/library/"))
        .unwrap_or(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn installed(_: &str) -> Option<PathBuf> {
        Some(PathBuf::from("/usr/bin/x"))
    }

    fn words(line: &[&str]) -> Vec<String> {
        line.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn references_are_reduced_to_the_repository() {
        for (reference, name) in [
            ("node", "node"),
            ("node:22-slim", "node"),
            ("docker.io/library/node:22@sha256:abc", "node"),
            ("localhost:5000/team/app", "team/app"),
            ("alpine/git:2.45.2", "alpine/git"),
            ("public.ecr.aws/docker/library/python:3.12", "python"),
        ] {
            assert_eq!(repository(reference), name, "{reference}");
        }
    }

    #[test]
    fn command_and_args_override_the_images_own() {
        let line = |image, command: &[&str], args: &[&str]| {
            command_line(image, words(command), words(args), installed)
        };
        assert_eq!(
            line("node:22", &["npm"], &["start"]).unwrap(),
            ["npm", "start"]
        );
        assert_eq!(
            line("alpine/git", &[], &["clone", "x"]).unwrap(),
            ["git", "clone", "x"]
        );
        assert_eq!(
            line("nginx", &[], &[]).unwrap(),
            ["nginx", "-g", "daemon off;"]
        );
        assert_eq!(
            line("node:22", &[], &[]),
            Err(ImageProblem::NoCommand("node:22".to_owned()))
        );
    }

    #[test]
    fn an_image_that_is_only_an_image_names_the_ways_out() {
        let problem = command_line("postgres:16", words(&["x"]), vec![], installed).unwrap_err();
        assert_eq!(problem.reason(), "ImageNotRunnableLocally");
        assert!(
            problem.to_string().contains("Kubernetes cluster"),
            "{problem}"
        );
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let problem = command_line("golang:1.22", words(&["go"]), vec![], |_| None).unwrap_err();
        assert!(problem.to_string().contains("golang-go"), "{problem}");
    }
}
