//! What a person can do about a build that failed, by the words that it ended with. Pure.

use catalyst_model::names;

use super::Order;
use crate::builds::BuildSettings;
use crate::desired::Target;
use crate::desired::registry::REGISTRY_CREDENTIALS;

/// What registries and their clients say where credentials are missing or wrong.
const REFUSED: &[&str] = &[
    "unauthorized",
    "forbidden",
    "denied",
    "authorization failed",
    "failed to authorize",
    "authentication required",
    "no basic auth credentials",
    "insufficient_scope",
];
/// The same as status codes: words of their own, as the digits are in many a digest.
const REFUSED_STATUS: [&str; 2] = ["401", "403"];
/// What clients say where nothing answers them, or not as they need it.
const UNREACHABLE: &[&str] = &[
    "no such host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "no route to host",
    "network is unreachable",
    "handshake timeout",
    "deadline exceeded",
    "gave http response to https client",
    "certificate",
    ": eof",
];
/// How BuildKit and Kaniko begin to tell that an image cannot be pushed.
const PUSHING: &[&str] = &[
    "failed to push",
    "pushing image",
    "checking push permission",
];
/// And that one cannot be pulled.
const PULLING: &[&str] = &["failed to resolve source metadata", "retrieving image"];
/// How they tell that a command of the Dockerfile failed, which may say anything itself.
const RUNNING: &[&str] = &["did not complete successfully", "waiting for process"];
/// As it is told of a Job.
const LATE: &str = "did not end in time";

/// What to do about it, as sentences; and what the Dockerfile asked for in vain.
#[must_use]
pub fn advice(why: &str, order: &Order, target: &Target, builds: &BuildSettings) -> String {
    // Its name is its project's, and may be any of these words.
    let name = order.image.rsplit_once(':');
    let name = name.map_or(order.image.as_str(), |(name, _)| name);
    let said = why.replace(name, "").to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let is_refused = || {
        let mut words = said.split(|c: char| !c.is_ascii_alphanumeric());
        is(REFUSED) || words.any(|word| REFUSED_STATUS.contains(&word))
    };
    let credentials = || {
        format!(
            "the Secret {REGISTRY_CREDENTIALS} of the namespace {}",
            names::team_namespace(&target.team)
        )
    };
    let registry = &builds.registry;
    let todo = if said.contains(LATE) {
        "Its log shows where it stood; make it quicker, or have CATALYST_DEPLOY_DEADLINE_MINUTES raised, \
         and retry"
            .to_owned()
    } else if is(RUNNING) {
        usual()
    } else if is(PUSHING) && is_refused() {
        format!(
            "The registry {registry} refuses what is pushed: put credentials that may push there into {}, \
             and retry",
            credentials()
        )
    } else if is(PUSHING) && is(UNREACHABLE) {
        format!(
            "The registry {registry} cannot be reached: have whoever runs Catalyst look at it \
             (CATALYST_BUILD_REGISTRY), and retry"
        )
    } else if is(PULLING) {
        format!(
            "An image that it builds upon cannot be pulled: correct its name, or put credentials for it into \
             {}, and retry",
            credentials()
        )
    } else {
        usual()
    };
    match order.warning(builds) {
        Some(warning) => format!("{todo}. {warning}"),
        None => todo,
    }
}

fn usual() -> String {
    "Its log says more; push a correction, or retry".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builds::Engine;
    use crate::desired::build::tests::{order, settings};
    use crate::desired::tests::target;

    fn about(why: &str) -> String {
        advice(
            why,
            &order(|_| {}),
            &target(),
            &settings(Engine::Kaniko, false),
        )
    }

    #[test]
    fn each_failure_that_is_not_the_dockerfiles_says_what_to_do_about_it() {
        for (why, todo) in [
            (
                "buildctl exited with 1: error: failed to solve: failed to push r/a:1: unexpected status from \
                 HEAD request to http://r/v2/a/blobs/sha256:10173a: 401 Unauthorized",
                "registry-credentials of the namespace acme",
            ),
            (
                "buildctl exited with 1: error: failed to solve: failed to push r/a:1: denied: requested \
                 access to the resource is not allowed",
                "registry-credentials of the namespace acme",
            ),
            (
                "kaniko exited with 1: error checking push permissions -- make sure you entered the correct tag \
                 name: checking push permission for \"r/a:1\": POST https://r/v2/a: UNAUTHORIZED: authentication required",
                "registry-credentials of the namespace acme",
            ),
            (
                "buildctl exited with 1: error: failed to solve: failed to push r/a:1: failed to do request: \
                 Head \"https://r/v2/\": dial tcp 10.0.0.1:443: connect: connection refused",
                "cannot be reached",
            ),
            (
                "buildctl exited with 1: error: failed to solve: failed to push r/a:1: failed to do request: \
                 Head \"https://r/v2/a/blobs/sha256:c79401c8625e403a\": EOF",
                "cannot be reached",
            ),
            (
                "buildctl exited with 1: error: failed to solve: nodejs:22: failed to resolve source metadata for \
                 docker.io/library/nodejs:22: pull access denied, repository does not exist",
                "correct its name",
            ),
            ("it did not end in time", "CATALYST_DEPLOY_DEADLINE_MINUTES"),
        ] {
            assert!(about(why).contains(todo), "{why}: {}", about(why));
        }
    }

    #[test]
    fn what_a_project_is_called_is_not_taken_for_what_a_registry_says() {
        let order = order(|order| order.image = "r/denied/web:1".to_owned());
        let why = "buildctl exited with 1: error: failed to solve: failed to push r/denied/web:1: failed to do \
                   request: Head \"https://r/v2/\": EOF";
        let said = advice(why, &order, &target(), &settings(Engine::Kaniko, false));
        assert!(said.contains("cannot be reached"), "{said}");
    }

    #[test]
    fn what_a_command_of_the_dockerfile_says_is_its_own_affair() {
        let why = "buildctl exited with 1: error: failed to solve: process \"/bin/sh -c curl; echo failed to push: \
                   403 denied\" did not complete successfully: exit code: 22";
        assert_eq!(about(why), usual());
    }

    #[test]
    fn a_dockerfile_that_asks_kaniko_for_secrets_is_told_that_it_gets_none() {
        let asking = order(|order| {
            order
                .dockerfile
                .push_str("RUN --mount=type=secret,id=NPM_TOKEN npm ci\n");
        });
        let kaniko = settings(Engine::Kaniko, false);
        let why = "kaniko exited with 1: waiting for process to exit: exit status 1";
        let said = advice(why, &asking, &target(), &kaniko);
        assert!(
            said.contains("Kaniko") && said.contains("CATALYST_BUILD_ENGINE"),
            "{said}"
        );
        assert!(asking.warning(&super::super::tests::buildkit()).is_none());
    }
}
