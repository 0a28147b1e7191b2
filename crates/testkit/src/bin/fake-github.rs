//! The fake GitHub as a program, for tests that are not written in Rust: prints its address, and
//! answers until its standard input ends. What did not fit GitHub's description is then printed, and
//! it fails.
//!
//! `fake-github 101:octocat 102:hubot` has these accounts, by id and login. Each line of its input
//! adds another, or renames one.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program of the tests"
)]

use catalyst_testkit::github::FakeGitHub;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let github = FakeGitHub::start().await;
    let put = |account: &str| {
        let (id, login) = account.split_once(':').expect("ID:LOGIN");
        github.put_account(id.parse().expect("a number"), login);
    };
    for account in std::env::args().skip(1) {
        put(&account);
    }
    println!("{}", github.url());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.expect("a readable input") {
        put(&line);
    }
}
