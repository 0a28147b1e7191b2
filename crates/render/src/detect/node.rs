//! Programs with a package.json.

use super::{Confidence, DEFAULT_PORT, Directory, Plan, Step};

/// Runs its arguments with the package manager on the path that `INSTALL_WITH` put there.
const RUN: &str = r#"PATH="$CATALYST_TOOLS/node_modules/.bin:$PATH"; export PATH; exec "$@""#;

/// The same for what is not a development server.
const RUN_PRODUCTION: &str = r#"NODE_ENV=${NODE_ENV:-production}; PATH="$CATALYST_TOOLS/node_modules/.bin:$PATH"; export NODE_ENV PATH; exec "$@""#;

/// Installs a package manager next to the source, then runs the rest with it. Both steps run in
/// containers of their own, and a volume is what they share.
const INSTALL_WITH: &str = r#"set -e
npm install --prefix "$CATALYST_TOOLS" --no-save --no-audit --no-fund -- "$1"
shift
PATH="$CATALYST_TOOLS/node_modules/.bin:$PATH"
export PATH
exec "$@""#;

/// Runs its arguments.
const EXEC: &str = r#"exec "$@""#;

const DEFAULT_NODE: u32 = 22;

/// The scripts that start a development server, the plainest name first.
pub(super) const DEV_SCRIPTS: [&str; 4] = ["dev", "develop", "start:dev", "serve"];

/// Other scripts that usually start a server.
const OTHER_SCRIPTS: [&str; 3] = ["start", "preview", "storybook"];
/// Those that serve what was built.
const BUILT_SCRIPTS: [&str; 2] = ["start", "preview"];

/// A package manager and what it is called with.
#[derive(Debug, PartialEq, Eq)]
struct Manager {
    /// Its command.
    command: &'static str,
    /// What npm installs to get it; none for npm itself.
    package: Option<String>,
    /// The arguments that install the dependencies.
    install: &'static [&'static str],
}

/// The `packageManager` field, then lock files, then npm.
fn manager(directory: &Directory) -> Manager {
    let said = directory
        .get("packageManager")
        .and_then(|said| said.split_once('@'));
    let version = said.and_then(|(_, version)| {
        let version = version.split('+').next().unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        (version.starts_with(|c: char| c.is_ascii_digit()) && version.bytes().all(plain))
            .then_some(version)
    });
    let name = match said {
        Some((name @ ("npm" | "pnpm" | "yarn" | "bun"), _)) => name,
        _ if directory.has("pnpm-lock.yaml") => "pnpm",
        _ if directory.has("bun.lockb") || directory.has("bun.lock") => "bun",
        _ if directory.has("yarn.lock") => "yarn",
        _ => "npm",
    };
    match name {
        "pnpm" => {
            // A pnpm reads the lock files of its own time.
            let by_lock = match directory.get("pnpm-lock") {
                Some("5") => "7",
                Some("6") => "8",
                _ => "9",
            };
            let frozen = directory.has("pnpm-lock.yaml");
            Manager {
                command: "pnpm",
                package: Some(format!("pnpm@{}", version.unwrap_or(by_lock))),
                install: if frozen {
                    &["install", "--frozen-lockfile"]
                } else {
                    &["install"]
                },
            }
        }
        "yarn" => {
            let modern = match version {
                Some(version) => !version.starts_with("0.") && !version.starts_with("1."),
                None => directory.get("yarn") == Some("berry"),
            };
            let frozen = directory.has("yarn.lock");
            Manager {
                command: "yarn",
                package: Some(if modern {
                    format!("@yarnpkg/cli-dist@{}", version.unwrap_or("4"))
                } else {
                    format!("yarn@{}", version.unwrap_or("1"))
                }),
                install: match (frozen, modern) {
                    (false, _) => &["install"],
                    (true, true) => &["install", "--immutable"],
                    (true, false) => &["install", "--frozen-lockfile"],
                },
            }
        }
        "bun" => {
            let frozen = directory.has("bun.lockb") || directory.has("bun.lock");
            Manager {
                command: "bun",
                package: Some(format!("bun@{}", version.unwrap_or("1"))),
                install: if frozen {
                    &["install", "--frozen-lockfile"]
                } else {
                    &["install"]
                },
            }
        }
        _ => {
            let locked = directory.has("package-lock.json") || directory.has("npm-shrinkwrap.json");
            Manager {
                command: "npm",
                package: None,
                install: if locked {
                    &["ci", "--no-audit", "--no-fund"]
                } else {
                    &["install", "--no-audit", "--no-fund"]
                },
            }
        }
    }
}

/// The major version that the repository asks for, within what is in use.
pub(super) fn node_version(directory: &Directory) -> u32 {
    let major = |text: &str| {
        let digits: String = text
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        digits
            .parse::<u32>()
            .ok()
            .filter(|major| (16..=30).contains(major))
    };
    if let Some(wanted) = directory.get("node-version").and_then(major) {
        return wanted;
    }
    match directory.get("node") {
        Some(range) if range.contains(['>', '|', '*', 'x']) => {
            major(range).map_or(DEFAULT_NODE, |least| least.max(DEFAULT_NODE))
        }
        Some(range) => major(range).unwrap_or(DEFAULT_NODE),
        None => DEFAULT_NODE,
    }
}

/// The root, where this directory is a part of its workspace.
fn workspace<'a>(directory: &Directory, root: Option<&'a Directory>) -> Option<&'a Directory> {
    root.filter(|root| {
        directory.path != "."
            && root.has("package.json")
            && (root.get("workspaces").is_some() || root.has("pnpm-lock.yaml"))
            && directory
                .first_of(&[
                    "package-lock.json",
                    "pnpm-lock.yaml",
                    "yarn.lock",
                    "bun.lock",
                    "bun.lockb",
                ])
                .is_none()
    })
}

/// The image for what is in `directory` and the step that installs its dependencies, if it has
/// any. In a workspace they are installed at the root.
pub(super) fn toolchain(directory: &Directory, root: Option<&Directory>) -> (String, Option<Step>) {
    let workspace = workspace(directory, root);
    let place = workspace.unwrap_or(directory);
    let image = format!("node:{}", node_version(place));
    let needed = place.get("workspaces").is_some()
        || place.get("dependencies").is_none_or(|count| count != "0")
        || workspace.is_some();
    if !needed {
        return (image, None);
    }
    let manager = manager(place);
    let mut arguments: Vec<&str> = manager.package.as_deref().into_iter().collect();
    arguments.push(manager.command);
    arguments.extend(manager.install);
    let script = if manager.package.is_some() {
        INSTALL_WITH
    } else {
        EXEC
    };
    let shown: Vec<_> = manager
        .install
        .iter()
        .filter(|a| !a.starts_with("--no-"))
        .copied()
        .collect();
    let words = format!("{} {}", manager.command, shown.join(" "));
    (
        image,
        Some(Step::shell(&place.path, script, &arguments, &words)),
    )
}

/// A development server by its script.
pub(super) fn dev(
    directory: &Directory,
    root: Option<&Directory>,
    port: Option<u16>,
) -> Option<Plan> {
    let (name, script) = DEV_SCRIPTS
        .iter()
        .find_map(|&name| Some((name, directory.script(name)?)))?;
    let mut plan = by_script(directory, root, name, &script, port);
    plan.start.argv[2] = RUN.to_owned();
    plan.env
        .push(("NODE_ENV".to_owned(), "development".to_owned()));
    Some(plan)
}

/// A program by its `start` script, or by its file.
pub(super) fn start(
    directory: &Directory,
    root: Option<&Directory>,
    port: Option<u16>,
) -> Option<Plan> {
    if let Some(script) = directory.script("start") {
        let mut plan = by_script(directory, root, "start", &script, port);
        plan.confidence = Confidence::Low;
        let serves_source = tool(&script).is_some_and(|tool| tool.serves_source);
        if directory.script("build").is_some() && !serves_source {
            let runner = runner(directory, root);
            let words = format!("{runner} run build");
            plan.build = Some(Step::shell(
                &directory.path,
                RUN,
                &[runner, "run", "build"],
                &words,
            ));
        }
        return Some(plan);
    }
    let file = main_file(directory).filter(|_| directory.has("package.json"))?;
    let (image, install) = toolchain(directory, root);
    let kind = format!("Node {}", image.trim_start_matches("node:"));
    Some(Plan {
        image,
        install,
        build: None,
        start: Step::shell(
            &directory.path,
            RUN_PRODUCTION,
            &["node", file],
            &format!("node {file}"),
        ),
        env: Vec::new(),
        port: port
            .or_else(|| directory.fixed_port())
            .unwrap_or(DEFAULT_PORT),
        kind,
        confidence: Confidence::Low,
    })
}

/// The file that a program without a script most likely begins in.
pub(super) fn main_file(directory: &Directory) -> Option<&str> {
    ["server", "index", "app", "main"].iter().find_map(|stem| {
        directory.first_of(&[
            &format!("{stem}.js"),
            &format!("{stem}.mjs"),
            &format!("{stem}.cjs"),
        ])
    })
}

/// The package manager of a directory, or of the workspace that it belongs to.
pub(super) fn manager_name(directory: &Directory, root: Option<&Directory>) -> &'static str {
    runner(directory, root)
}

/// What a person types to bring in the dependencies.
pub(super) fn install_words(directory: &Directory, root: Option<&Directory>) -> String {
    let place = workspace(directory, root).unwrap_or(directory);
    let manager = manager(place);
    let shown: Vec<_> = manager
        .install
        .iter()
        .filter(|a| !a.starts_with("--no-"))
        .copied()
        .collect();
    format!("{} {}", manager.command, shown.join(" "))
}

/// The port that a script names.
pub(super) fn said_port(script: &str) -> Option<u16> {
    match port_in(script) {
        Said::Number(port) => Some(port),
        Said::Nothing | Said::Variable => None,
    }
}

fn runner(directory: &Directory, root: Option<&Directory>) -> &'static str {
    let own = manager(directory);
    match root {
        Some(root) if own.command == "npm" && directory.path != "." => manager(root).command,
        _ => own.command,
    }
}

/// The words that run a script, with flags that make a known server listen on `port` at all addresses.
fn call(runner: &str, name: &str, script: &str, port: &str) -> Vec<String> {
    let mut words = vec![runner.to_owned(), "run".to_owned(), name.to_owned()];
    let flags = tool(script)
        .map(|tool| tool.flags(script, &port_in(script)))
        .unwrap_or_default();
    if !flags.is_empty() && runner == "npm" {
        words.push("--".to_owned());
    }
    words.extend(flags.iter().map(|flag| flag.replace("PORT", port)));
    words
}

/// The ways to run it that its scripts are: what a person types, the command line for a shell in which
/// `PORT` is set, and where it listens whatever that is.
pub(super) fn scripts(
    directory: &Directory,
    root: Option<&Directory>,
) -> Vec<(String, String, Option<u16>)> {
    let runner = runner(directory, root);
    let found = DEV_SCRIPTS.into_iter().chain(OTHER_SCRIPTS);
    let found = found.filter_map(|name| Some((name, directory.script(name)?)));
    let ways = found.map(|(name, script)| {
        let words = format!("{runner} run {name}");
        let line = call(runner, name, &script, "$PORT").join(" ");
        let serves_source = tool(&script).is_some_and(|tool| tool.serves_source);
        let is_built = BUILT_SCRIPTS.contains(&name) && !serves_source;
        if is_built && directory.script("build").is_some() {
            let build = format!("{runner} run build");
            let line = format!("export NODE_ENV=production && {build} && exec {line}");
            return (format!("{build} && {words}"), line, said_port(&script));
        }
        (words, format!("exec {line}"), said_port(&script))
    });
    ways.collect()
}

fn by_script(
    directory: &Directory,
    root: Option<&Directory>,
    name: &str,
    script: &str,
    port: Option<u16>,
) -> Plan {
    let (image, install) = toolchain(directory, root);
    let runner = runner(directory, root);
    let tool = tool(script);
    let said = port_in(script);
    let port = match (port, &said, tool) {
        (Some(port), ..) => port,
        (None, Said::Number(said), _) => *said,
        (None, Said::Variable, _) | (None, Said::Nothing, Some(_)) => DEFAULT_PORT,
        (None, Said::Nothing, None) => directory.fixed_port().unwrap_or(DEFAULT_PORT),
    };
    let call = call(runner, name, script, &port.to_string());
    let arguments: Vec<_> = call.iter().map(String::as_str).collect();

    let version = image.trim_start_matches("node:");
    let kind = match tool {
        Some(tool) => format!("{} on Node {version}", tool.name),
        None => format!("Node {version}"),
    };
    let words = format!("{runner} run {name}");
    Plan {
        start: Step::shell(&directory.path, RUN_PRODUCTION, &arguments, &words),
        image,
        install,
        build: None,
        env: QUIET
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        port,
        kind,
        confidence: Confidence::High,
    }
}

/// Keeps tools from opening browsers and calling home.
const QUIET: [(&str, &str); 4] = [
    ("BROWSER", "none"),
    ("NEXT_TELEMETRY_DISABLED", "1"),
    ("ASTRO_TELEMETRY_DISABLED", "1"),
    ("NUXT_TELEMETRY_DISABLED", "1"),
];

/// A server that takes its address from flags, or is known to heed `HOST` and `PORT`.
#[derive(Debug, PartialEq, Eq)]
struct Tool {
    command: &'static str,
    name: &'static str,
    /// Flags that make it listen on every address.
    host: &'static [&'static str],
    /// Flags that name the port; `PORT` stands for it.
    port: &'static [&'static str],
    /// Whether it serves the source itself, so that nothing is built before.
    serves_source: bool,
}

const LONG_HOST: &[&str] = &["--host", "0.0.0.0"];
const LONG_PORT: &[&str] = &["--port", "PORT"];
const SHORT_PORT: &[&str] = &["-p", "PORT"];

#[rustfmt::skip]
const TOOLS: &[Tool] = &[
    Tool { command: "vite", name: "Vite", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "next", name: "Next.js", host: &["-H", "0.0.0.0"], port: SHORT_PORT, serves_source: false },
    Tool { command: "nuxt", name: "Nuxt", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "nuxi", name: "Nuxt", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "astro", name: "Astro", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "remix", name: "Remix", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "react-router", name: "React Router", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "vinxi", name: "Vinxi", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "rsbuild", name: "Rsbuild", host: LONG_HOST, port: LONG_PORT, serves_source: false },
    Tool { command: "react-scripts", name: "Create React App", host: &[], port: &[], serves_source: true },
    Tool { command: "vue-cli-service", name: "Vue CLI", host: LONG_HOST, port: LONG_PORT, serves_source: true },
    Tool { command: "webpack", name: "webpack", host: &["--host", "0.0.0.0", "--allowed-hosts", "all"], port: LONG_PORT, serves_source: true },
    Tool { command: "webpack-dev-server", name: "webpack", host: &["--host", "0.0.0.0", "--allowed-hosts", "all"], port: LONG_PORT, serves_source: true },
    Tool { command: "ng", name: "Angular", host: LONG_HOST, port: LONG_PORT, serves_source: true },
    Tool { command: "gatsby", name: "Gatsby", host: &["-H", "0.0.0.0"], port: SHORT_PORT, serves_source: true },
    Tool { command: "parcel", name: "Parcel", host: LONG_HOST, port: LONG_PORT, serves_source: true },
    Tool { command: "docusaurus", name: "Docusaurus", host: &["--host", "0.0.0.0", "--no-open"], port: LONG_PORT, serves_source: true },
    Tool { command: "eleventy", name: "Eleventy", host: &[], port: &["--port=PORT"], serves_source: true },
    Tool { command: "storybook", name: "Storybook", host: &["--host", "0.0.0.0", "--ci"], port: SHORT_PORT, serves_source: true },
    Tool { command: "wrangler", name: "Wrangler", host: &["--ip", "0.0.0.0"], port: LONG_PORT, serves_source: true },
    Tool { command: "http-server", name: "http-server", host: &["-a", "0.0.0.0"], port: SHORT_PORT, serves_source: false },
    Tool { command: "serve", name: "serve", host: &[], port: &["-l", "tcp://0.0.0.0:PORT"], serves_source: false },
    Tool { command: "sirv", name: "sirv", host: LONG_HOST, port: LONG_PORT, serves_source: false },
];

/// The server that a script ends in, if it is a known one.
fn tool(script: &str) -> Option<&'static Tool> {
    let last = script
        .rsplit(['&', ';', '|'])
        .find(|part| !part.trim().is_empty())?;
    let mut words = last.split_whitespace().filter(|word| {
        let assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        let prefix = matches!(
            *word,
            "npx" | "pnpm" | "yarn" | "bunx" | "bun" | "exec" | "env" | "cross-env" | "dotenv"
        );
        !assignment && !prefix && !word.starts_with('-')
    });
    let command = words.next()?.rsplit('/').next()?.trim_end_matches(".js");
    let argument = words.next();
    if matches!(
        (command, argument),
        (
            "vite" | "astro" | "rsbuild" | "parcel" | "webpack",
            Some("build")
        )
    ) {
        return None;
    }
    TOOLS.iter().find(|tool| tool.command == command)
}

/// What a script itself says about its port.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Number(u16),
    /// Some expression, such as `${PORT:-3000}`.
    Variable,
}

fn port_in(script: &str) -> Said {
    let mut words = script.split_whitespace();
    while let Some(word) = words.next() {
        let value = match word.split_once('=') {
            Some(("--port" | "PORT", value)) => value,
            None if matches!(word, "--port" | "-p") => words.next().unwrap_or_default(),
            _ => continue,
        };
        return value.parse().map_or(Said::Variable, Said::Number);
    }
    Said::Nothing
}

impl Tool {
    fn flags(&self, script: &str, said: &Said) -> Vec<&'static str> {
        let names_host = script.split_whitespace().any(|word| {
            matches!(
                word.split('=').next(),
                Some("--host" | "-H" | "--hostname" | "--ip" | "-a")
            )
        });
        let host = if names_host { &[] } else { self.host };
        let port = if *said == Said::Nothing {
            self.port
        } else {
            &[]
        };
        host.iter().chain(port).copied().collect()
    }
}
