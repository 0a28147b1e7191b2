//! What a service account's token says about itself: not yet proof of anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Kubernetes' own tokens have about a thousand bytes.
const LONGEST: usize = 8 * 1024;

#[derive(Deserialize)]
struct Claims {
    aud: Audiences,
    exp: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Some(Vec<String>),
}

/// Whether asking the API server about this token can have any result but a refusal: it is a JSON
/// Web Token, says that it is for this audience, and has not expired by its own account.
pub(super) fn may_be_for(token: &SecretString, audience: &str, now: DateTime<Utc>) -> bool {
    let token = token.expose_secret();
    if token.len() > LONGEST {
        return false;
    }
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let claims = URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Claims>(&bytes).ok());
    claims.is_some_and(|claims| {
        let meant = match &claims.aud {
            Audiences::One(one) => one == audience,
            Audiences::Some(some) => some.iter().any(|it| it == audience),
        };
        meant && claims.exp > now.timestamp()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(claims: &serde_json::Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn what_cannot_be_good_is_told_without_asking() {
        let now = Utc::now();
        let later = now.timestamp() + 60;
        let may = |text: String| may_be_for(&text.into(), "git", now);
        assert!(may(token(&json!({ "aud": ["x", "git"], "exp": later }))));
        assert!(may(token(&json!({ "aud": "git", "exp": later }))));
        for bad in [
            json!({ "aud": ["https://kubernetes.default.svc"], "exp": later }),
            json!({ "aud": ["git"], "exp": now.timestamp() - 1 }),
            json!({ "exp": later }),
            json!({ "aud": ["git"] }),
            json!("git"),
        ] {
            assert!(!may(token(&bad)), "{bad}");
        }
        let long = "x".repeat(LONGEST);
        for bad in [
            "",
            "a.b",
            "a.b.c",
            "a.b.c.d",
            "ghp_x",
            &format!("{long}.y.z"),
        ] {
            assert!(!may(bad.to_owned()), "{bad}");
        }
    }
}
