//! Every door, tried by those who may not pass it.
//!
//! What there is to try is taken from the router, from the registry of server functions and from
//! Leptos' own list of pages; what is to be expected of each stands in [`rules`]. Something new
//! without a rule fails these tests, and so does a rule of which nothing is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by failing"
)]

mod agents;
mod endpoints;
mod rules;
mod world;

use std::collections::BTreeSet;

use rules::{Access, FUNCTIONS, ROUTES, Rule};
use world::{Answer, Asker, World};

/// What is said of an endpoint that nobody has thought about yet.
fn missing(kind: &str, endpoint: &str, table: &str) -> String {
    format!(
        "{kind} {endpoint} has no rule. Add one to {table} in server/src/http/rights/rules.rs: \
         `foreign` where a request names something by its id (a stranger gets 404 or 403), `own` where \
         the answer holds what one may see and nothing else, `operators`, `anyone`, or `proof`. \
         The examples there show how"
    )
}

/// Compares what there is with the rules for it.
fn unruled(kind: &str, table: &str, there: &BTreeSet<String>, rules: &[Rule]) -> Vec<String> {
    let ruled: BTreeSet<String> = rules.iter().map(Rule::endpoint).collect();
    let new = there.difference(&ruled);
    let stale = ruled.difference(there);
    new.map(|endpoint| missing(kind, endpoint, table))
        .chain(stale.map(|endpoint| {
            format!(
                "the rule for {endpoint} in {table} is about nothing that is there: take it away"
            )
        }))
        .collect()
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n- {}\n", problems.join("\n- "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_page_and_server_function_has_a_rule() {
    let world = World::new().await;
    let routes = endpoints::routes(&world).await;
    for known in ["GET /preview-environments/{id}", "POST /sign-in"] {
        assert!(
            routes.contains(known),
            "the router's list is not read aright: {routes:?}"
        );
    }
    for page in endpoints::pages() {
        assert!(
            routes.contains(&page),
            "page {page} is not routed: {routes:?}"
        );
    }
    let functions = endpoints::functions();
    assert!(functions.contains("GET preview"), "{functions:?}");
    let mut problems = unruled("route", "ROUTES", &routes, ROUTES);
    problems.extend(unruled(
        "server function",
        "FUNCTIONS",
        &functions,
        FUNCTIONS,
    ));
    assert_none(&problems);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_signed_out_and_a_stranger_finds_nothing() {
    let world = World::new().await;
    let mut problems = Vec::new();
    for rule in ROUTES.iter().chain(FUNCTIONS) {
        problems.extend(tried(&world, rule).await);
    }
    assert_none(&problems);
}

/// What is wrong with how an endpoint keeps its rule.
async fn tried(world: &World, rule: &Rule) -> Vec<String> {
    let nobody = world.ask(rule, Asker::Nobody, true).await;
    // Where anyone may come, a session adds nothing; and one of these doors would end it.
    let stranger = match rule.access {
        Access::Anyone => world.ask(rule, Asker::Nobody, false).await,
        _ => world.ask(rule, Asker::Stranger, true).await,
    };
    let mut problems = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            problems.push(format!("{}: {what}", rule.endpoint()));
        }
    };
    for (who, answer) in [("signed out", &nobody), ("a stranger", &stranger)] {
        expect(answer.status < 500, format!("{who} gets {}", answer.status));
        expect(
            !world.is_told_of(answer),
            format!("{who} is told of the team: {}", answer.text),
        );
    }
    match rule.access {
        Access::Anyone => {
            expect(
                nobody.status != 401 && !nobody.leads_to_sign_in(),
                format!("is for anyone, but signed out answers {}", nobody.status),
            );
            return problems;
        }
        Access::Proof => {
            for answer in [&nobody, &stranger] {
                expect(
                    answer.status == 401,
                    format!("without its proof: expected 401, not {}", answer.status),
                );
            }
            return problems;
        }
        Access::Foreign | Access::Own | Access::Operators => expect(
            nobody.status == 401 || nobody.leads_to_sign_in(),
            format!(
                "signed out: expected 401 or the way to the sign-in, not {}",
                nobody.status
            ),
        ),
    }
    // Whoever may, gets another answer: otherwise the request proves nothing.
    let insider = match rule.access {
        Access::Operators => Asker::Operator,
        _ => Asker::Owner,
    };
    match rule.access {
        Access::Foreign => {
            expect(
                matches!(stranger.status, 403 | 404),
                format!(
                    "a stranger: expected 404 or 403, not {}: {}",
                    stranger.status, stranger.text
                ),
            );
            let unknown = world.ask(rule, Asker::Stranger, false).await;
            expect(
                unknown.status == stranger.status,
                format!(
                    "an unknown id answers {}, a foreign one {}",
                    unknown.status, stranger.status
                ),
            );
            let insider = world.ask(rule, insider, true).await;
            expect(
                !insider.is_like(&stranger),
                format!(
                    "its owner is answered like a stranger, so the example is wrong: {} {}",
                    insider.status, insider.text
                ),
            );
        }
        Access::Own => {
            expect(
                stranger.status < 400,
                format!(
                    "a stranger: expected an empty list, not {}: {}",
                    stranger.status, stranger.text
                ),
            );
            if !rule.shows.is_empty() {
                let insider = world.ask(rule, insider, true).await;
                let shown = world.filled(rule.shows, true);
                expect(
                    insider.text.contains(&shown),
                    format!(
                        "its owner does not find {shown}: {} {}",
                        insider.status, insider.text
                    ),
                );
            }
        }
        Access::Operators => {
            expect(
                stranger.status == 403,
                format!(
                    "a team's owner: expected 403, not {}: {}",
                    stranger.status, stranger.text
                ),
            );
            let insider = world.ask(rule, insider, true).await;
            expect(
                insider.status < 400,
                format!("an operator gets {}: {}", insider.status, insider.text),
            );
        }
        Access::Anyone | Access::Proof => {}
    }
    problems
}

impl Answer {
    fn leads_to_sign_in(&self) -> bool {
        self.status == 303 && self.location.starts_with("/sign-in?next=")
    }

    fn is_like(&self, other: &Self) -> bool {
        // A page's text has times and nonces in it.
        self.status == other.status && (self.text == other.text || self.text.contains("<html"))
    }
}
