//! Python programs.

use super::stack::Stack;
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

/// The version that the repository asks for, within what is in use.
fn version(directory: &Directory) -> String {
    directory
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
        .unwrap_or_else(|| "3.12".to_owned())
}

/// The image, and the step that makes the virtual environment.
pub(super) fn toolchain(directory: &Directory, extra: Option<&str>) -> (String, Step) {
    let version = version(directory);
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
            "FastAPI" | "Starlette" | "Litestar" | "Sanic"
                if !known("uvicorn") && !known("standard") =>
            {
                Some("uvicorn")
            }
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
            ("GRADIO_SERVER_NAME", "0.0.0.0"),
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
                "Gradio" => "Gradio",
                "Sanic" => "Sanic",
                "Litestar" => "Litestar",
                "Dash" => "Dash",
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
            "Gradio" | "Dash" => (
                owned(&["python", self.file]),
                format!("python {}", self.file),
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

/// What the directory's Python program is, in words.
pub(super) fn stack(directory: &Directory) -> Option<Stack> {
    let known = |package: &str| directory.knows("python", package);
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
            "environment.yml",
        ])
        .is_some();
    if !project {
        return None;
    }
    let (manager, install) = if directory.has("uv.lock") || known("tool.uv") {
        ("uv", "uv sync")
    } else if directory.has("poetry.lock") || known("tool.poetry") || known("poetry-core") {
        ("poetry", "poetry install")
    } else if directory.has("Pipfile") {
        ("pipenv", "pipenv install")
    } else if directory.has("pdm.lock") || known("tool.pdm") {
        ("pdm", "pdm install")
    } else if directory.has("requirements.txt") {
        ("pip", "pip install -r requirements.txt")
    } else if directory.has("environment.yml") {
        ("conda", "conda env create -f environment.yml")
    } else {
        ("pip", "pip install .")
    };
    let application = Application::of(directory);
    let by_name = |name: &str| {
        application
            .as_ref()
            .is_some_and(|application| application.framework == name)
    };
    let module = application.as_ref().map(|application| {
        format!(
            "{}:{}",
            application.module().0,
            if application.variable == "factory" {
                "create_app()"
            } else {
                application.variable
            }
        )
    });
    let module_or = |fallback: &str| module.clone().unwrap_or_else(|| fallback.to_owned());
    let file = directory.first_of(&["app.py", "main.py", "server.py", "run.py"]);
    let own_file = application.as_ref().map(|application| application.file);
    let (framework, dev, start, port): (Option<&str>, String, String, u16) =
        if directory.has("manage.py") {
            let wsgi = directory.get("django").map_or_else(
                || "python manage.py runserver 0.0.0.0:8000".to_owned(),
                |name| format!("gunicorn {name}.wsgi"),
            );
            (
                Some("Django"),
                "python manage.py runserver".to_owned(),
                wsgi,
                8000,
            )
        } else if by_name("FastAPI") || (known("fastapi") && application.is_none()) {
            let module = module_or("main:app");
            (
                Some("FastAPI"),
                format!("uvicorn {module} --reload"),
                format!("uvicorn {module}"),
                8000,
            )
        } else if by_name("Streamlit") || (known("streamlit") && application.is_none()) {
            let file = own_file.or(file).unwrap_or("app.py");
            (
                Some("Streamlit"),
                format!("streamlit run {file}"),
                format!("streamlit run {file}"),
                8501,
            )
        } else if by_name("Gradio") || (known("gradio") && application.is_none()) {
            let file = own_file.or(file).unwrap_or("app.py");
            (
                Some("Gradio"),
                format!("python {file}"),
                format!("python {file}"),
                7860,
            )
        } else if by_name("Flask") || (known("flask") && application.is_none()) {
            let module = module_or("app:app");
            let app = module.split(':').next().unwrap_or("app").to_owned();
            (
                Some("Flask"),
                format!("flask --app {app} run --debug"),
                format!("gunicorn '{module}'"),
                5000,
            )
        } else if let Some(framework) = application
            .as_ref()
            .map(|application| application.framework)
            .filter(|name| *name != "Streamlit")
        {
            let module = module_or("app:app");
            (
                Some(framework),
                format!("uvicorn {module} --reload"),
                format!("uvicorn {module}"),
                8000,
            )
        } else if let Some((_, name, port)) = [
            ("dash", "Dash", 8050),
            ("sanic", "Sanic", 8000),
            ("tornado", "Tornado", 8888),
            ("aiohttp", "aiohttp", 8080),
            ("bottle", "Bottle", 8080),
        ]
        .into_iter()
        .find(|(word, ..)| known(word))
        {
            let file = file.or(own_file)?;
            (
                Some(name),
                format!("python {file}"),
                format!("python {file}"),
                port,
            )
        } else {
            let file = file?;
            (
                None,
                format!("python {file}"),
                format!("python {file}"),
                8000,
            )
        };
    Some(Stack {
        project_type: "python",
        language: "Python",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some(manager),
        version: version(directory),
        install: Some(install.to_owned()),
        dev: Some(dev),
        build: None,
        start: Some(start),
        port: directory.fixed_port().unwrap_or(port),
        confidence: if framework.is_some() {
            Confidence::High
        } else {
            Confidence::Low
        },
        reason: match (framework, own_file) {
            (Some("Django"), _) => "manage.py is Django's".to_owned(),
            (Some(name), Some(file)) => format!("{file} makes a {name} application"),
            (Some(name), None) => format!("its requirements name {name}"),
            (None, _) => "a file of the usual name was found, and no framework".to_owned(),
        },
    })
}
