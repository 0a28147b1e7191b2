//! The folder of a build, its arguments, dumps, and what an inspection reports.

use std::process::Command;

use tempfile::TempDir;

use super::{VITE, clone_with, commit, plan, repository, script, shells, start, url};

#[test]
fn a_folder_to_be_built_from_that_leads_out_of_the_repository_ends_the_clone() {
    let directory = repository(&[("web/Dockerfile", ""), ("web.txt", "")]);
    for (name, to) in [
        ("out", "/etc"),
        ("up", "../.."),
        ("in", "web"),
        ("own", "."),
    ] {
        std::os::unix::fs::symlink(to, directory.path().join(name)).unwrap();
    }
    let commit = commit(directory.path(), "links");
    for shell in shells() {
        for (folder, expected) in [
            ("web", None),
            ("in", None),
            ("own", None),
            ("out", Some("leads out of the repository")),
            ("up", Some("leads out of the repository")),
            ("out/..", Some("leads out of the repository")),
            ("web.txt", Some("has no folder")),
            ("missing", Some("has no folder")),
            ("-x", Some("has no folder")),
        ] {
            let into = TempDir::new().unwrap();
            let output = clone_with(
                &shell,
                into.path(),
                &[
                    ("GIT_REPO_URL", &url(&directory)),
                    ("GIT_COMMIT", &commit),
                    ("GIT_CLONE_CONTEXT", folder),
                ],
            );
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match expected {
                None => assert!(output.status.success(), "{folder}: {said}"),
                Some(words) => assert!(
                    !output.status.success() && said.contains(words),
                    "{folder}: {said}"
                ),
            }
        }
    }
}

#[test]
fn a_build_passes_its_arguments_on_and_ends_with_what_ended_it() {
    let bin = TempDir::new().unwrap();
    let fake = bin.path().join("fake");
    std::fs::write(
        &fake,
        "#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\nexit 7\n",
    )
    .unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for shell in shells() {
        let output = Command::new(&shell.1[0])
            .arg(script("build.sh"))
            .env("PATH", &shell.0)
            .arg(&fake)
            .args(["a b", "$(id)", "--opt"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(
            said.starts_with("<a b>\n<$(id)>\n<--opt>\n<--metadata-file>\n"),
            "{said}"
        );
    }
}

/// Programs that say what they were asked to do, in a folder of their own.
fn spies(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        let path = folder.path().join(name);
        let text =
            "#!/bin/sh\necho \"$(basename \"$0\")\"\nprintf '<%s>\\n' \"$@\"\n[ -t 0 ] || cat\n";
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    folder
}

#[test]
fn a_dump_is_loaded_by_what_it_is_and_half_of_one_not_at_all() {
    let programs = spies(&["psql", "pg_restore", "mysql"]);
    let folder = TempDir::new().unwrap();
    let space = TempDir::new().unwrap();
    let zipped = |name: &str, text: &[u8]| {
        let plain = folder.path().join(name);
        std::fs::write(&plain, text).unwrap();
        let status = Command::new("gzip").arg("-f").arg(&plain).status().unwrap();
        assert!(status.success());
    };
    zipped("a.sql", b"select 1;");
    zipped("b.dump", b"PGDMP\x01\x0e");
    zipped("half.sql", "insert;".repeat(1000).as_bytes());
    let half = folder.path().join("half.sql.gz");
    let whole = std::fs::read(&half).unwrap();
    std::fs::write(&half, &whole[..whole.len() - 10]).unwrap();
    std::fs::write(folder.path().join("c $(id).sql"), "select 2;").unwrap();
    for shell in shells() {
        let restore = |client: &str, name: &str| {
            let path = format!("{}:{}", programs.path().display(), shell.0);
            let output = Command::new(&shell.1[0])
                .arg(script("restore.sh"))
                .env("PATH", path)
                .env("RESTORE_CLIENT", client)
                .env("RESTORE_HOST", "db")
                .env("RESTORE_PORT", "1")
                .env("RESTORE_DATABASE", "shop")
                .env("DUMP_FILE", folder.path().join(name))
                .env("DUMP_NAME", name)
                .env("DUMP_SPACE", space.path())
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            (
                output.status.code(),
                String::from_utf8_lossy(&said).into_owned(),
            )
        };
        for (client, name, expected) in [
            ("postgres", "a.sql.gz", "psql\n<--no-psqlrc>"),
            ("postgres", "b.dump.gz", "pg_restore\n<--exit-on-error>"),
            ("postgres", "c $(id).sql", "c $(id).sql>"),
            ("mysql", "a.sql.gz", "<shop>\nselect 1;"),
        ] {
            let (code, said) = restore(client, name);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains(expected), "{name}: {said}");
        }
        for (client, name, expected) in [
            ("postgres", "half.sql.gz", "half.sql.gz cannot be unpacked"),
            ("postgres", "none.sql", "there is no file none.sql"),
            ("oracle", "a.sql.gz", "no client"),
        ] {
            let (code, said) = restore(client, name);
            assert_eq!(code, Some(1), "{said}");
            assert!(
                said.contains(expected) && !said.contains("psql\n"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_dump_is_fetched_over_https_alone_and_its_signature_is_not_told() {
    let programs = spies(&["curl"]);
    for shell in shells() {
        let fetch = |address: &str| {
            let file = programs.path().join("fetched");
            std::fs::write(&file, "").unwrap();
            let output = Command::new(&shell.1[0])
                .arg(script("fetch.sh"))
                .env("PATH", format!("{}:{}", programs.path().display(), shell.0))
                .env("DUMP_URL", address)
                .env("DUMP_FILE", file)
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        };
        let (code, said) = fetch("https://dumps.example/$(id).sql?signature=x");
        assert_eq!(code, Some(0));
        assert!(said.contains("<--proto-redir>\n<=https>"), "{said}");
        assert!(
            said.contains("<https://dumps.example/$(id).sql?signature=x>\n"),
            "{said}"
        );
        assert!(
            said.contains("fetched https://dumps.example/$(id).sql ("),
            "{said}"
        );
        for refused in [
            "http://169.254.169.254/",
            "file:///etc/passwd",
            "--config",
            "",
        ] {
            assert_eq!(fetch(refused), (Some(2), String::new()), "{refused}");
        }
    }
}

#[test]
fn a_hostile_repository_is_only_read() {
    let canary = TempDir::new().unwrap();
    let canary = canary.path().join("ran");
    let touch = format!("touch {}", canary.display());
    let package = format!(
        r#"{{ "packageManager": "npm@$({touch})", "scripts": {{ "dev": "$({touch})\tx\nversion" }}, "dependencies": {{ "a": "1" }} }}"#
    );
    let name = format!("$({}).py", touch.replace('/', "_"));
    let plan = plan(&[
        ("package.json", &package),
        (".nvmrc", "$(id)\nversion\t.\t2\n"),
        ("Procfile", &format!("web: $({touch})\n")),
        (&name, "app = Flask(__name__)\n"),
        ("packages/$(x)/package.json", VITE),
        ("requirements.txt", "flask\n"),
    ])
    .unwrap();
    assert!(!canary.exists());
    assert_eq!(start(&plan), "npm run dev");
}

#[test]
fn a_huge_repository_is_reported_in_what_a_config_map_holds() {
    let long = "x".repeat(5000);
    let mut files: Vec<(String, String)> = (0..200)
        .map(|n| {
            (
                format!("packages/p{n}/package.json"),
                format!(r#"{{ "scripts": {{ "dev": "{long}", "start": "{long}" }} }}"#),
            )
        })
        .collect();
    files.push((
        "package.json".to_owned(),
        format!(r#"{{ "description": "{long}{long}", "scripts": {{ "dev": "vite" }} }}"#),
    ));
    files.extend((0..300).map(|n| (format!("{}{n}.md", "y".repeat(200)), String::new())));
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        start(&plan(&files).unwrap()),
        "npm run dev -- --host 0.0.0.0 --port 8080"
    );
}
