#![allow(clippy::unwrap_used)]

use super::*;

const PAIR: &str = "
kind: Project
apiVersion: catalyst.catalyst.dev/v1alpha1
metadata: {name: shop, namespace: acme}
spec:
  sources:
    - {name: primary, repositoryUrl: 'https://github.com/acme/shop', branch: main}
    - {name: data, repositoryUrl: 'https://github.com/acme/data', branch: stable}
---
kind: Environment
apiVersion: catalyst.catalyst.dev/v1alpha1
metadata: {name: try}
spec: {projectRef: {name: shop}, type: development}
";

fn at(repository: Option<&str>, revision: Option<&str>) -> Place {
    Place {
        repository: repository.map(str::to_owned),
        revision: revision.map(str::to_owned),
    }
}

#[test]
fn what_is_not_written_follows_from_the_names_of_team_and_project() {
    let pair = Pair::read("shop", PAIR).unwrap();
    let pair = pair.placed(&Place::default(), "1").unwrap();
    assert_eq!(pair.environment.namespace().unwrap(), "acme-shop");
    for (key, value) in [(TEAM, "acme"), (PROJECT, "shop"), (ENVIRONMENT, "try")] {
        assert_eq!(pair.environment.labels()[key], value);
    }
    let sources = &pair.environment.spec.sources;
    let named: Vec<_> = sources
        .iter()
        .map(|it| (it.name.as_str(), it.branch.as_str()))
        .collect();
    assert_eq!(named, [("primary", "main"), ("data", "stable")]);
    assert_eq!(pair.kind(), "zero-config");
}

#[test]
fn a_revision_is_a_branch_or_a_commit_of_the_first_source_alone() {
    let pair = || Pair::read("shop", PAIR).unwrap();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (revision, branch, sha) in [("next", "next", ""), (commit, "main", commit)] {
        let elsewhere = at(Some("https://example.com/fork.git"), Some(revision));
        let placed = pair().placed(&elsewhere, "1").unwrap();
        let source = &placed.project.spec.sources[0];
        assert_eq!(source.repository_url, "https://example.com/fork.git");
        assert_eq!(source.branch, branch);
        let sources = &placed.environment.spec.sources;
        assert_eq!(
            (sources[0].branch.as_str(), sources[0].commit_sha.as_str()),
            (branch, sha)
        );
        assert_eq!(
            (sources[1].branch.as_str(), sources[1].commit_sha.as_str()),
            ("stable", "")
        );
    }
}

#[test]
fn our_own_pairs_want_a_repository_and_are_of_three_kinds() {
    let pairs = own().unwrap();
    let kinds: Vec<_> = pairs
        .iter()
        .map(|it| (it.name.as_str(), it.kind()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("catalyst", "helm"),
            ("rails", "docker-compose"),
            ("nextjs", "zero-config")
        ]
    );
    for pair in pairs {
        let error = pair.clone().placed(&Place::default(), "1").unwrap_err();
        assert!(error.to_string().contains("--repository"), "{error}");
        pair.placed(&at(Some("https://example.com/it.git"), None), "1")
            .unwrap();
    }
}

#[test]
fn names_choose_and_an_unknown_one_is_told_what_there_is() {
    let names = |names: &[&str]| -> Result<Vec<String>, PairError> {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        Ok(chosen(own()?, &names)?
            .into_iter()
            .map(|it| it.name)
            .collect())
    };
    assert_eq!(names(&[]).unwrap().len(), 3);
    assert_eq!(
        names(&["nextjs", "rails", "nextjs"]).unwrap(),
        ["nextjs", "rails"]
    );
    let error = names(&["django"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no pair \"django\"; there is catalyst, rails, nextjs"
    );
}

#[test]
fn what_is_no_pair_is_told_why() {
    let (project, environment) = PAIR.split_once("---").unwrap();
    for (text, said) in [
        (project.to_owned(), "has no Environment"),
        (environment.to_owned(), "has no Project"),
        (format!("{PAIR}---{environment}"), "two of a kind"),
        (format!("{PAIR}---\nkind: Pod\n"), "something else"),
        (PAIR.replace(", namespace: acme", ""), "names no team"),
        (
            PAIR.replace("name: try", "generateName: try"),
            "without a name",
        ),
        (
            PAIR.replace("{name: try}", "{name: try, namespace: acme}"),
            "of another project",
        ),
        (
            PAIR.replace("projectRef: {name: shop}", "projectRef: {name: store}"),
            "of another project",
        ),
        (
            PAIR.replace("type: development", "typ: development"),
            "not written as it should be",
        ),
    ] {
        let error = Pair::read("shop", &text).unwrap_err().to_string();
        assert!(
            error.starts_with("the pair shop ") && error.contains(said),
            "{error}"
        );
    }
}

#[test]
fn a_folder_holds_pairs_by_their_files_names() {
    let folder = tempfile::tempdir().unwrap();
    let error = of_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds no pairs"), "{error}");
    for name in ["b.yaml", "a.yml", "README.md"] {
        std::fs::write(folder.path().join(name), PAIR).unwrap();
    }
    let names: Vec<_> = of_folder(folder.path())
        .unwrap()
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
}
