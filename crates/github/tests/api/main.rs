//! The client against a GitHub that checks every request by GitHub's own description.

#![allow(clippy::unwrap_used, clippy::panic)]

mod authority;
mod comments;
mod limits;
mod reads;
mod sign_in;
mod statuses;
mod users;

use std::time::Duration;

use catalyst_github::{Credentials, Error, GitHub, Settings};
use catalyst_model::ids::{PullRequestNumber, RepositoryName};
use catalyst_testkit::github::{self, FakeGitHub, FakePullRequest, FakeRepository};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const INSTALLATION: u64 = 99;

/// A fake GitHub with a repository `acme/shop` on which the App is installed.
struct World {
    fake: FakeGitHub,
    shop: FakeRepository,
}

impl World {
    async fn new() -> Self {
        let fake = FakeGitHub::start().await;
        let shop = FakeRepository::new(42, "acme/shop");
        fake.install_app(&shop, INSTALLATION);
        Self { fake, shop }
    }

    /// A world with pull request 7.
    async fn with_pull_request() -> Self {
        let world = Self::new().await;
        let pull_request = FakePullRequest::new(&world.shop, 7, SHA);
        world.fake.put_pull_request(&pull_request);
        world
    }

    fn settings(&self) -> Settings {
        Settings {
            timeout: Duration::from_secs(5),
            longest_wait: Duration::from_secs(5),
            first_pause: Duration::from_millis(10),
            ..Settings::new(self.fake.url().parse().unwrap())
        }
    }

    fn as_app(&self) -> GitHub {
        self.as_app_with(self.settings())
    }

    fn as_app_with(&self, settings: Settings) -> GitHub {
        let key = github::private_key().into();
        let credentials = Credentials::app(github::APP_ID, &key).unwrap();
        GitHub::new(credentials, settings).unwrap()
    }

    fn as_user(&self) -> GitHub {
        let credentials = Credentials::token(&github::TOKEN.into()).unwrap();
        GitHub::new(credentials, self.settings()).unwrap()
    }
}

fn shop() -> RepositoryName {
    "acme/shop".parse().unwrap()
}

fn seven() -> PullRequestNumber {
    PullRequestNumber::try_from(7).unwrap()
}

/// An error with everything that led to it, as a log shows it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
