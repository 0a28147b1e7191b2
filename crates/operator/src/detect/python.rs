//! Python programs.

use super::{Confidence, DEFAULT_PORT, Directory, Plan, Step};

/// A script that begins by making and entering the virtual environment.
macro_rules! in_venv {
    ($rest:literal) => {
        concat!(
            "set -e; python3 -m venv .venv; . .venv/bin/activate; ",
            $rest
        )
    };
}

/// Starts what follows inside the virtual environment.
const ACTIVATED: &str = r#". .venv/bin/activate; exec "$@""#;

const DJANGO: &str = r#"set -e; . .venv/bin/activate
python manage.py migrate --noinput
exec python manage.py runserver "0.0.0.0:$1""#;

/// The image, and the step that makes the virtual environment.
pub(super) fn toolchain(directory: &Directory, extra: Option<&str>) -> (String, Step) {
    let version = directory
        .get("python-version")
        .and_then(|version| {
            let mut parts = version.trim().split('.');
            let (major, minor) = (parts.next()?, parts.next()?);
            (major == "3"
                && minor
                    .parse::<u8>()
                    .is_ok_and(|minor| (8..=20).contains(&minor)))
            .then(|| format!("3.{minor}"))
        })
        .unwrap_or_else(|| "3.12".to_owned());
    let poetry = directory
        .all("python")
        .any(|word| word == "tool.poetry" || word == "poetry-core");
    let (script, words): (&'static str, &str) = if directory.has("uv.lock") {
        (
            in_venv!(
                r#"pip install uv; UV_PROJECT_ENVIRONMENT=.venv uv sync --frozen --inexact; if [ $# -gt 0 ]; then uv pip install "$@"; fi"#
            ),
            "uv sync",
        )
    } else if directory.has("requirements.txt") {
        (
            in_venv!(r#"pip install -r requirements.txt "$@""#),
            "pip install -r requirements.txt",
        )
    } else if directory.has("poetry.lock") || poetry {
        (
            in_venv!(r#"pip install poetry "$@"; poetry install --no-root --no-interaction"#),
            "poetry install",
        )
    } else if directory.has("Pipfile.lock") {
        (
            in_venv!(r#"pip install pipenv "$@"; pipenv sync"#),
            "pipenv sync",
        )
    } else if directory.has("Pipfile") {
        (
            in_venv!(r#"pip install pipenv "$@"; pipenv install --skip-lock"#),
            "pipenv install",
        )
    } else if directory.has("pyproject.toml") || directory.has("setup.py") {
        (in_venv!(r#"pip install . "$@""#), "pip install .")
    } else {
        (
            in_venv!(r#"if [ $# -gt 0 ]; then pip install "$@"; fi"#),
            "python3 -m venv",
        )
    };
    let extra: Vec<&str> = extra.into_iter().collect();
    let step = Step::shell(&directory.path, script, &extra, words);
    (format!("python:{version}"), step)
}

pub(super) fn plan(directory: &Directory, port: Option<u16>) -> Option<Plan> {
    let known = |package: &str| directory.all("python").any(|word| word == package);
    let project = directory
        .first_of(&[
            "requirements.txt",
            "pyproject.toml",
            "Pipfile",
            "setup.py",
            "manage.py",
            "app.py",
            "main.py",
            "server.py",
        ])
        .is_some();
    if !project {
        return None;
    }
    let (start, port, kind, extra, confidence) = if directory.has("manage.py") {
        let port = port.unwrap_or(DEFAULT_PORT);
        let words = "python manage.py runserver";
        let start = Step::shell(&directory.path, DJANGO, &[&port.to_string()], words);
        (start, port, "Django", None, Confidence::High)
    } else if let Some(application) = Application::of(directory) {
        let port = port.unwrap_or(DEFAULT_PORT);
        let (arguments, words) = application.command(port);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let start = Step::shell(&directory.path, ACTIVATED, &arguments, &words);
        let extra = match application.framework {
            "FastAPI" | "Starlette" if !known("uvicorn") && !known("standard") => Some("uvicorn"),
            "Flask" if !known("flask") => Some("flask"),
            _ => None,
        };
        (start, port, application.framework, extra, Confidence::High)
    } else {
        let file = directory.first_of(&["app.py", "main.py", "server.py", "run.py"])?;
        let port = port
            .or_else(|| directory.fixed_port())
            .unwrap_or(DEFAULT_PORT);
        let words = format!("python {file}");
        let start = Step::shell(&directory.path, ACTIVATED, &["python", file], &words);
        (start, port, "Python", None, Confidence::Low)
    };
    let (image, install) = toolchain(directory, extra);
    let version = image.trim_start_matches("python:");
    let kind = if kind == "Python" {
        format!("Python {version}")
    } else {
        format!("{kind} on Python {version}")
    };
    Some(Plan {
        image,
        install: Some(install),
        build: None,
        start,
        env: [
            ("PYTHONUNBUFFERED", "1"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        port,
        kind,
        confidence,
    })
}

/// An application object in a file.
struct Application<'a> {
    file: &'a str,
    variable: &'a str,
    framework: &'static str,
}

impl<'a> Application<'a> {
    fn of(directory: &'a Directory) -> Option<Self> {
        directory.all("application").find_map(|fact| {
            let mut parts = fact.rsplitn(3, ':');
            let framework = match parts.next()? {
                "Flask" => "Flask",
                "FastAPI" => "FastAPI",
                "Starlette" => "Starlette",
                "Quart" => "Quart",
                "Streamlit" => "Streamlit",
                _ => return None,
            };
            let (variable, file) = (parts.next()?, parts.next()?);
            Some(Self {
                file,
                variable,
                framework,
            })
        })
    }

    /// `src/shop/__init__.py` is the module `shop` with `src` on the path.
    fn module(&self) -> (String, bool) {
        let path = self
            .file
            .trim_end_matches(".py")
            .trim_end_matches("/__init__");
        let (path, in_src) = path
            .strip_prefix("src/")
            .map_or((path, false), |rest| (rest, true));
        (path.replace('/', "."), in_src)
    }

    fn command(&self, port: u16) -> (Vec<String>, String) {
        let port = port.to_string();
        let (module, in_src) = self.module();
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        match self.framework {
            "Flask" | "Quart" => {
                let program = self.framework.to_ascii_lowercase();
                let named = matches!(self.variable, "app" | "application" | "factory");
                let mut app = if named {
                    module
                } else {
                    format!("{module}:{}", self.variable)
                };
                if in_src {
                    app.insert_str(0, "src/");
                    app = app.replace('.', "/");
                }
                let words = format!("{program} --app {app} run");
                (
                    owned(&[
                        &program, "--app", &app, "run", "--host", "0.0.0.0", "--port", &port,
                    ]),
                    words,
                )
            }
            "Streamlit" => (
                owned(&[
                    "streamlit",
                    "run",
                    self.file,
                    "--server.address",
                    "0.0.0.0",
                    "--server.port",
                    &port,
                    "--server.headless",
                    "true",
                ]),
                format!("streamlit run {}", self.file),
            ),
            _ => {
                let app = format!("{module}:{}", self.variable);
                let place = if in_src { "src" } else { "." };
                let words = format!("uvicorn {app}");
                (
                    owned(&[
                        "uvicorn",
                        "--app-dir",
                        place,
                        &app,
                        "--host",
                        "0.0.0.0",
                        "--port",
                        &port,
                    ]),
                    words,
                )
            }
        }
    }
}
