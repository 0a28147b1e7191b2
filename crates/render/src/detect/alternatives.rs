//! Other ways to run a repository than the one that was chosen, for a person to choose one of them.

use super::{Directory, Inventory, MAKE_TARGETS, Plan, node, other, program};

/// How many are told: more than that is no choice any more.
const MOST: usize = 6;

/// Another way to run a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// What a person would call it, such as `npm run storybook`.
    pub words: String,
    /// The command line, for a shell in which `PORT` is set; none where the directory decides.
    pub command: Option<String>,
    /// Where that command listens, where it says so itself.
    pub port: Option<u16>,
    /// The directory, relative to the repository's root; `.` for the root itself.
    pub directory: String,
}

/// Other ways than this plan, the likeliest first: what its own directory names besides, then what
/// other directories hold.
#[must_use]
pub fn alternatives(inventory: &Inventory, chosen: &Plan) -> Vec<Alternative> {
    let root = inventory.root();
    let own = inventory
        .directories
        .iter()
        .filter(|directory| directory.path == chosen.start.directory)
        .flat_map(|directory| named(directory, root))
        .filter(|it| it.words != chosen.start.words);
    let elsewhere = inventory
        .directories
        .iter()
        .filter(|directory| directory.path != chosen.start.directory)
        .filter_map(|directory| {
            let plan = program(directory, root, None).or_else(|| other::site(directory, None))?;
            Some(Alternative {
                words: format!("{} in {}", plan.start.words, place(directory)),
                command: None,
                port: None,
                directory: directory.path.clone(),
            })
        });
    own.chain(elsewhere).take(MOST).collect()
}

/// What a directory names of itself: its scripts, its Makefile's targets, its Procfile.
fn named(directory: &Directory, root: Option<&Directory>) -> Vec<Alternative> {
    let scripts = if directory.has("package.json") {
        node::scripts(directory, root)
    } else {
        Vec::new()
    };
    let targets = ["dev"].into_iter().chain(MAKE_TARGETS);
    let targets = targets
        .filter(|target| directory.makes(target))
        .map(|target| {
            (
                format!("make {target}"),
                format!("exec make {target}"),
                None,
            )
        });
    let line = directory
        .get("procfile")
        .map(|line| (line.to_owned(), line.to_owned(), None));
    let ways = scripts.into_iter().chain(targets).chain(line);
    let told = ways.map(|(words, command, port)| Alternative {
        words,
        command: Some(command),
        port,
        directory: directory.path.clone(),
    });
    told.collect()
}

fn place(directory: &Directory) -> &str {
    match directory.path.as_str() {
        "." => "the root",
        path => path,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::Folder;
    use crate::detect::{detect, survey, survey_at};

    use super::*;

    fn of(files: &[(&str, &str)], at: &str) -> Vec<(String, Option<String>, String)> {
        let folder = Folder::of(files.iter().copied());
        let plan = detect(&survey_at(&folder, at), None).unwrap();
        let all = alternatives(&survey(&folder), &plan);
        all.into_iter()
            .map(|it| (it.words, it.command, it.directory))
            .collect()
    }

    fn own(words: &str, command: &str) -> (String, Option<String>, String) {
        (words.to_owned(), Some(command.to_owned()), ".".to_owned())
    }

    fn elsewhere(words: &str, directory: &str) -> (String, Option<String>, String) {
        (words.to_owned(), None, directory.to_owned())
    }

    #[test]
    fn other_scripts_are_called_so_that_they_listen_and_after_a_build_where_they_serve_one() {
        let package = r#"{ "dependencies": { "next": "15" }, "scripts": {
            "dev": "next dev", "build": "next build", "start": "next start",
            "storybook": "storybook dev -p 6006", "test": "vitest" } }"#;
        assert_eq!(
            of(&[("package.json", package)], ""),
            [
                own(
                    "npm run build && npm run start",
                    "export NODE_ENV=production && npm run build && exec npm run start -- -H 0.0.0.0 -p $PORT"
                ),
                own(
                    "npm run storybook",
                    "exec npm run storybook -- --host 0.0.0.0 --ci"
                ),
            ]
        );
    }

    #[test]
    fn a_script_that_says_where_it_listens_is_taken_at_its_word() {
        let package = r#"{ "scripts": { "dev": "vite", "storybook": "storybook dev -p 6006", "start": "vite" } }"#;
        let folder = Folder::of([("package.json", package)]);
        let inventory = survey(&folder);
        let all = alternatives(&inventory, &detect(&inventory, None).unwrap());
        let ports: Vec<_> = all.iter().map(|it| (&*it.words, it.port)).collect();
        let expected = [("npm run start", None), ("npm run storybook", Some(6006))];
        assert_eq!(ports, expected);
    }

    #[test]
    fn other_directories_are_chosen_whole_and_the_root_from_them() {
        let files = [
            ("package.json", r#"{ "scripts": { "dev": "node a.js" } }"#),
            ("web/index.html", "<h1>"),
            ("api/requirements.txt", "flask"),
            (
                "api/app.py",
                "from flask import Flask\napp = Flask(__name__)\n",
            ),
        ];
        assert_eq!(
            of(&files, ""),
            [
                elsewhere("serve index.html in web", "web"),
                elsewhere("flask --app app run in api", "api"),
            ]
        );
        assert_eq!(
            of(&files, "web"),
            [
                elsewhere("npm run dev in the root", "."),
                elsewhere("flask --app app run in api", "api"),
            ]
        );
    }

    #[test]
    fn what_names_one_way_has_no_other() {
        assert_eq!(of(&[("index.html", "<h1>")], ""), []);
        assert_eq!(of(&[("Makefile", "dev:\n\t./run\n")], ""), []);
        assert_eq!(
            of(&[("Makefile", "dev:\n\t./run\nserve:\n\t./serve\n")], ""),
            [own("make serve", "exec make serve")]
        );
    }
}
