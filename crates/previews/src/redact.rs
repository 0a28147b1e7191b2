//! Secrets that Catalyst holds, taken out of every text before it is stored, shown or logged.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

/// What stands in a text where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Shorter values would take ordinary words out of texts.
const SHORTEST: usize = 6;

/// Takes known secret values out of texts: as they are, and as base64 at any offset (a secret
/// inside a Basic authorization, say). Clones are the same one: what one learns, all know.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    needles: BTreeSet<String>,
    /// Finds all of them at once, the longest first: a secret that contains another one goes as a
    /// whole. None while there are none.
    search: Option<AhoCorasick>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Redactor({} needles)", known.needles.len())
    }
}

impl Redactor {
    /// Knows these secrets. Values under 6 bytes are left out; a value of several lines is also
    /// known line by line, as a log would show it.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let redactor = Self::default();
        redactor.learn(secrets);
        redactor
    }

    /// Knows these from now on, too.
    pub fn learn(&self, secrets: impl IntoIterator<Item = SecretString>) {
        let mut learned = Vec::new();
        for secret in secrets {
            let whole = secret.expose_secret().trim();
            for text in std::iter::once(whole).chain(whole.lines().map(str::trim)) {
                if text.len() < SHORTEST || text.starts_with("-----") {
                    continue;
                }
                learned.push(text.to_owned());
                learned.extend(encodings(text.as_bytes()));
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.needles.len();
        known.needles.extend(learned);
        if known.needles.len() == before {
            return;
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&known.needles);
        match search {
            Ok(search) => known.search = Some(search),
            // It would take gigabytes of secrets.
            Err(error) => {
                tracing::error!(%error, "newly learned secrets are not taken out of texts")
            }
        }
    }

    /// The text without the secrets.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(search) = known.search.as_ref().filter(|it| it.is_match(text)) else {
            return Cow::Borrowed(text);
        };
        let mut out = String::with_capacity(text.len());
        search.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(REDACTED);
            true
        });
        Cow::Owned(out)
    }
}

/// The characters of the base64 of any text that holds `secret` which depend on `secret` alone,
/// for each of the three offsets it may stand at.
fn encodings(secret: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for offset in 0..3 {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(secret);
        // Whole groups of three bytes only; what is left over mixes with the bytes that follow.
        bytes.truncate(bytes.len() / 3 * 3);
        // The first group mixes with the bytes before, unless the secret begins with it.
        let skipped = if offset == 0 { 0 } else { 4 };
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            if let Some(kept) = text.get(skipped..).filter(|kept| kept.len() > SHORTEST) {
                out.push(kept.to_owned());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_secret_is_taken_out_raw_and_in_base64_wherever_it_stands() {
        let redactor = Redactor::new(["s3cr3t-canary-value".into()]);
        for before in ["", "x", "xy", "user:"] {
            let text = format!("{before}s3cr3t-canary-value!");
            assert!(!redactor.redact(&text).contains("canary"), "{text}");
            let encoded = STANDARD.encode(&text);
            let redacted = redactor.redact(&encoded);
            assert!(redacted.contains(REDACTED), "{encoded} → {redacted}");
            // What may stay of it tells no more than the four bytes at either end.
            assert!(
                redacted.len() <= encoded.len() + REDACTED.len() - 16,
                "{redacted}"
            );
        }
    }

    #[test]
    fn what_is_learned_later_is_known_to_every_clone() {
        let redactor = Redactor::new(["first-canary".into()]);
        let clone = redactor.clone();
        redactor.learn(["second-canary".into(), "second-canary-longer".into()]);
        let text = "first-canary second-canary-longer second-canary";
        assert_eq!(clone.redact(text), "[redacted] [redacted] [redacted]");
    }

    #[test]
    fn a_key_of_several_lines_is_known_by_each_line() {
        let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nabcdefghijklm\n-----END KEY-----";
        let redactor = Redactor::new([key.into()]);
        assert_eq!(redactor.redact("got MIIEpAIBAAKCAQEA7"), "got [redacted]");
        assert_eq!(
            redactor.redact("-----BEGIN KEY-----"),
            "-----BEGIN KEY-----"
        );
    }

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        let redactor = Redactor::new(["".into(), "abc".into()]);
        assert!(matches!(
            redactor.redact("abc def"),
            Cow::Borrowed("abc def")
        ));
        assert_eq!(format!("{redactor:?}"), "Redactor(0 needles)");
    }
}
