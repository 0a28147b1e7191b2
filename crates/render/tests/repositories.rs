//! Skeletons of repositories, each with what it should be told to be.
#![allow(clippy::unwrap_used, missing_docs)]

mod scene;

use catalyst_render::detect::{Detection, describe, detect, survey};
use catalyst_render::{Folder, Images, dockerfile};
use scene::{cases, compare};

fn line(found: &Detection) -> String {
    let port = found.port.map(|port| port.to_string());
    [
        Some(found.project_type),
        found.language,
        found.framework.as_deref(),
        found.package_manager,
        Some(found.workdir.as_str()),
        port.as_deref(),
    ]
    .map(|word| word.unwrap_or("-"))
    .join(" | ")
}

#[test]
fn nineteen_of_twenty_repositories_are_recognised() {
    let all = cases("repositories");
    assert!(all.len() >= 60, "{} repositories", all.len());
    let wrong: Vec<_> = all
        .iter()
        .filter_map(|case| {
            let (expected, told) = (
                case.header("expect").unwrap(),
                line(&describe(&survey(&case.folder))),
            );
            (expected != told).then(|| format!("{}: expected {expected}, told {told}", case.name))
        })
        .collect();
    assert!(
        wrong.len() * 20 <= all.len(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_answer_says_why_and_how() {
    for case in cases("repositories") {
        let inventory = survey(&case.folder);
        let mut text = serde_json::to_string_pretty(&describe(&inventory)).unwrap();
        match detect(&inventory, None) {
            Ok(plan) => text.push_str(&format!("\n{}\n", plan.words())),
            Err(error) => text.push_str(&format!("\n{error}\n")),
        }
        if let Some(made) = dockerfile::generate(&inventory, &Images::default()) {
            text.push_str(&format!("\n{}", made.text));
        }
        assert_eq!(compare("repositories", &case.name, &text), None);
    }
}

#[test]
fn images_of_an_administrator_stand_in_for_every_base() {
    let images: Images = "*=mirror.example.com/".parse().unwrap();
    for case in cases("repositories") {
        let Some(made) = dockerfile::generate(&survey(&case.folder), &images) else {
            continue;
        };
        for line in made.text.lines().filter(|line| line.starts_with("FROM ")) {
            assert!(
                line.starts_with("FROM mirror.example.com/"),
                "{}: {line}",
                case.name
            );
        }
        let last = made.text.rsplit("\nFROM ").next().unwrap();
        assert!(
            last.contains("\nUSER 10001:10001\n"),
            "{} runs as root",
            case.name
        );
    }
}

#[test]
fn what_a_repository_says_never_becomes_a_line_of_its_dockerfile() {
    let hostile = "x\nRUN touch /canary\n";
    let package = serde_json::json!({
        "scripts": { "dev": hostile, "start": format!("node {hostile}"), "build": hostile },
        "packageManager": format!("pnpm@9{hostile}"), "main": hostile, "engines": { "node": hostile }
    });
    let folder = Folder::of([
        ("package.json", package.to_string().as_str()),
        ("go.mod", hostile),
        (".nvmrc", hostile),
    ]);
    if let Some(made) = dockerfile::generate(&survey(&folder), &Images::default()) {
        assert!(!made.text.contains("canary"), "{}", made.text);
    }
    let python = Folder::of([
        ("requirements.txt", "flask\n"),
        ("a$(touch x)\n.py", "app = Flask(__name__)\n"),
        (".python-version", hostile),
        ("runtime.txt", "python-3.9\nRUN x"),
    ]);
    if let Some(made) = dockerfile::generate(&survey(&python), &Images::default()) {
        assert!(
            !made
                .text
                .lines()
                .any(|line| line.contains("touch") && !line.starts_with("CMD [")),
            "{}",
            made.text
        );
    }
}
