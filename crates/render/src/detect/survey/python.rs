//! What the files of Python say.

use super::{Examination, PY_APP, PY_FACTORY, PY_GRADIO, PY_STREAMLIT, PY_WORD, join};

impl Examination<'_> {
    pub(super) fn python(&mut self) {
        if let Some(version) = self
            .text(".python-version")
            .and_then(|text| text.lines().next())
        {
            let version = version.to_owned();
            self.fact("python-version", &version);
        } else if let Some(version) = self
            .text("runtime.txt")
            .and_then(|text| text.trim().strip_prefix("python-").map(ToOwned::to_owned))
        {
            self.fact("python-version", &version);
        }
        const KNOWN: &[&str] = &[
            "flask",
            "django",
            "fastapi",
            "standard",
            "uvicorn",
            "gunicorn",
            "streamlit",
            "starlette",
            "quart",
            "gradio",
            "dash",
            "sanic",
            "litestar",
            "tornado",
            "aiohttp",
            "bottle",
            "hypercorn",
            "daphne",
            "poetry-core",
            "tool.poetry",
            "tool.uv",
            "tool.pdm",
        ];
        let mut words = String::new();
        for name in [
            "requirements.txt",
            "requirements-dev.txt",
            "pyproject.toml",
            "Pipfile",
            "setup.py",
            "setup.cfg",
            "environment.yml",
        ] {
            if let Some(text) = self.text(name) {
                words.push_str(&text.to_ascii_lowercase());
                words.push('\n');
            }
        }
        for name in self
            .folder
            .files(&join(self.at, "requirements"))
            .filter(|name| name.ends_with(".txt"))
        {
            if let Some(text) = self.text(&format!("requirements/{name}")) {
                words.push_str(&text.to_ascii_lowercase());
                words.push('\n');
            }
        }
        let mut found: Vec<_> = PY_WORD
            .find_iter(&words)
            .map(|word| word.as_str().trim_end_matches('.'))
            .filter(|word| KNOWN.contains(word))
            .collect();
        found.sort_unstable();
        found.dedup();
        for word in found.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>() {
            self.fact("python", &word);
        }
        let mut files: Vec<String> = [
            "app",
            "main",
            "wsgi",
            "asgi",
            "server",
            "run",
            "application",
        ]
        .map(|stem| format!("{stem}.py"))
        .into();
        let mut add = |name: String| {
            if !files.contains(&name)
                && !name.starts_with("test")
                && !name.contains("/test")
                && !name.contains("/migrations/")
            {
                files.push(name);
            }
        };
        self.folder
            .files(self.at)
            .filter(|name| name.ends_with(".py"))
            .for_each(|name| add(name.to_owned()));
        for directory in self.folder.directories(self.at) {
            for file in ["__init__.py", "app.py", "main.py", "server.py", "asgi.py"] {
                add(format!("{directory}/{file}"));
            }
        }
        for directory in self.folder.directories(&join(self.at, "src")) {
            for file in ["__init__.py", "app.py", "main.py"] {
                add(format!("src/{directory}/{file}"));
            }
        }
        let mut applications: Vec<String> = Vec::new();
        for name in files.iter().take(60) {
            let Some(text) = self.text(name) else {
                continue;
            };
            let mut say = |fact: String| {
                if applications.len() < 4 && !applications.contains(&fact) {
                    applications.push(fact);
                }
            };
            if let Some(found) = PY_APP.captures(text) {
                say(format!("{name}:{}:{}", &found[1], &found[2]));
            } else if PY_FACTORY.is_match(text) {
                say(format!("{name}:factory:Flask"));
            }
            if PY_STREAMLIT.is_match(text) {
                say(format!("{name}:-:Streamlit"));
            } else if PY_GRADIO.is_match(text) {
                say(format!("{name}:-:Gradio"));
            }
        }
        for application in applications {
            self.fact("application", &application);
        }
        if self.text("manage.py").is_none() {
            self.listens(&["app.py", "main.py", "server.py", "run.py"].map(ToOwned::to_owned));
        } else if let Some(settings) = self
            .folder
            .directories(self.at)
            .into_iter()
            .find(|name| self.folder.has(&join(&join(self.at, name), "wsgi.py")))
            .map(ToOwned::to_owned)
        {
            self.fact("django", &settings);
        }
    }
}
