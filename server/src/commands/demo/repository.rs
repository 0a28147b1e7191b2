//! The demo's Git repository: one page, and a branch a pull request.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

/// The newest commit of a pull request.
pub struct Head {
    /// Its branch.
    pub branch: String,
    /// Its 40 hexadecimal digits.
    pub sha: String,
    /// What its page says, and no other commit's.
    pub heading: String,
}

/// A repository below the data folder.
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    /// Opens it, or makes it with one commit on `main`.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let repository = Self {
            path: path.to_owned(),
        };
        if path.join(".git").is_dir() {
            return Ok(repository);
        }
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        repository.write_page("Hello", "This is the main branch.")?;
        repository.commit("Say hello")?;
        Ok(repository)
    }

    /// What `git clone` is given.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// The commit that `main` stands at.
    pub fn main(&self) -> anyhow::Result<String> {
        self.git(&["rev-parse", "main"])
    }

    /// Adds a commit to a pull request's branch, making the branch if there is none.
    pub fn commit_to_branch(&self, number: u64) -> anyhow::Result<()> {
        let branch = branch(number);
        let known = self.git(&[
            "rev-parse",
            "--quiet",
            "--verify",
            &format!("refs/heads/{branch}"),
        ]);
        match known {
            Ok(_) => self.git(&["checkout", "--quiet", &branch])?,
            Err(_) => self.git(&["checkout", "--quiet", "-b", &branch, "main"])?,
        };
        let revision = self.revision(&branch)? + 1;
        self.write_page(
            &heading(number, revision),
            "This page is the pull request's own code, running as its preview.",
        )?;
        self.commit(&format!("Greet, revision {revision}"))?;
        self.git(&["checkout", "--quiet", "main"])?;
        let sha = self.git(&["rev-parse", &branch])?;
        // GitHub keeps this reference for each pull request.
        self.git(&["update-ref", &format!("refs/pull/{number}/head"), &sha])?;
        Ok(())
    }

    /// Where a pull request stands.
    pub fn head(&self, number: u64) -> anyhow::Result<Head> {
        let branch = branch(number);
        let sha = self
            .git(&[
                "rev-parse",
                "--quiet",
                "--verify",
                &format!("refs/heads/{branch}"),
            ])
            .with_context(|| {
                format!("pull request {number} was never opened: `catalyst demo open` does")
            })?;
        let heading = heading(number, self.revision(&branch)?);
        Ok(Head {
            branch,
            sha,
            heading,
        })
    }

    /// How many commits a branch has beyond main.
    fn revision(&self, branch: &str) -> anyhow::Result<u32> {
        let count = self.git(&["rev-list", "--count", &format!("main..{branch}")])?;
        count
            .parse()
            .with_context(|| format!("git counted {count:?} commits"))
    }

    fn write_page(&self, heading: &str, text: &str) -> anyhow::Result<()> {
        let page = PAGE.replace("{heading}", heading).replace("{text}", text);
        fs::write(self.path.join("index.html"), page).context("cannot write the demo's page")
    }

    fn commit(&self, message: &str) -> anyhow::Result<()> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        Ok(())
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=Catalyst demo",
                "-c",
                "user.email=demo@localhost",
            ])
            .args([
                "-c",
                "commit.gpgsign=false",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(args)
            .current_dir(&self.path)
            .output()
            .context("cannot start git: is it installed?")?;
        anyhow::ensure!(
            output.status.success(),
            "git {} failed in {}: {}",
            args.join(" "),
            self.path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn branch(number: u64) -> String {
    format!("greeting-{number}")
}

fn heading(number: u64, revision: u32) -> String {
    format!("Pull request {number}, revision {revision}")
}

const PAGE: &str = include_str!("page.html");
