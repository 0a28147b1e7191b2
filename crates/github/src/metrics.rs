//! What is measured of GitHub, for whoever scrapes it.

use http::HeaderMap;
use metrics::{describe_gauge, gauge};

const REMAINING: &str = "catalyst_github_rate_limit_remaining";
const LIMIT: &str = "catalyst_github_rate_limit";

/// Says what each metric means. To be called once, when a recorder is installed.
pub fn describe() {
    describe_gauge!(
        REMAINING,
        "Requests that GitHub said are left until its next reset, by kind of resource, when it last answered"
    );
    describe_gauge!(LIMIT, "Requests that GitHub allows between two resets");
}

/// Keeps what an answer says of the rate limit.
pub(crate) fn rate_limit(headers: &HeaderMap) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| text(name).and_then(|value| value.parse::<u32>().ok());
    // GitHub's own words, such as core or search; nothing else becomes a label.
    let resource = text("x-ratelimit-resource")
        .filter(|name| !name.is_empty() && name.len() < 40)
        .filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        .unwrap_or("core")
        .to_owned();
    for (name, header) in [
        (REMAINING, "x-ratelimit-remaining"),
        (LIMIT, "x-ratelimit-limit"),
    ] {
        if let Some(value) = number(header) {
            gauge!(name, "resource" => resource.clone()).set(f64::from(value));
        }
    }
}
