//! What a directory's program is written with, and the words that its people type.

use super::node;
use super::{Confidence, Directory};

/// A program in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Which kind of project, as the product calls it: `nodejs`, `python`, `static` …
    pub project_type: &'static str,
    /// The language, by its own name.
    pub language: &'static str,
    /// The framework, by its own name.
    pub framework: Option<String>,
    /// What brings in the dependencies.
    pub package_manager: Option<&'static str>,
    /// The version of the language's image.
    pub version: String,
    /// Brings in the dependencies.
    pub install: Option<String>,
    /// Starts it for work on it.
    pub dev: Option<String>,
    /// Makes what is started in production.
    pub build: Option<String>,
    /// Starts it in production.
    pub start: Option<String>,
    /// Where it listens if nobody says otherwise.
    pub port: u16,
    /// How sure that is.
    pub confidence: Confidence,
    /// What it was told from, in words.
    pub reason: String,
}

type NodeFramework = (&'static str, &'static str, u16);

/// Dependencies that name what a Node program is, the more telling first, and the port that each
/// listens on by itself.
#[rustfmt::skip]
const NODE_FRAMEWORKS: &[NodeFramework] = &[
    ("next", "Next.js", 3000), ("nuxt", "Nuxt", 3000), ("nuxt3", "Nuxt", 3000),
    ("@react-router/dev", "React Router", 5173), ("@remix-run/dev", "Remix", 3000), ("@remix-run/react", "Remix", 3000), ("@remix-run/node", "Remix", 3000),
    ("astro", "Astro", 4321), ("@sveltejs/kit", "SvelteKit", 5173), ("gatsby", "Gatsby", 8000), ("@angular/core", "Angular", 4200),
    ("@nestjs/core", "NestJS", 3000), ("@docusaurus/core", "Docusaurus", 3000), ("vitepress", "VitePress", 5173), ("vuepress", "VuePress", 8080),
    ("@redwoodjs/core", "RedwoodJS", 8910), ("@solidjs/start", "SolidStart", 3000), ("solid-start", "SolidStart", 3000), ("@builder.io/qwik-city", "Qwik", 5173),
    ("@tanstack/react-start", "TanStack Start", 3000), ("@tanstack/start", "TanStack Start", 3000), ("@strapi/strapi", "Strapi", 1337), ("@keystone-6/core", "Keystone", 3000),
    ("payload", "Payload", 3000), ("@adonisjs/core", "AdonisJS", 3333), ("@feathersjs/feathers", "Feathers", 3030), ("@loopback/core", "LoopBack", 3000), ("sails", "Sails", 1337),
    ("@11ty/eleventy", "Eleventy", 8080), ("hexo", "Hexo", 4000), ("react-scripts", "Create React App", 3000), ("@vue/cli-service", "Vue CLI", 8080),
    ("ember-cli", "Ember", 4200), ("preact-cli", "Preact CLI", 8080), ("expo", "Expo", 8081), ("@storybook/html", "Storybook", 6006),
    ("fastify", "Fastify", 3000), ("@hapi/hapi", "hapi", 3000), ("koa", "Koa", 3000), ("hono", "Hono", 3000), ("elysia", "Elysia", 3000),
    ("apollo-server", "Apollo Server", 4000), ("@apollo/server", "Apollo Server", 4000), ("graphql-yoga", "GraphQL Yoga", 4000), ("moleculer", "Moleculer", 3000), ("restify", "Restify", 8080), ("polka", "Polka", 3000),
    ("vite", "Vite", 5173), ("express", "Express", 3000), ("@rsbuild/core", "Rsbuild", 3000), ("parcel", "Parcel", 1234), ("parcel-bundler", "Parcel", 1234),
    ("webpack-dev-server", "webpack", 8080), ("snowpack", "Snowpack", 8080), ("socket.io", "Socket.IO", 3000), ("ws", "ws", 8080), ("http-server", "http-server", 8080), ("serve", "serve", 3000), ("json-server", "JSON Server", 3000), ("browser-sync", "Browsersync", 3000),
];

/// What the directory holds by the strongest of its signs.
#[must_use]
pub fn stack(directory: &Directory, root: Option<&Directory>) -> Option<Stack> {
    // A framework that names itself outweighs the package.json of its assets.
    let named = rails(directory)
        .or_else(|| laravel(directory))
        .or_else(|| phoenix(directory))
        .or_else(|| super::python::stack(directory).filter(|_| directory.has("manage.py")));
    named
        .or_else(|| deno(directory).filter(|_| !directory.has("package.json")))
        .or_else(|| node(directory, root))
        .or_else(|| go(directory))
        .or_else(|| rust(directory))
        .or_else(|| java(directory))
        .or_else(|| dotnet(directory))
        .or_else(|| ruby(directory))
        .or_else(|| elixir(directory))
        .or_else(|| php(directory))
        .or_else(|| super::python::stack(directory))
        .or_else(|| deno(directory))
        .or_else(|| generator(directory))
}

/// The framework of a Node program, and where it listens.
pub(super) fn node_framework(directory: &Directory) -> Option<(&'static str, u16)> {
    NODE_FRAMEWORKS
        .iter()
        .find(|(package, ..)| directory.depends(package))
        .map(|&(_, name, port)| (name, port))
}

fn node(directory: &Directory, root: Option<&Directory>) -> Option<Stack> {
    if !directory.has("package.json") {
        return None;
    }
    let framework = node_framework(directory);
    let manager = node::manager_name(directory, root);
    let runner = if manager == "npm" {
        "npm run".to_owned()
    } else if manager == "bun" {
        "bun run".to_owned()
    } else {
        manager.to_owned()
    };
    let script = |names: &[&str]| {
        names
            .iter()
            .find(|name| directory.script(name).is_some())
            .map(|name| (format!("{runner} {name}"), (*name).to_owned()))
    };
    let dev = script(&node::DEV_SCRIPTS);
    let build = script(&["build"]);
    let file = node::main_file(directory);
    let start = script(&["start:prod"])
        .filter(|_| directory.depends("@nestjs/core"))
        .or_else(|| script(&["start"]));
    let start_words = start
        .clone()
        .map(|(words, _)| words)
        .or_else(|| file.map(|file| format!("node {file}")));
    let typescript = directory.depends("typescript") || directory.has("tsconfig.json");
    let (confidence, reason) = if let Some((_, name)) = &dev {
        (
            Confidence::High,
            format!("package.json has a {name:?} script"),
        )
    } else if start.is_some() {
        (
            Confidence::Low,
            "package.json has a \"start\" script and none for development".to_owned(),
        )
    } else if let Some(file) = file {
        (
            Confidence::Low,
            format!("package.json has no script that starts it; {file} looks like its beginning"),
        )
    } else {
        (
            Confidence::Low,
            "package.json has no script that starts it".to_owned(),
        )
    };
    let said = dev
        .as_ref()
        .or(start.as_ref())
        .and_then(|(_, name)| node::said_port(&directory.script(name)?));
    let port = said
        .or_else(|| directory.fixed_port())
        .or(framework.map(|(_, port)| port))
        .unwrap_or(3000);
    Some(Stack {
        project_type: "nodejs",
        language: if typescript {
            "TypeScript"
        } else {
            "JavaScript"
        },
        framework: framework.map(|(name, _)| name.to_owned()),
        package_manager: Some(manager),
        version: node::node_version(directory).to_string(),
        install: Some(node::install_words(directory, root)),
        dev: dev.map(|(words, _)| words),
        build: build.map(|(words, _)| words),
        start: start_words,
        port,
        confidence,
        reason: match framework {
            Some((name, _)) => format!("{reason}; it depends on {name}"),
            None => reason,
        },
    })
}

fn gem(directory: &Directory, name: &str) -> bool {
    directory.knows("gem", name)
}

fn ruby_version(directory: &Directory) -> String {
    directory.get("ruby-version").unwrap_or("3.4").to_owned()
}

fn rails(directory: &Directory) -> Option<Stack> {
    let is = gem(directory, "rails")
        || (directory.has("config.ru") && directory.has("Rakefile") && gem(directory, "railties"));
    is.then(|| Stack {
        project_type: "ruby",
        language: "Ruby",
        framework: Some("Ruby on Rails".to_owned()),
        package_manager: Some("bundler"),
        version: ruby_version(directory),
        install: Some("bundle install".to_owned()),
        dev: Some(
            if directory.get("procfile-dev").is_some() {
                "bin/dev"
            } else {
                "bin/rails server"
            }
            .to_owned(),
        ),
        build: Some("bin/rails assets:precompile".to_owned()),
        start: Some("bin/rails server -e production".to_owned()),
        port: directory.fixed_port().unwrap_or(3000),
        confidence: Confidence::High,
        reason: "the Gemfile names rails".to_owned(),
    })
}

fn ruby(directory: &Directory) -> Option<Stack> {
    if !directory.has("Gemfile") {
        return None;
    }
    let file = directory.first_of(&["app.rb", "server.rb", "main.rb", "web.rb"]);
    let rack = directory.has("config.ru");
    let (framework, port) = if gem(directory, "sinatra") {
        (Some("Sinatra"), 4567)
    } else if gem(directory, "hanami") {
        (Some("Hanami"), 2300)
    } else if gem(directory, "jekyll") || directory.get("generator") == Some("Jekyll") {
        (Some("Jekyll"), 4000)
    } else if gem(directory, "grape") {
        (Some("Grape"), 9292)
    } else if gem(directory, "roda") {
        (Some("Roda"), 9292)
    } else {
        (rack.then_some("Rack"), 9292)
    };
    let start = match (framework, rack, file) {
        (Some("Jekyll"), ..) => "bundle exec jekyll serve --host 0.0.0.0".to_owned(),
        (_, true, _) => "bundle exec rackup --host 0.0.0.0".to_owned(),
        (_, _, Some(file)) => format!("bundle exec ruby {file}"),
        _ => return None,
    };
    Some(Stack {
        project_type: "ruby",
        language: "Ruby",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some("bundler"),
        version: ruby_version(directory),
        install: Some("bundle install".to_owned()),
        dev: Some(start.clone()),
        build: (framework == Some("Jekyll")).then(|| "bundle exec jekyll build".to_owned()),
        start: Some(start),
        port: directory.fixed_port().unwrap_or(port),
        confidence: if framework.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: match framework {
            Some(name) => format!("it has a Gemfile and is written with {name}"),
            None => "it has a Gemfile".to_owned(),
        },
    })
}

fn php_version(directory: &Directory) -> String {
    directory
        .get("php-version")
        .filter(|version| version.starts_with('8'))
        .unwrap_or("8.4")
        .to_owned()
}

fn laravel(directory: &Directory) -> Option<Stack> {
    (directory.knows("php", "laravel/framework")
        || (directory.has("artisan") && directory.has("composer.json")))
    .then(|| Stack {
        project_type: "php",
        language: "PHP",
        framework: Some("Laravel".to_owned()),
        package_manager: Some("composer"),
        version: php_version(directory),
        install: Some("composer install".to_owned()),
        dev: Some("php artisan serve".to_owned()),
        build: directory
            .script("build")
            .map(|_| "npm run build".to_owned()),
        start: Some("php artisan serve --host=0.0.0.0".to_owned()),
        port: 8000,
        confidence: Confidence::High,
        reason: "composer.json names laravel/framework".to_owned(),
    })
}

fn php(directory: &Directory) -> Option<Stack> {
    let files = directory.has("index.php") || directory.knows("directory", "public");
    if !directory.has("composer.json") && !directory.has("index.php") {
        return None;
    }
    let framework = [
        ("symfony/framework-bundle", "Symfony"),
        ("slim/slim", "Slim"),
        ("cakephp/cakephp", "CakePHP"),
        ("codeigniter4/framework", "CodeIgniter"),
        ("yiisoft/yii2", "Yii"),
        ("laravel/lumen-framework", "Lumen"),
        ("drupal/core-recommended", "Drupal"),
    ]
    .into_iter()
    .find(|(package, _)| directory.knows("php", package))
    .map(|(_, name)| name)
    .or_else(|| directory.has("wp-config.php").then_some("WordPress"))
    .or_else(|| directory.has("wp-config-sample.php").then_some("WordPress"));
    let place = if directory.has("index.php") {
        "."
    } else {
        "public"
    };
    let start = format!("php -S 0.0.0.0:8000 -t {place}");
    Some(Stack {
        project_type: "php",
        language: "PHP",
        framework: framework.map(ToOwned::to_owned),
        package_manager: directory.has("composer.json").then_some("composer"),
        version: php_version(directory),
        install: directory
            .has("composer.json")
            .then(|| "composer install".to_owned()),
        dev: Some(start.clone()),
        build: None,
        start: Some(start),
        port: 8000,
        confidence: if framework.is_some() || files {
            Confidence::Medium
        } else {
            Confidence::Low
        },
        reason: match framework {
            Some(name) => format!("composer.json or its files name {name}"),
            None if directory.has("composer.json") => "it has a composer.json".to_owned(),
            None => "it has an index.php".to_owned(),
        },
    })
}

fn phoenix(directory: &Directory) -> Option<Stack> {
    (directory.get("elixir") == Some("Phoenix")).then(|| Stack {
        project_type: "elixir",
        language: "Elixir",
        framework: Some("Phoenix".to_owned()),
        package_manager: Some("mix"),
        version: "1.18".to_owned(),
        install: Some("mix deps.get".to_owned()),
        dev: Some("mix phx.server".to_owned()),
        build: Some("mix do compile, assets.deploy, release".to_owned()),
        start: Some("mix phx.server".to_owned()),
        port: 4000,
        confidence: Confidence::High,
        reason: "mix.exs names phoenix".to_owned(),
    })
}

fn elixir(directory: &Directory) -> Option<Stack> {
    directory.has("mix.exs").then(|| Stack {
        project_type: "elixir",
        language: "Elixir",
        framework: None,
        package_manager: Some("mix"),
        version: "1.18".to_owned(),
        install: Some("mix deps.get".to_owned()),
        dev: Some("mix run --no-halt".to_owned()),
        build: Some("mix compile".to_owned()),
        start: Some("mix run --no-halt".to_owned()),
        port: 4000,
        confidence: Confidence::Medium,
        reason: "it has a mix.exs".to_owned(),
    })
}

fn java(directory: &Directory) -> Option<Stack> {
    let maven = directory.has("pom.xml");
    let gradle = directory
        .first_of(&["build.gradle", "build.gradle.kts"])
        .is_some();
    if !maven && !gradle {
        return None;
    }
    let framework = directory.get("java");
    let (manager, tool) = if maven {
        (
            "maven",
            if directory.has("mvnw") {
                "./mvnw"
            } else {
                "mvn"
            },
        )
    } else {
        (
            "gradle",
            if directory.has("gradlew") {
                "./gradlew"
            } else {
                "gradle"
            },
        )
    };
    let dev = match (framework, maven) {
        (Some("Spring Boot"), true) => format!("{tool} spring-boot:run"),
        (Some("Spring Boot"), false) => format!("{tool} bootRun"),
        (Some("Quarkus"), true) => format!("{tool} quarkus:dev"),
        (Some("Quarkus"), false) => format!("{tool} quarkusDev"),
        (Some("Micronaut"), true) => format!("{tool} mn:run"),
        (_, true) => format!("{tool} compile exec:java"),
        (_, false) => format!("{tool} run"),
    };
    let (build, jar) = if maven {
        (
            format!("{tool} package -DskipTests"),
            if framework == Some("Quarkus") {
                "target/quarkus-app/quarkus-run.jar"
            } else {
                "target/*.jar"
            },
        )
    } else {
        (
            format!("{tool} build -x test"),
            if framework == Some("Quarkus") {
                "build/quarkus-app/quarkus-run.jar"
            } else {
                "build/libs/*.jar"
            },
        )
    };
    Some(Stack {
        project_type: "java",
        language: if directory.get("kotlin").is_some() {
            "Kotlin"
        } else {
            "Java"
        },
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some(manager),
        version: directory
            .get("java-version")
            .filter(|version| matches!(*version, "8" | "11" | "17" | "21" | "24" | "25"))
            .unwrap_or("21")
            .to_owned(),
        install: None,
        dev: Some(dev),
        build: Some(build),
        start: Some(format!("java -jar {jar}")),
        port: directory.fixed_port().unwrap_or(8080),
        confidence: if framework.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: match framework {
            Some(name) => format!("its {manager} build names {name}"),
            None => format!("it is built with {manager}"),
        },
    })
}

fn dotnet(directory: &Directory) -> Option<Stack> {
    let web = directory.get("dotnet-web");
    let project = web.or_else(|| directory.get("dotnet"))?;
    Some(Stack {
        project_type: "dotnet",
        language: if project.ends_with(".fsproj") {
            "F#"
        } else {
            "C#"
        },
        framework: web.map(|_| "ASP.NET Core".to_owned()),
        package_manager: Some("nuget"),
        version: directory.get("dotnet-version").unwrap_or("9.0").to_owned(),
        install: Some("dotnet restore".to_owned()),
        dev: Some(format!("dotnet watch run --project {project}")),
        build: Some(format!("dotnet publish -c Release {project}")),
        start: Some(format!("dotnet run -c Release --project {project}")),
        port: 8080,
        confidence: if web.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: match web {
            Some(project) => format!("{project} is a project of the web SDK"),
            None => format!("it has the project {project}"),
        },
    })
}

fn go(directory: &Directory) -> Option<Stack> {
    let package = directory.get("go")?;
    let framework = directory.get("go-framework");
    Some(Stack {
        project_type: "go",
        language: "Go",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some("go modules"),
        version: directory.get("go-version").unwrap_or("1").to_owned(),
        install: Some("go mod download".to_owned()),
        dev: Some(format!("go run {package}")),
        build: Some(format!("go build -o app {package}")),
        start: Some("./app".to_owned()),
        port: directory.fixed_port().unwrap_or(8080),
        confidence: Confidence::Medium,
        reason: format!("go.mod is there, and package main in {package}"),
    })
}

fn rust(directory: &Directory) -> Option<Stack> {
    directory.get("rust")?;
    let framework = directory.get("rust-framework");
    let port = match framework {
        Some("Rocket") => 8000,
        Some("Axum" | "Leptos" | "Poem") => 3000,
        _ => 8080,
    };
    Some(Stack {
        project_type: "rust",
        language: "Rust",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some("cargo"),
        version: "1".to_owned(),
        install: Some("cargo fetch".to_owned()),
        dev: Some("cargo run".to_owned()),
        build: Some("cargo build --release".to_owned()),
        start: Some(format!(
            "./target/release/{}",
            directory.get("rust-name").unwrap_or("app")
        )),
        port: directory.fixed_port().unwrap_or(port),
        confidence: Confidence::Medium,
        reason: "Cargo.toml is there, and a program among its sources".to_owned(),
    })
}

fn deno(directory: &Directory) -> Option<Stack> {
    let configured = directory.get("deno").is_some();
    let main = directory.get("deno-main").or_else(|| {
        configured
            .then(|| directory.first_of(&["main.ts", "main.tsx", "server.ts", "mod.ts", "main.js"]))
            .flatten()
    });
    let task = |name: &str| {
        directory
            .all("deno-task")
            .any(|task| task.split_once('=').is_some_and(|(known, _)| known == name))
    };
    let fresh = directory
        .all("deno-import")
        .any(|import| import.contains("fresh"));
    let dev = if task("dev") {
        Some("deno task dev".to_owned())
    } else {
        None
    };
    let start = if task("start") {
        Some("deno task start".to_owned())
    } else {
        main.map(|main| format!("deno run --allow-net --allow-env --allow-read {main}"))
    };
    if dev.is_none() && start.is_none() {
        return None;
    }
    Some(Stack {
        project_type: "deno",
        language: "TypeScript",
        framework: fresh.then(|| "Fresh".to_owned()),
        package_manager: Some("deno"),
        version: "2".to_owned(),
        install: main.map(|main| format!("deno cache {main}")),
        dev: dev.or_else(|| start.clone()),
        build: task("build").then(|| "deno task build".to_owned()),
        start,
        port: directory.fixed_port().unwrap_or(8000),
        confidence: if configured {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: if configured {
            "it has a deno.json".to_owned()
        } else {
            "its program uses Deno's own interface".to_owned()
        },
    })
}

/// Generators of sites, and sites as they are.
fn generator(directory: &Directory) -> Option<Stack> {
    let (language, framework, manager, version, install, dev, build, start, port) =
        match directory.get("generator") {
            Some("Hugo") => (
                "Go templates",
                "Hugo",
                "hugo",
                "0.140.2",
                None,
                "hugo server --bind 0.0.0.0",
                Some("hugo --minify"),
                "hugo server",
                1313,
            ),
            Some("MkDocs") => (
                "Python",
                "MkDocs",
                "pip",
                "3.12",
                Some("pip install mkdocs"),
                "mkdocs serve --dev-addr 0.0.0.0:8000",
                Some("mkdocs build"),
                "mkdocs serve",
                8000,
            ),
            Some("Jekyll") => (
                "Ruby",
                "Jekyll",
                "bundler",
                "3.4",
                Some("gem install jekyll"),
                "jekyll serve --host 0.0.0.0",
                Some("jekyll build"),
                "jekyll serve",
                4000,
            ),
            _ => return None,
        };
    Some(Stack {
        project_type: "static",
        language,
        framework: Some(framework.to_owned()),
        package_manager: Some(manager),
        version: version.to_owned(),
        install: install.map(ToOwned::to_owned),
        dev: Some(dev.to_owned()),
        build: build.map(ToOwned::to_owned),
        start: Some(start.to_owned()),
        port,
        confidence: Confidence::Medium,
        reason: format!("it has {framework}'s configuration"),
    })
}
