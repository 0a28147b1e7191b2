//! Plans for the languages whose development servers need nothing but their toolchain: Ruby, PHP,
//! Java, Elixir, .NET and Deno.

use super::stack::{Stack, stack};
use super::{DEFAULT_PORT, Directory, Plan, Step};

const EXEC: &str = r#"exec "$@""#;

/// Gems lie next to the source, where the steps that follow find them.
const BUNDLE: &str =
    r"set -e; bundle config set --local path .catalyst/bundle; exec bundle install";
const RAILS: &str = r#"set -e
rm -f tmp/pids/server.pid
bundle exec rails db:prepare || echo "the database cannot be prepared; the server is started without" >&2
exec bundle exec rails server -b 0.0.0.0 -p "$1""#;
const RACK: &str = r#"exec bundle exec rackup --host 0.0.0.0 --port "$1""#;
const RUBY: &str = r#"exec bundle exec ruby "$1" -o 0.0.0.0 -p "$2""#;
const JEKYLL: &str = r#"exec bundle exec jekyll serve --host 0.0.0.0 --port "$1""#;

/// The image of PHP has no Composer; it is fetched once, next to the source.
const COMPOSER: &str = r#"set -e
if ! command -v composer > /dev/null; then
    mkdir -p "$CATALYST_TOOLS"
    php -r 'copy("https://getcomposer.org/download/latest-stable/composer.phar", $argv[1]);' "$CATALYST_TOOLS/composer.phar"
    set -- php "$CATALYST_TOOLS/composer.phar"
else
    set -- composer
fi
exec "$@" install --no-interaction --prefer-dist --ignore-platform-reqs"#;
const LARAVEL: &str = r#"set -e
[ -f .env ] || cp .env.example .env 2>/dev/null || touch .env
grep -q '^APP_KEY=.' .env || php artisan key:generate --force
php artisan migrate --force || echo "the database cannot be migrated; the server is started without" >&2
exec php artisan serve --host=0.0.0.0 --port="$1""#;
const PHP: &str = r#"exec php -S "0.0.0.0:$2" -t "$1""#;

/// A wrapper in the repository names the version that its people use.
const JAVA: &str = r#"set -e
wrapper=$1; tool=$2; shift 2
if [ -f "$wrapper" ]; then exec sh "./$wrapper" "$@"; fi
exec "$tool" "$@""#;

const MIX: &str = r"set -e; mix local.hex --force; mix local.rebar --force; exec mix deps.get";
const PHOENIX: &str = r#"set -e
mix ecto.create || true
mix ecto.migrate || echo "the database cannot be migrated; the server is started without" >&2
exec mix phx.server"#;

/// The plan of a program whose framework names itself.
pub(super) fn framework(directory: &Directory, port: Option<u16>) -> Option<Plan> {
    let found = stack(directory, None)?;
    let named = matches!(
        found.framework.as_deref(),
        Some("Ruby on Rails" | "Laravel" | "Phoenix")
    );
    named.then(|| plan(directory, &found, port)).flatten()
}

/// The plan of a program by its language.
pub(super) fn language(directory: &Directory, port: Option<u16>) -> Option<Plan> {
    plan(directory, &stack(directory, None)?, port)
}

fn plan(directory: &Directory, stack: &Stack, port: Option<u16>) -> Option<Plan> {
    let asked = port.unwrap_or(DEFAULT_PORT);
    let fixed = port.or_else(|| directory.fixed_port());
    let number = asked.to_string();
    let at = &directory.path;
    let words = stack.dev.clone().or_else(|| stack.start.clone())?;
    let shell = |script, arguments: &[&str]| Step::shell(at, script, arguments, &words);
    let mut env: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
    let mut listening = asked;
    let (image, install, start) = match stack.project_type {
        "ruby" => {
            let install = Step::shell(at, BUNDLE, &[], "bundle install");
            let start = match stack.framework.as_deref() {
                Some("Ruby on Rails") => {
                    set("RAILS_ENV", "development".to_owned());
                    // Rails refuses hosts that it was not told of.
                    set("RAILS_DEVELOPMENT_HOSTS", ".localhost,.".to_owned());
                    shell(RAILS, &[&number])
                }
                Some("Jekyll") => shell(JEKYLL, &[&number]),
                _ if directory.has("config.ru") => shell(RACK, &[&number]),
                _ => shell(
                    RUBY,
                    &[
                        directory.first_of(&["app.rb", "server.rb", "main.rb", "web.rb"])?,
                        &number,
                    ],
                ),
            };
            (format!("ruby:{}", stack.version), Some(install), start)
        }
        "php" => {
            let install = directory
                .has("composer.json")
                .then(|| Step::shell(at, COMPOSER, &[], "composer install"));
            let start = match stack.framework.as_deref() {
                Some("Laravel") => shell(LARAVEL, &[&number]),
                _ => shell(
                    PHP,
                    &[
                        if directory.has("index.php") {
                            "."
                        } else {
                            "public"
                        },
                        &number,
                    ],
                ),
            };
            (format!("php:{}-cli", stack.version), install, start)
        }
        "java" => {
            let maven = stack.package_manager == Some("maven");
            let arguments: Vec<&str> = words.split_whitespace().skip(1).collect();
            let mut all = if maven {
                vec!["mvnw", "mvn", "-B", "-q"]
            } else {
                vec!["gradlew", "gradle", "--no-daemon"]
            };
            all.extend(arguments);
            set("SERVER_PORT", number.clone());
            set("QUARKUS_HTTP_PORT", number.clone());
            set("QUARKUS_HTTP_HOST", "0.0.0.0".to_owned());
            set("MICRONAUT_SERVER_PORT", number.clone());
            if !matches!(
                stack.framework.as_deref(),
                Some("Spring Boot" | "Quarkus" | "Micronaut")
            ) {
                listening = fixed.unwrap_or(asked);
            }
            let image = if maven {
                format!("maven:3-eclipse-temurin-{}", stack.version)
            } else {
                format!("gradle:8-jdk{}", stack.version)
            };
            (image, None, shell(JAVA, &all))
        }
        "elixir" => {
            let start = if stack.framework.is_some() {
                shell(PHOENIX, &[])
            } else {
                shell(EXEC, &["mix", "run", "--no-halt"])
            };
            (
                format!("elixir:{}", stack.version),
                Some(Step::shell(at, MIX, &[], "mix deps.get")),
                start,
            )
        }
        "dotnet" => {
            let project = directory
                .get("dotnet-web")
                .or_else(|| directory.get("dotnet"))?;
            set("ASPNETCORE_URLS", format!("http://0.0.0.0:{asked}"));
            set("DOTNET_CLI_TELEMETRY_OPTOUT", "1".to_owned());
            let start = shell(
                EXEC,
                &["dotnet", "run", "--no-launch-profile", "--project", project],
            );
            (
                format!("mcr.microsoft.com/dotnet/sdk:{}", stack.version),
                None,
                start,
            )
        }
        "deno" => {
            let arguments: Vec<&str> = words.split_whitespace().collect();
            listening = fixed.unwrap_or(if words.starts_with("deno task") {
                8000
            } else {
                asked
            });
            ("denoland/deno:2".to_owned(), None, shell(EXEC, &arguments))
        }
        _ => return None,
    };
    let version = &stack.version;
    let kind = match &stack.framework {
        Some(name) => format!("{name} on {} {version}", stack.language),
        None => format!("{} {version}", stack.language),
    };
    Some(Plan {
        image,
        install,
        build: None,
        start,
        env,
        port: listening,
        kind,
        confidence: stack.confidence,
    })
}
