//! How what is found is run, told by the script and by the folder itself.

use catalyst_render::detect::Undetected;

use super::{VITE, plan, start};

#[test]
fn vite_is_told_where_to_listen() {
    let plan = plan(&[
        ("package.json", VITE),
        ("index.html", "<html>"),
        ("src/main.js", ""),
    ])
    .unwrap();
    assert_eq!(start(&plan), "npm run dev -- --host 0.0.0.0 --port 8080");
    assert_eq!(
        plan.install.as_ref().unwrap().argv[4..].join(" "),
        "npm install --no-audit --no-fund"
    );
    assert_eq!(
        (plan.port, plan.image.as_str(), &plan.build),
        (8080, "node:22", &None)
    );
    assert_eq!(
        plan.words(),
        "Vite on Node 22: npm install, then npm run dev, on port 8080"
    );
}

#[test]
fn lock_files_and_the_package_manager_field_decide_how_dependencies_come_in() {
    let package = |manager: &str| {
        format!(r#"{{ {manager} "scripts": {{ "dev": "vite" }}, "dependencies": {{ "a": "1" }} }}"#)
    };
    let install =
        |files: &[(&str, &str)]| plan(files).unwrap().install.unwrap().argv[4..].join(" ");
    let plain = package("");
    for (lock, text, expected) in [
        ("package-lock.json", "{}", "npm ci --no-audit --no-fund"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n",
            "pnpm@9 pnpm install --frozen-lockfile",
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '6.0'\n",
            "pnpm@8 pnpm install --frozen-lockfile",
        ),
        (
            "yarn.lock",
            "# yarn lockfile v1\n",
            "yarn@1 yarn install --frozen-lockfile",
        ),
        (
            "yarn.lock",
            "# x\n\n__metadata:\n  version: 8\n",
            "@yarnpkg/cli-dist@4 yarn install --immutable",
        ),
        ("bun.lock", "{}", "bun@1 bun install --frozen-lockfile"),
    ] {
        assert_eq!(
            install(&[("package.json", &plain), (lock, text)]),
            expected,
            "{lock} {text}"
        );
    }
    let said = package(r#""packageManager": "pnpm@10.4.1+sha512.abc","#);
    assert_eq!(
        install(&[("package.json", &said), ("yarn.lock", "")]),
        "pnpm@10.4.1 pnpm install"
    );
    let hostile = package(r#""packageManager": "pnpm@1;touch x","#);
    assert_eq!(
        install(&[("package.json", &hostile)]),
        "pnpm@9 pnpm install"
    );
}

#[test]
fn known_servers_get_the_flags_that_they_need() {
    for (script, expected, port) in [
        ("next dev", "npm run dev -- -H 0.0.0.0 -p 8080", 8080),
        (
            "next dev --turbopack -p 3001",
            "npm run dev -- -H 0.0.0.0",
            3001,
        ),
        (
            "next dev -p ${PORT:-3000}",
            "npm run dev -- -H 0.0.0.0",
            8080,
        ),
        (
            "astro dev",
            "npm run dev -- --host 0.0.0.0 --port 8080",
            8080,
        ),
        (
            "nuxt dev",
            "npm run dev -- --host 0.0.0.0 --port 8080",
            8080,
        ),
        (
            "cross-env NODE_ENV=development vite dev --host",
            "npm run dev -- --port 8080",
            8080,
        ),
        (
            "tsc -b && vite",
            "npm run dev -- --host 0.0.0.0 --port 8080",
            8080,
        ),
        ("react-scripts start", "npm run dev", 8080),
        ("node --watch server.js", "npm run dev", 8080),
        ("PORT=4000 node server.js", "npm run dev", 4000),
        ("vite build --watch", "npm run dev", 8080),
        ("echo \\\"hi\\\" && node server.js", "npm run dev", 8080),
    ] {
        let package = format!(r#"{{ "scripts": {{ "dev": "{script}" }} }}"#);
        let plan = plan(&[("package.json", &package)]).unwrap();
        assert_eq!(
            (start(&plan).as_str(), plan.port),
            (expected, port),
            "{script}"
        );
        assert_eq!(plan.install, None, "nothing to install: {script}");
    }
}

#[test]
fn an_express_app_runs_on_the_port_that_it_has_chosen() {
    let package = r#"{ "main": "index.js", "scripts": { "start": "node index.js" }, "dependencies": { "express": "^5.0.0" } }"#;
    let fixed = "const express = require('express')\nconst app = express()\nconst port = 3000\napp.listen(port, () => {})\n";
    let direct = "require('express')().listen(4000)\n";
    let heeds = "const port = process.env.PORT || 3000\nrequire('express')().listen(port)\n";
    for (source, port) in [(fixed, 3000), (direct, 4000), (heeds, 8080)] {
        let plan = plan(&[("package.json", package), ("index.js", source)]).unwrap();
        assert_eq!(
            (plan.port, start(&plan).as_str()),
            (port, "npm run start"),
            "{source}"
        );
        assert_eq!(
            plan.words(),
            format!("Node 22: npm install, then npm run start, on port {port}")
        );
    }
}

#[test]
fn a_start_script_after_a_build_gets_its_build() {
    let package = r#"{ "scripts": { "build": "next build", "start": "next start" }, "dependencies": { "next": "15" } }"#;
    let next = plan(&[("package.json", package)]).unwrap();
    assert_eq!(next.build.as_ref().unwrap().words, "npm run build");
    assert_eq!(start(&next), "npm run start -- -H 0.0.0.0 -p 8080");
    let package = r#"{ "scripts": { "build": "react-scripts build", "start": "react-scripts start" }, "dependencies": { "react-scripts": "5" } }"#;
    assert_eq!(plan(&[("package.json", package)]).unwrap().build, None);
}

#[test]
fn the_wanted_version_of_node_is_used() {
    let image = |files: &[(&str, &str)]| plan(files).unwrap().image;
    let with = |range: &str| {
        format!(r#"{{ "engines": {{ "node": "{range}" }}, "scripts": {{ "dev": "vite" }} }}"#)
    };
    assert_eq!(
        image(&[("package.json", VITE), (".nvmrc", "v18.17.0\n")]),
        "node:18"
    );
    assert_eq!(
        image(&[("package.json", VITE), (".nvmrc", "lts/*\n")]),
        "node:22"
    );
    for (range, expected) in [
        ("20.x", "node:22"),
        ("^20.1.0", "node:20"),
        (">=18", "node:22"),
        (">=24", "node:24"),
        ("20", "node:20"),
        ("$(id)", "node:22"),
    ] {
        assert_eq!(
            image(&[("package.json", &with(range))]),
            expected,
            "{range}"
        );
    }
}

#[test]
fn python_frameworks_are_served_by_their_own_servers() {
    let flask = plan(&[
        ("requirements.txt", "Flask==3.0\n"),
        ("app.py", "from flask import Flask\napp = Flask(__name__)\n"),
    ])
    .unwrap();
    assert_eq!(
        start(&flask),
        "flask --app app run --host 0.0.0.0 --port 8080"
    );
    assert_eq!(
        flask.words(),
        "Flask on Python 3.12: pip install -r requirements.txt, then flask --app app run, on port 8080"
    );
    assert_eq!(
        flask.install.unwrap().argv.len(),
        4,
        "flask is required already"
    );

    let factory = plan(&[
        (
            "pyproject.toml",
            "[project]\nname = \"flaskr\"\ndependencies = [\"flask\"]\n",
        ),
        (
            "flaskr/__init__.py",
            "def create_app(test_config=None):\n    pass\n",
        ),
    ])
    .unwrap();
    assert_eq!(
        start(&factory),
        "flask --app flaskr run --host 0.0.0.0 --port 8080"
    );

    let fastapi = plan(&[
        ("requirements.txt", "fastapi\n"),
        (
            "app/main.py",
            "from fastapi import FastAPI\n\napi: FastAPI = FastAPI(title='x')\n",
        ),
        (".python-version", "3.11.4\n"),
    ])
    .unwrap();
    assert_eq!(
        start(&fastapi),
        "uvicorn --app-dir . app.main:api --host 0.0.0.0 --port 8080"
    );
    assert_eq!(fastapi.install.as_ref().unwrap().argv[4..], ["uvicorn"]);
    assert_eq!(fastapi.image, "python:3.11");

    let django = plan(&[
        ("requirements.txt", "Django>=5\n"),
        ("manage.py", "#!/usr/bin/env python\n"),
        ("site/settings.py", ""),
    ])
    .unwrap();
    assert_eq!(
        (django.kind.as_str(), start(&django).as_str()),
        ("Django on Python 3.12", "8080")
    );

    let plain = plan(&[("main.py", "from http.server import *\nHTTPServer(('', 5005), SimpleHTTPRequestHandler)\nport = 5005\n")]).unwrap();
    assert_eq!(
        (start(&plain).as_str(), plain.port),
        ("python main.py", 5005)
    );
}

#[test]
fn go_and_rust_programs_are_built_and_started() {
    let go = plan(&[
        ("go.mod", "module x\n"),
        (
            "main.go",
            "package main\nfunc main() { http.ListenAndServe(\":9000\", nil) }\n",
        ),
    ])
    .unwrap();
    assert_eq!(
        (go.port, go.build.as_ref().unwrap().words.as_str()),
        (9000, "go build .")
    );
    let go = plan(&[
        ("go.mod", "module x\n"),
        (
            "cmd/server/main.go",
            "package main\nvar p = os.Getenv(\"PORT\")\n",
        ),
    ])
    .unwrap();
    assert_eq!(
        (go.port, go.build.as_ref().unwrap().words.as_str()),
        (8080, "go build ./cmd/server")
    );
    let rust = plan(&[
        ("Cargo.toml", "[package]\n"),
        ("src/main.rs", "let address = ([127, 0, 0, 1], 3030);"),
    ])
    .unwrap();
    assert_eq!((rust.port, start(&rust).as_str()), (3030, "cargo run"));
    let library = plan(&[("Cargo.toml", "[package]\n"), ("src/lib.rs", "")]);
    assert!(matches!(library, Err(Undetected::NothingKnown(_))));
}

#[test]
fn sites_are_served_as_they_are_and_their_history_is_not() {
    let site = plan(&[("index.html", "<html>")]).unwrap();
    assert_eq!(
        (start(&site).as_str(), site.image.as_str()),
        (". 8080", "busybox:1.37")
    );
    assert!(site.start.argv[2].contains("rm -rf .git"));
    let built = plan(&[("README.md", ""), ("public/index.html", "<html>")]).unwrap();
    assert_eq!(start(&built), "public 8080");
}

#[test]
fn makefiles_and_procfiles_are_followed() {
    let make = plan(&[
        (
            "Makefile",
            "install:\n\tnpm ci\n\ndev: install\n\tnpm start\n",
        ),
        (
            "package.json",
            r#"{ "scripts": { "start": "node x.js" }, "dependencies": { "a": "1" } }"#,
        ),
    ])
    .unwrap();
    assert_eq!(
        (start(&make).as_str(), make.kind.as_str()),
        ("dev", "Makefile with Node")
    );
    let containers = plan(&[
        ("Makefile", "dev:\n\tdocker compose up\n"),
        ("index.html", "x"),
    ])
    .unwrap();
    assert_eq!(containers.kind, "Static site");
    let procfile = plan(&[
        (
            "Procfile",
            "release: x\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\n",
        ),
        ("requirements.txt", "gunicorn\n"),
    ])
    .unwrap();
    assert_eq!(start(&procfile), "gunicorn app:app --bind 0.0.0.0:$PORT");
    let runs = plan(&[("Makefile", "run:\n\tpython3 -m http.server $(PORT)\n")]).unwrap();
    assert_eq!(
        (start(&runs).as_str(), runs.image.as_str()),
        ("run", "buildpack-deps:stable")
    );
}

#[test]
fn the_program_of_a_repository_with_several_is_found() {
    let web = plan(&[
        ("README.md", ""),
        ("docs/index.html", "x"),
        ("web/package.json", VITE),
    ])
    .unwrap();
    assert_eq!(web.start.directory, "web");
    assert_eq!(
        web.words(),
        "Vite on Node 22: npm install (in web), then npm run dev (in web), on port 8080"
    );
    let workspace = plan(&[
        (
            "package.json",
            r#"{ "workspaces": ["packages/*"], "packageManager": "pnpm@9.1.0" }"#,
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
        ("packages/site/package.json", VITE),
    ])
    .unwrap();
    assert_eq!(workspace.install.as_ref().unwrap().directory, ".");
    assert_eq!(
        (
            workspace.start.directory.as_str(),
            start(&workspace).as_str()
        ),
        ("packages/site", "pnpm run dev --host 0.0.0.0 --port 8080")
    );
}

#[test]
fn what_cannot_be_run_is_said_with_what_was_looked_for() {
    let nothing = plan(&[("README.md", ""), ("LICENSE", "")]).unwrap_err();
    let text = nothing.to_string();
    assert!(
        text.contains("it holds LICENSE, README.md") && text.contains("package.json"),
        "{text}"
    );
    let image = plan(&[("Dockerfile", "FROM scratch\n"), ("compose.yaml", "")]).unwrap_err();
    assert_eq!(
        image,
        Undetected::NeedsImageBuild("compose.yaml".to_owned())
    );
    let runnable = plan(&[("Dockerfile", "FROM node\n"), ("package.json", VITE)]).unwrap();
    assert_eq!(runnable.kind, "Vite on Node 22");
    assert!(plan(&[]).unwrap_err().to_string().contains("it is empty"));
}
