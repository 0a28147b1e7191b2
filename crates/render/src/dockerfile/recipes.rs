//! One recipe a language.

use super::{Dockerfile, PORT, Writer, place, title};
use serde_json::json;

use crate::Images;
use crate::detect::{Directory, Stack};

/// Sites that are served as files once they are built, by the framework that builds them, and where
/// the files are then.
const BUILT_SITES: &[(&str, &str)] = &[
    ("Vite", "dist"),
    ("Create React App", "build"),
    ("Gatsby", "public"),
    ("Eleventy", "_site"),
    ("Docusaurus", "build"),
    ("Vue CLI", "dist"),
    ("VitePress", ".vitepress/dist"),
    ("Parcel", "dist"),
    ("Preact CLI", "build"),
    ("Rsbuild", "dist"),
    ("Ember", "dist"),
    ("webpack", "dist"),
];

/// Serves files without rights, on the port that programs are told; an unknown path shows the
/// beginning, as applications of one page expect it.
const SITE: &str = r#"RUN printf 'pid /tmp/nginx.pid;\nevents {}\nhttp { include /etc/nginx/mime.types; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; server { listen 8080; root /srv; location / { try_files $uri $uri/ $uri.html /index.html; } } }\n' > /etc/nginx/nginx.conf"#;
const NGINX: &str = "nginx:1.28-alpine";

/// What the package managers of Node.js read before they install.
const MANIFESTS: &[&str] = &[
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    ".pnpmfile.cjs",
    "yarn.lock",
    ".yarnrc",
    ".yarnrc.yml",
    "bun.lock",
    "bun.lockb",
    "bunfig.toml",
    ".npmrc",
];
const MANIFEST_FOLDERS: &[&str] = &[".yarn", "patches"];

pub(super) fn of(
    stack: &Stack,
    directory: &Directory,
    root: Option<&Directory>,
    images: &Images,
) -> Option<Dockerfile> {
    let reason = format!("{}: {}", title(stack), stack.reason);
    let mut writer = Writer::new(images, &title(stack));
    let port = match stack.project_type {
        "nodejs" => node(&mut writer, stack, directory, root)?,
        "python" => python(&mut writer, stack, directory)?,
        "ruby" => ruby(&mut writer, stack, directory)?,
        "go" => go(&mut writer, stack, directory)?,
        "rust" => rust(&mut writer, stack, directory),
        "java" => java(&mut writer, stack, directory)?,
        "php" => php(&mut writer, stack, directory),
        "deno" => deno(&mut writer, stack, directory)?,
        "elixir" => elixir(&mut writer, stack, directory),
        "dotnet" => dotnet(&mut writer, stack, directory)?,
        "static" => generator(&mut writer, stack, directory)?,
        _ => return None,
    };
    Some(writer.done(port, reason))
}

/// Files as they are.
pub(super) fn site(directory: &Directory, images: &Images) -> Option<Dockerfile> {
    let files = directory.get("site")?;
    let from = match (directory.path.as_str(), files) {
        (".", ".") => ".".to_owned(),
        (path, ".") => path.to_owned(),
        (".", files) => files.to_owned(),
        (path, files) => format!("{path}/{files}"),
    };
    let mut writer = Writer::new(images, "A static site");
    // JSON, so that a blank in a name is no end of it.
    writer
        .from(NGINX, None)
        .line(&format!("COPY {}", json!([from, "/srv/"])))
        .line(SITE);
    writer.start(PORT, &["nginx", "-g", "daemon off;"]);
    Some(writer.done(PORT, "a static site".to_owned()))
}

fn node(
    writer: &mut Writer,
    stack: &Stack,
    directory: &Directory,
    root: Option<&Directory>,
) -> Option<u16> {
    let manager = stack.package_manager.unwrap_or("npm");
    let base = format!("node:{}-slim", stack.version);
    // In a workspace the dependencies are the root's.
    let home = root
        .filter(|root| {
            directory.path != "."
                && root.has("package.json")
                && (root.get("workspaces").is_some() || root.has("pnpm-lock.yaml"))
        })
        .unwrap_or(directory);
    let at = place(directory);
    let framework = stack.framework.as_deref();
    let (cache, install): (&str, Vec<&str>) = match manager {
        "pnpm" => (
            "/root/.local/share/pnpm/store",
            if home.has("pnpm-lock.yaml") {
                vec!["pnpm", "install", "--frozen-lockfile"]
            } else {
                vec!["pnpm", "install"]
            },
        ),
        "yarn" => (
            "/usr/local/share/.cache/yarn",
            if home.has("yarn.lock") {
                vec![
                    "yarn",
                    "install",
                    if home.get("yarn") == Some("berry") {
                        "--immutable"
                    } else {
                        "--frozen-lockfile"
                    },
                ]
            } else {
                vec!["yarn", "install"]
            },
        ),
        "bun" => ("/root/.bun/install/cache", vec!["bun", "install"]),
        _ => (
            "/root/.npm",
            if home.has("package-lock.json") || home.has("npm-shrinkwrap.json") {
                vec!["npm", "ci", "--no-audit", "--no-fund"]
            } else {
                vec!["npm", "install", "--no-audit", "--no-fund"]
            },
        ),
    };
    writer.from(&base, Some("build"));
    match manager {
        "pnpm" | "yarn" => drop(
            writer
                .line("ENV COREPACK_ENABLE_DOWNLOAD_PROMPT=0")
                .line("RUN npm install --global corepack@latest && corepack enable"),
        ),
        "bun" => drop(writer.line("RUN npm install --global bun@1")),
        _ => {}
    }
    writer.line(
        "ENV NEXT_TELEMETRY_DISABLED=1 ASTRO_TELEMETRY_DISABLED=1 NUXT_TELEMETRY_DISABLED=1 CI=1",
    );
    writer.line(&format!("WORKDIR {}", place(home)));
    let manifests = Some(home)
        .filter(|home| home.path == directory.path)
        .and_then(manifests);
    for copy in manifests.iter().flatten() {
        writer.line(&format!("COPY {}", json!(copy)));
    }
    if manifests.is_none() {
        writer.line("COPY . /app");
    }
    writer.run(&[cache], &install);
    if manifests.is_some() {
        writer.line("COPY . /app");
    }
    writer.line(&format!("WORKDIR {at}"));
    if stack.build.is_some() {
        writer.run(&[], &[manager, "run", "build"]);
    }
    let serves_files = BUILT_SITES
        .iter()
        .find(|(name, _)| Some(*name) == framework && stack.build.is_some());
    let is_server = directory.script("start").is_some_and(|start| {
        start.contains("node ") || start.contains("tsx ") || start.contains("bun ")
    });
    let astro_files = framework == Some("Astro")
        && !directory
            .all("dependency")
            .any(|name| name == "@astrojs/node");
    if let Some((_, files)) = serves_files.filter(|_| !is_server).copied().or_else(|| {
        astro_files
            .then_some(("Astro", "dist"))
            .filter(|_| stack.build.is_some())
    }) {
        writer
            .from(NGINX, None)
            .line(&format!("COPY --from=build {at}/{files} /srv"))
            .line(SITE);
        writer.start(PORT, &["nginx", "-g", "daemon off;"]);
        return Some(PORT);
    }
    if framework == Some("Angular") && stack.build.is_some() {
        writer.shell(&[], "set -e; out=$(find dist -name index.html -o -name index.csr.html | head -n 1); mv \"$(dirname \"$out\")\" /srv; [ -f /srv/index.html ] || mv /srv/index.csr.html /srv/index.html");
        writer
            .from(NGINX, None)
            .line("COPY --from=build /srv /srv")
            .line(SITE);
        writer.start(PORT, &["nginx", "-g", "daemon off;"]);
        return Some(PORT);
    }
    writer
        .from(&base, None)
        .line("ENV NODE_ENV=production NEXT_TELEMETRY_DISABLED=1")
        .line(&format!("WORKDIR {at}"));
    match manager {
        "pnpm" => drop(writer.line("RUN npm install --global pnpm@9")),
        "bun" => drop(writer.line("RUN npm install --global bun@1")),
        _ => {}
    }
    writer
        .line("COPY --from=build --chown=10001:10001 /app /app")
        .line("ENV HOME=/tmp");
    let words: Vec<String> = match framework {
        Some("Next.js") => vec!["npx", "next", "start", "-H", "0.0.0.0", "-p", "8080"]
            .into_iter()
            .map(ToOwned::to_owned)
            .collect(),
        Some("Nuxt") => vec!["node".into(), ".output/server/index.mjs".into()],
        Some("SvelteKit") if directory.depends("@sveltejs/adapter-node") => {
            vec!["node".into(), "build".into()]
        }
        Some("SvelteKit" | "Vite") => vec![
            "npx".into(),
            "vite".into(),
            "preview".into(),
            "--host".into(),
            "0.0.0.0".into(),
            "--port".into(),
            "8080".into(),
        ],
        Some("Astro") => vec!["node".into(), "./dist/server/entry.mjs".into()],
        _ => {
            let start = stack.start.clone().or_else(|| stack.dev.clone())?;
            start.split_whitespace().map(ToOwned::to_owned).collect()
        }
    };
    let port = if framework
        .is_some_and(|name| matches!(name, "Next.js" | "Nuxt" | "SvelteKit" | "Astro" | "Vite"))
    {
        PORT
    } else {
        directory.fixed_port().unwrap_or(PORT)
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    writer.start(port, &words);
    Some(port)
}

/// What a package manager reads of a directory, in words for `COPY`, where it reads nothing else: what is
/// installed is kept then until one of these changes. None where scripts of its own run with it, or
/// packages of the repository itself are installed.
fn manifests(directory: &Directory) -> Option<Vec<Vec<String>>> {
    let scripts = ["preinstall", "install", "postinstall", "prepare"];
    let is_more = scripts.iter().any(|name| directory.script(name).is_some())
        || directory.get("workspaces").is_some()
        || directory.get("local-dependencies").is_some()
        || directory.has("pnpm-workspace.yaml");
    if is_more {
        return None;
    }
    let within = |name: &str| match directory.path.as_str() {
        "." => name.to_owned(),
        path => format!("{path}/{name}"),
    };
    let files = MANIFESTS
        .iter()
        .filter_map(|name| directory.first_of(&[name]));
    let files = files.map(within).chain(["./".to_owned()]).collect();
    let folders = MANIFEST_FOLDERS.iter().copied();
    let folders = folders.filter(|name| directory.knows("directory", name));
    let folders = folders.map(|name| vec![within(name), format!("./{name}")]);
    Some(std::iter::once(files).chain(folders).collect())
}

fn python(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let base = format!("python:{}-slim", stack.version);
    let at = place(directory);
    writer.from(&base, None).line("ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv UV_PROJECT_ENVIRONMENT=/venv HOME=/tmp");
    writer
        .line("RUN python -m venv /venv")
        .line(&format!("WORKDIR {at}"))
        .line("COPY . /app");
    let cache = &["/root/.cache", "/tmp/.cache"];
    match stack.package_manager {
        Some("uv") => drop(writer.shell(cache, "pip install uv && uv sync --frozen --no-dev || uv sync --no-dev")),
        Some("poetry") => drop(writer.shell(cache, "pip install poetry && poetry install --no-root --no-interaction --only main")),
        Some("pipenv") => drop(writer.shell(cache, "pip install pipenv && if [ -f Pipfile.lock ]; then pipenv sync; else pipenv install --skip-lock; fi")),
        Some("pdm") => drop(writer.shell(cache, "pip install pdm && pdm sync --prod --no-editable")),
        _ if directory.has("requirements.txt") => drop(writer.shell(cache, "pip install -r requirements.txt")),
        _ if directory.first_of(&["pyproject.toml", "setup.py"]).is_some() => drop(writer.shell(cache, "pip install .")),
        _ => {}
    }
    let start = stack.start.clone()?;
    let plain = start.replace('\'', "");
    let words: Vec<&str> = plain.split_whitespace().collect();
    let (extra, mut all): (Option<&str>, Vec<&str>) = match words.first() {
        Some(&"gunicorn") => (Some("gunicorn"), vec!["gunicorn", "--bind", "0.0.0.0:8080"]),
        Some(&"uvicorn") => (
            Some("uvicorn"),
            vec!["uvicorn", "--host", "0.0.0.0", "--port", "8080"],
        ),
        Some(&"streamlit") => (
            None,
            words
                .iter()
                .copied()
                .chain([
                    "--server.address",
                    "0.0.0.0",
                    "--server.port",
                    "8080",
                    "--server.headless",
                    "true",
                ])
                .collect(),
        ),
        Some(&"python") => {
            let port = directory.fixed_port().unwrap_or(PORT);
            writer.line("RUN chown -R 10001:10001 /app");
            writer.line("ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=8080");
            writer.start(port, &words);
            return Some(port);
        }
        _ => return None,
    };
    if let Some(extra) = extra {
        writer.shell(cache, &format!("pip install {extra}"));
        all.extend(words.iter().skip(1).filter(|word| **word != "--reload"));
    }
    if directory.has("manage.py") {
        writer.line("RUN python manage.py collectstatic --noinput || true");
    }
    writer.line("RUN chown -R 10001:10001 /app");
    writer.start(PORT, &all);
    Some(PORT)
}

fn ruby(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let at = place(directory);
    let base = format!("ruby:{}-slim", stack.version);
    writer.from(&base, Some("build")).line("RUN apt-get update && apt-get install --yes --no-install-recommends build-essential git libpq-dev libyaml-dev libsqlite3-dev default-libmysqlclient-dev nodejs npm pkg-config && rm -rf /var/lib/apt/lists/*");
    writer
        .line("ENV BUNDLE_PATH=/gems BUNDLE_WITHOUT=development:test RAILS_ENV=production")
        .line(&format!("WORKDIR {at}"))
        .line("COPY . /app");
    writer.run(&["/root/.bundle/cache"], &["bundle", "install"]);
    let rails = stack.framework.as_deref() == Some("Ruby on Rails");
    if rails {
        writer.shell(
            &[],
            "SECRET_KEY_BASE_DUMMY=1 bundle exec rails assets:precompile || true",
        );
    }
    if stack.framework.as_deref() == Some("Jekyll") {
        writer.run(
            &[],
            &["bundle", "exec", "jekyll", "build", "--destination", "/srv"],
        );
        writer
            .from(NGINX, None)
            .line("COPY --from=build /srv /srv")
            .line(SITE);
        writer.start(PORT, &["nginx", "-g", "daemon off;"]);
        return Some(PORT);
    }
    writer.from(&base, None).line("RUN apt-get update && apt-get install --yes --no-install-recommends libpq5 libyaml-0-2 libsqlite3-0 libmariadb3 curl && rm -rf /var/lib/apt/lists/*");
    writer.line("ENV BUNDLE_PATH=/gems BUNDLE_WITHOUT=development:test RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1 HOME=/tmp").line(&format!("WORKDIR {at}"));
    writer
        .line("COPY --from=build /gems /gems")
        .line("COPY --from=build --chown=10001:10001 /app /app");
    let words: Vec<&str> = if rails {
        vec![
            "bundle", "exec", "rails", "server", "-b", "0.0.0.0", "-p", "8080",
        ]
    } else if directory.has("config.ru") {
        vec![
            "bundle", "exec", "rackup", "--host", "0.0.0.0", "--port", "8080",
        ]
    } else {
        vec![
            "bundle",
            "exec",
            "ruby",
            directory.first_of(&["app.rb", "server.rb", "main.rb", "web.rb"])?,
            "-o",
            "0.0.0.0",
            "-p",
            "8080",
        ]
    };
    writer.start(PORT, &words);
    Some(PORT)
}

fn go(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let package = directory.get("go")?;
    let caches = &["/go/pkg/mod", "/root/.cache/go-build"];
    writer
        .from(&format!("golang:{}", stack.version), Some("build"))
        .line(&format!("WORKDIR {}", place(directory)))
        .line("COPY . /app")
        .line("ENV CGO_ENABLED=0");
    writer.run(caches, &["go", "mod", "download"]);
    writer.run(
        caches,
        &[
            "go",
            "build",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags=-s -w",
            "-o",
            "/out/app",
            package,
        ],
    );
    let port = directory.fixed_port().unwrap_or(PORT);
    writer
        .from("gcr.io/distroless/static-debian12:nonroot", None)
        .line(&format!("WORKDIR {}", place(directory)))
        .line("COPY --from=build /app /app")
        .line("COPY --from=build /out/app /bin/app");
    writer.start(port, &["/bin/app"]);
    Some(port)
}

fn rust(writer: &mut Writer, stack: &Stack, directory: &Directory) -> u16 {
    let at = place(directory);
    let caches = &["/usr/local/cargo/registry", "/build"];
    writer.from(&format!("rust:{}-slim-bookworm", stack.version), Some("build")).line("RUN apt-get update && apt-get install --yes --no-install-recommends pkg-config libssl-dev && rm -rf /var/lib/apt/lists/*");
    writer
        .line(&format!("WORKDIR {at}"))
        .line("COPY . /app")
        .line("ENV CARGO_TARGET_DIR=/build");
    writer.shell(caches, "cargo build --release && mkdir /out && find /build/release -maxdepth 1 -type f -executable -exec cp {} /out/ \\;");
    // Of several programs, the one that is called like the package, else the first.
    let name = directory.get("rust-name").unwrap_or("app");
    writer.shell(&[], &format!("if [ -f /out/{name} ]; then mv /out/{name} /out/.app; else mv \"$(find /out -type f | sort | head -n 1)\" /out/.app; fi"));
    let port = directory.fixed_port().unwrap_or(PORT);
    writer.from("debian:bookworm-slim", None).line("RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates libssl3 && rm -rf /var/lib/apt/lists/*");
    writer
        .line(&format!("WORKDIR {at}"))
        .line("COPY --from=build /app /app")
        .line("COPY --from=build /out/.app /usr/local/bin/app")
        .line("ENV ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=8080");
    writer.start(port, &["app"]);
    port
}

fn java(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let at = place(directory);
    let maven = stack.package_manager == Some("maven");
    let quarkus = stack.framework.as_deref() == Some("Quarkus");
    let image = if maven {
        format!("maven:3-eclipse-temurin-{}", stack.version)
    } else {
        format!("gradle:8-jdk{}", stack.version)
    };
    writer
        .from(&image, Some("build"))
        .line(&format!("WORKDIR {at}"))
        .line("COPY . /app");
    if maven {
        writer.run(&["/root/.m2"], &["mvn", "-B", "-DskipTests", "package"]);
    } else {
        writer.run(
            &["/home/gradle/.gradle"],
            &["gradle", "--no-daemon", "build", "-x", "test"],
        );
    }
    let target = if maven { "target" } else { "build" };
    if quarkus {
        writer
            .from(&format!("eclipse-temurin:{}-jre", stack.version), None)
            .line("WORKDIR /app")
            .line(&format!("COPY --from=build {at}/{target}/quarkus-app /app"));
        writer.line("ENV QUARKUS_HTTP_HOST=0.0.0.0 QUARKUS_HTTP_PORT=8080");
        writer.start(PORT, &["java", "-jar", "/app/quarkus-run.jar"]);
        return Some(PORT);
    }
    let jars = if maven { "target" } else { "build/libs" };
    writer.shell(&[], &format!("mkdir /out && cp \"$(ls {jars}/*.jar | grep -v -e plain -e sources -e javadoc -e original | head -n 1)\" /out/app.jar"));
    writer
        .from(&format!("eclipse-temurin:{}-jre", stack.version), None)
        .line("WORKDIR /app")
        .line("COPY --from=build /out/app.jar /app/app.jar");
    writer.line("ENV SERVER_PORT=8080 MICRONAUT_SERVER_PORT=8080");
    let port = if stack.framework.is_some() {
        PORT
    } else {
        directory.fixed_port().unwrap_or(PORT)
    };
    writer.start(port, &["java", "-jar", "/app/app.jar"]);
    Some(port)
}

fn php(writer: &mut Writer, stack: &Stack, directory: &Directory) -> u16 {
    let at = place(directory);
    if directory.has("composer.json") {
        writer
            .from("composer:2", Some("vendor"))
            .line(&format!("WORKDIR {at}"))
            .line("COPY . /app");
        writer.run(
            &["/tmp/cache"],
            &[
                "composer",
                "install",
                "--no-dev",
                "--no-interaction",
                "--prefer-dist",
                "--no-scripts",
                "--ignore-platform-reqs",
                "--optimize-autoloader",
            ],
        );
    }
    if stack.build.is_some() {
        writer
            .from("node:22-slim", Some("assets"))
            .line(&format!("WORKDIR {at}"))
            .line("COPY . /app");
        writer.shell(&["/root/.npm"], "if [ -f package-lock.json ]; then npm ci --no-audit --no-fund; else npm install --no-audit --no-fund; fi && npm run build");
    }
    writer
        .from(&format!("php:{}-cli", stack.version), None)
        .line("RUN docker-php-ext-install pdo_mysql")
        .line(&format!("WORKDIR {at}"));
    let from = if directory.has("composer.json") {
        "COPY --from=vendor --chown=10001:10001 /app /app"
    } else {
        "COPY --chown=10001:10001 . /app"
    };
    writer.line(from);
    if stack.build.is_some() {
        writer.line(&format!(
            "COPY --from=assets --chown=10001:10001 {at}/public {at}/public"
        ));
    }
    let public = if directory.has("index.php") {
        "."
    } else {
        "public"
    };
    writer.line("ENV PHP_CLI_SERVER_WORKERS=4");
    writer.start(PORT, &["php", "-S", "0.0.0.0:8080", "-t", public]);
    PORT
}

fn deno(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let start = stack.start.clone()?;
    writer
        .from("denoland/deno:2.1.4", None)
        .line(&format!("WORKDIR {}", place(directory)))
        .line("COPY --chown=10001:10001 . /app")
        .line("ENV DENO_DIR=/deno HOME=/tmp")
        .line("RUN mkdir -p /deno");
    if let Some(install) = &stack.install {
        let words: Vec<&str> = install.split_whitespace().collect();
        writer.run(&[], &words);
    }
    if let Some(build) = &stack.build {
        let words: Vec<&str> = build.split_whitespace().collect();
        writer.run(&[], &words);
    }
    writer.line("RUN chown -R 10001:10001 /deno /app");
    let port = directory.fixed_port().unwrap_or(8000);
    let words: Vec<&str> = start.split_whitespace().collect();
    writer.start(port, &words);
    Some(port)
}

fn elixir(writer: &mut Writer, stack: &Stack, directory: &Directory) -> u16 {
    let phoenix = stack.framework.is_some();
    writer.from(&format!("elixir:{}-slim", stack.version), None).line("RUN apt-get update && apt-get install --yes --no-install-recommends build-essential git && rm -rf /var/lib/apt/lists/*");
    writer
        .line("ENV MIX_ENV=prod MIX_HOME=/mix HEX_HOME=/hex HOME=/tmp PHX_SERVER=true")
        .line(&format!("WORKDIR {}", place(directory)))
        .line("COPY . /app");
    writer.line("RUN mix local.hex --force && mix local.rebar --force && mix deps.get --only prod && mix compile");
    if phoenix {
        writer.line("RUN mix assets.deploy || true");
    }
    writer.line("RUN chown -R 10001:10001 /app /mix /hex");
    writer.start(
        PORT,
        if phoenix {
            &["mix", "phx.server"]
        } else {
            &["mix", "run", "--no-halt"]
        },
    );
    PORT
}

fn dotnet(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let project = directory
        .get("dotnet-web")
        .or_else(|| directory.get("dotnet"))?;
    let runtime = if directory.get("dotnet-web").is_some() {
        "aspnet"
    } else {
        "runtime"
    };
    writer
        .from(
            &format!("mcr.microsoft.com/dotnet/sdk:{}", stack.version),
            Some("build"),
        )
        .line(&format!("WORKDIR {}", place(directory)))
        .line("COPY . /app");
    writer.run(
        &["/root/.nuget/packages"],
        &[
            "dotnet",
            "publish",
            project,
            "--configuration",
            "Release",
            "--output",
            "/out",
        ],
    );
    writer
        .from(
            &format!("mcr.microsoft.com/dotnet/{runtime}:{}", stack.version),
            None,
        )
        .line("WORKDIR /app")
        .line("COPY --from=build /out /app")
        .line("ENV ASPNETCORE_HTTP_PORTS=8080 DOTNET_RUNNING_IN_CONTAINER=true");
    let name = project.rsplit('/').next().unwrap_or(project);
    let dll = format!(
        "{}.dll",
        name.trim_end_matches(".csproj").trim_end_matches(".fsproj")
    );
    writer.start(PORT, &["dotnet", &dll]);
    Some(PORT)
}

fn generator(writer: &mut Writer, stack: &Stack, directory: &Directory) -> Option<u16> {
    let at = place(directory);
    match stack.framework.as_deref()? {
        "Hugo" => {
            writer
                .from("hugomods/hugo:exts-0.140.2", Some("build"))
                .line(&format!("WORKDIR {at}"))
                .line("COPY . /app");
            writer.run(&[], &["hugo", "--minify", "--destination", "/srv"]);
        }
        "MkDocs" => {
            writer
                .from("python:3.12-slim", Some("build"))
                .line(&format!("WORKDIR {at}"))
                .line("COPY . /app");
            writer.shell(&["/root/.cache"], "pip install mkdocs mkdocs-material && if [ -f requirements.txt ]; then pip install -r requirements.txt; fi");
            writer.run(&[], &["mkdocs", "build", "--site-dir", "/srv"]);
        }
        "Jekyll" => {
            writer
                .from("ruby:3.4", Some("build"))
                .line(&format!("WORKDIR {at}"))
                .line("COPY . /app");
            writer.shell(&[], "if [ -f Gemfile ]; then bundle install && bundle exec jekyll build --destination /srv; else gem install jekyll && jekyll build --destination /srv; fi");
        }
        _ => return None,
    }
    writer
        .from(NGINX, None)
        .line("COPY --from=build /srv /srv")
        .line(SITE);
    writer.start(PORT, &["nginx", "-g", "daemon off;"]);
    Some(PORT)
}
