//! `catalyst token …`.

#![allow(clippy::print_stdout, reason = "a command's output")]

use catalyst_model::access::TokenScope;
use catalyst_previews::{LONGEST_TOKEN_DAYS, NewToken};
use clap::{Subcommand, ValueEnum};

use crate::{settings::Common, wiring};

/// Tokens, as the command line makes them.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make a token for somebody's agent or script, and print it: this once, it is kept nowhere.
    Create {
        /// The login on GitHub of the one it acts for, who has signed in before; or `local`, the one
        /// who runs this machine.
        #[arg(long)]
        user: String,
        /// The team it is for [default: all of the user's].
        #[arg(long)]
        team: Option<String>,
        /// What it lets a program do.
        #[arg(long, value_enum)]
        scope: Scope,
        /// For how long it is good, in days: `90d`.
        #[arg(long, default_value = "90d", value_parser = days)]
        expires: u32,
        /// What the user knows it by.
        #[arg(long, default_value = "made in a terminal")]
        name: String,
    },
}

/// What a token lets a program do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Look at things.
    Read,
    /// Also change them.
    Write,
}

impl TokenCommand {
    /// Does it, as the operator of this machine.
    pub async fn run(self, common: Common) -> anyhow::Result<()> {
        let Self::Create {
            user,
            team,
            scope,
            expires,
            name,
        } = self;
        let previews = wiring::previews_of_running_server(&common).await?;
        let actor = previews.local_operator().await?;
        let new = NewToken {
            name,
            scope: match scope {
                Scope::Read => TokenScope::Read,
                Scope::Write => TokenScope::Write,
            },
            team,
            days: expires,
        };
        let made = previews.create_token_for(&actor, &user, new).await?;
        println!("{}", made.secret);
        Ok(())
    }
}

fn days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse().ok();
    days.filter(|days| (1..=LONGEST_TOKEN_DAYS).contains(days))
        .ok_or_else(|| format!("expected a number of days from 1d to {LONGEST_TOKEN_DAYS}d"))
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn days_are_a_number_with_or_without_its_unit() {
        assert_eq!((days("90d"), days("7")), (Ok(90), Ok(7)));
        for bad in ["", "d", "0d", "367d", "3w", "-1d"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
