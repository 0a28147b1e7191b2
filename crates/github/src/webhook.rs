//! Deliveries: whether GitHub sent one, and which one it is.
//!
//! Rules: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries> and
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers>.

use http::HeaderMap;
use octocrab::models::webhook_events::verification::{WebhookVerificationError, verify_signature};
use secrecy::{ExposeSecret, SecretString};

use crate::event::{Event, PayloadError};

const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";

/// Names and ids in headers are short; what is longer did not come from GitHub.
const LONGEST_HEADER: usize = 100;

/// A webhook's secret. It is never empty: an empty HMAC key is one that everybody knows.
#[derive(Clone)]
pub struct WebhookSecret(SecretString);

/// A webhook secret that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook secret is empty; set GITHUB_WEBHOOK_SECRET to the secret of the GitHub App")]
pub struct EmptySecret;

impl WebhookSecret {
    /// Takes a secret as GitHub holds it.
    ///
    /// # Errors
    /// When it is empty or only white space.
    pub fn new(secret: impl Into<SecretString>) -> Result<Self, EmptySecret> {
        let secret = secret.into();
        if secret.expose_secret().trim().is_empty() {
            return Err(EmptySecret);
        }
        Ok(Self(secret))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// The secrets that are accepted now: one, or two while one takes over from the other.
#[derive(Debug, Clone)]
pub struct WebhookSecrets {
    current: WebhookSecret,
    previous: Option<WebhookSecret>,
}

/// Why a delivery was not accepted. Each of these is answered 401 (a bad signature) or 400.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejected {
    /// No `X-Hub-Signature-256`.
    #[error("the delivery is not signed: X-Hub-Signature-256 is missing")]
    Unsigned,
    /// A signature that none of our secrets makes.
    #[error("the delivery's signature is not one of ours")]
    BadSignature(#[source] WebhookVerificationError),
    /// Signed, but without the headers that say what it is.
    #[error("the delivery has no usable {0} header")]
    MissingHeader(&'static str),
}

impl Rejected {
    /// Whether the sender failed to prove who it is (401), as opposed to a broken request (400).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        !matches!(self, Self::MissingHeader(_))
    }
}

/// What the headers of an authentic delivery say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `X-GitHub-Delivery`: equal for every repetition of one delivery.
    pub id: String,
    /// `X-GitHub-Event`, such as `pull_request`.
    pub event: String,
}

impl WebhookSecrets {
    /// Accepts deliveries signed with `current`, or with `previous` until the rotation is over.
    #[must_use]
    pub fn new(current: WebhookSecret, previous: Option<WebhookSecret>) -> Self {
        Self { current, previous }
    }

    /// Checks the signature over the raw body, then reads the headers. The body is not parsed.
    ///
    /// # Errors
    /// When it was not signed with one of the secrets, or does not say what it is.
    pub fn authenticate(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Rejected> {
        self.verify(headers, body)?;
        Ok(Delivery {
            id: short_header(headers, DELIVERY)
                .ok_or(Rejected::MissingHeader("X-GitHub-Delivery"))?,
            event: short_header(headers, EVENT).ok_or(Rejected::MissingHeader("X-GitHub-Event"))?,
        })
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Rejected> {
        let signature = headers.get(SIGNATURE).ok_or(Rejected::Unsigned)?;
        // What is not text is no signature; the empty text takes the same way out.
        let signature = signature.to_str().unwrap_or_default();
        let matches =
            |secret: &WebhookSecret| verify_signature(signature, secret.0.expose_secret(), body);
        match (matches(&self.current), &self.previous) {
            (Err(_), Some(previous)) => matches(previous),
            (outcome, _) => outcome,
        }
        .map_err(Rejected::BadSignature)
    }
}

impl Delivery {
    /// Reads the body of this delivery.
    ///
    /// # Errors
    /// When it is not JSON, or lacks a field that GitHub always sends for such an event.
    pub fn parse(&self, body: &[u8]) -> Result<Event, PayloadError> {
        Event::parse(&self.event, body)
    }
}

fn short_header(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= LONGEST_HEADER).then(|| text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    // GitHub's own test values, from "Validating webhook deliveries".
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(text).unwrap()
    }

    fn headers(signature: Option<&[u8]>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert(SIGNATURE, http::HeaderValue::from_bytes(signature).unwrap());
        }
        headers.insert(EVENT, http::HeaderValue::from_static("ping"));
        headers.insert(
            DELIVERY,
            http::HeaderValue::from_static("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        );
        headers
    }

    #[test]
    fn a_signed_delivery_says_what_it_is() {
        let secrets = WebhookSecrets::new(secret(SECRET), None);
        let delivery = secrets
            .authenticate(&headers(Some(SIGNED.as_bytes())), BODY)
            .unwrap();
        assert_eq!(delivery.event, "ping");
        assert_eq!(delivery.id, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    }

    #[test]
    fn only_the_exact_signature_of_the_exact_body_is_accepted() {
        let secrets = WebhookSecrets::new(secret(SECRET), None);
        let sha1 = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59";
        let wrong: [&[u8]; 9] = [
            b"",
            b"sha256=",
            b"sha256=00",
            &SIGNED.as_bytes()[7..],
            &SIGNED.as_bytes()[..SIGNED.len() - 2],
            &[SIGNED.as_bytes(), b"00"].concat(),
            &SIGNED.replace('7', "8").into_bytes(),
            sha1.as_bytes(),
            b"sha256=\xff\xfe",
        ];
        for signature in wrong {
            let rejected = secrets
                .authenticate(&headers(Some(signature)), BODY)
                .unwrap_err();
            assert!(rejected.is_unauthorized(), "{signature:?}: {rejected}");
        }
        let unsigned = secrets.authenticate(&headers(None), BODY).unwrap_err();
        assert_eq!(unsigned, Rejected::Unsigned);
        let other_body = secrets.authenticate(&headers(Some(SIGNED.as_bytes())), b"Hello, World?");
        assert!(other_body.is_err());
    }

    #[test]
    fn two_secrets_are_valid_during_a_rotation_and_one_after_it() {
        let signed = headers(Some(SIGNED.as_bytes()));
        let during = WebhookSecrets::new(secret("new"), Some(secret(SECRET)));
        let after = WebhookSecrets::new(secret("new"), None);
        assert!(during.authenticate(&signed, BODY).is_ok());
        assert!(after.authenticate(&signed, BODY).is_err());
    }

    #[test]
    fn an_empty_secret_cannot_be_made_and_a_secret_cannot_be_printed() {
        for empty in ["", " ", "\n"] {
            assert_eq!(WebhookSecret::new(empty).unwrap_err(), EmptySecret);
        }
        assert!(!format!("{:?}", secret(SECRET)).contains("Everybody"));
    }

    #[test]
    fn a_signed_delivery_without_a_name_is_a_broken_request() {
        let secrets = WebhookSecrets::new(secret(SECRET), None);
        for name in [EVENT, DELIVERY] {
            let mut headers = headers(Some(SIGNED.as_bytes()));
            headers.remove(name);
            let rejected = secrets.authenticate(&headers, BODY).unwrap_err();
            assert!(!rejected.is_unauthorized(), "{rejected}");
        }
    }
}
