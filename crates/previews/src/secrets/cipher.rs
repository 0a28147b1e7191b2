//! How secrets are kept: AES-256-GCM, each value under a nonce of its own, bound to where it
//! belongs and what it is called, so that a row moved to another place cannot be read there.

use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Key};
use catalyst_model::secrets::SecretLevel;
use catalyst_store::Sealed;
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// With a nonce of 16 bytes.
type Cipher = AesGcm<Aes256, U16>;
const NONCE: usize = 16;
const TAG: usize = 16;

/// Keys that people copy from examples.
const EXAMPLES: [&str; 3] = [
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
];
/// Random keys have about 30 different bytes of 32; fewer than this were typed by somebody.
const FEWEST_DIFFERENT_BYTES: usize = 12;

/// A text that is no key to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not 64 hexadecimal digits.
    #[error("it is not 64 hexadecimal digits; make one with `openssl rand -hex 32`")]
    Malformed,
    /// One that others know, or can guess.
    #[error("it is an example's, or not random; make one with `openssl rand -hex 32`")]
    Known,
}

/// A value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It was encrypted with a key that is not here.
    #[error("it was encrypted with another key, {0}")]
    OtherKey(String),
    /// It is not what was written there.
    #[error("what is kept of it was changed or belongs elsewhere")]
    Damaged,
}

/// Where a value belongs; nobody else's place can be read with it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The team's name.
    pub team: &'a str,
    /// The project's name; none at the team's level.
    pub project: Option<&'a str>,
    /// The level.
    pub level: &'a SecretLevel,
    /// The secret's name.
    pub name: &'a str,
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        // None of the parts can hold a line end.
        [
            self.team,
            self.project.unwrap_or_default(),
            self.level.word(),
            self.level.of().unwrap_or_default(),
            self.name,
        ]
        .join("\n")
        .into_bytes()
    }
}

/// One key.
#[derive(Clone)]
struct OneKey {
    id: String,
    cipher: Cipher,
}

impl OneKey {
    fn parse(text: &SecretString) -> Result<Self, InvalidKey> {
        let text = text.expose_secret().trim().to_ascii_lowercase();
        let bytes: [u8; 32] = hex::decode(&text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(InvalidKey::Malformed)?;
        let mut different = bytes.to_vec();
        different.sort_unstable();
        different.dedup();
        if different.len() < FEWEST_DIFFERENT_BYTES || EXAMPLES.contains(&text.as_str()) {
            return Err(InvalidKey::Known);
        }
        let digest = Sha256::new_with_prefix(b"catalyst secrets key id\n").chain_update(bytes);
        Ok(Self {
            id: hex::encode(&digest.finalize()[..6]),
            cipher: Cipher::new(Key::<Cipher>::from_slice(&bytes)),
        })
    }
}

/// The key that secrets are encrypted with, and the one from before, which may still be needed to
/// read some.
#[derive(Clone)]
pub struct Keyring {
    current: OneKey,
    previous: Option<OneKey>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({})", self.current.id)
    }
}

impl Keyring {
    /// Reads keys of 64 hexadecimal digits each.
    ///
    /// # Errors
    /// What is wrong with one, never the key itself.
    pub fn new(
        current: &SecretString,
        previous: Option<&SecretString>,
    ) -> Result<Self, InvalidKey> {
        Ok(Self {
            current: OneKey::parse(current)?,
            previous: previous.map(OneKey::parse).transpose()?,
        })
    }

    /// Encrypts a value for its place.
    #[must_use]
    pub fn seal(&self, place: Place<'_>, value: &SecretString) -> Sealed {
        let mut nonce = [0_u8; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload {
            msg: value.expose_secret().as_bytes(),
            aad: &place.bytes(),
        };
        #[allow(
            clippy::expect_used,
            reason = "only values of 64 GiB and more cannot be encrypted"
        )]
        let mut sealed = self
            .current
            .cipher
            .encrypt(&nonce.into(), payload)
            .expect("a value that fits a request");
        let tag = sealed.split_off(sealed.len() - TAG);
        Sealed {
            encrypted_value: hex::encode(sealed),
            iv: hex::encode(nonce),
            auth_tag: hex::encode(tag),
            key_id: self.current.id.clone(),
        }
    }

    /// Decrypts what was encrypted for this place.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<SecretString, Unreadable> {
        let keys = [Some(&self.current), self.previous.as_ref()];
        let key = keys
            .into_iter()
            .flatten()
            .find(|key| key.id == sealed.key_id)
            .ok_or_else(|| Unreadable::OtherKey(sealed.key_id.clone()))?;
        let part = |text: &str| hex::decode(text).map_err(|_| Unreadable::Damaged);
        let nonce: [u8; NONCE] = part(&sealed.iv)?
            .try_into()
            .map_err(|_| Unreadable::Damaged)?;
        let mut message = part(&sealed.encrypted_value)?;
        message.extend(part(&sealed.auth_tag)?);
        let payload = Payload {
            msg: &message,
            aad: &place.bytes(),
        };
        let value = key
            .cipher
            .decrypt(&nonce.into(), payload)
            .map_err(|_| Unreadable::Damaged)?;
        let text = String::from_utf8(value).map_err(|_| Unreadable::Damaged)?;
        Ok(text.into())
    }

    /// Whether a value is to be encrypted anew: it was with the key from before.
    #[must_use]
    pub fn is_old(&self, sealed: &Sealed) -> bool {
        sealed.key_id != self.current.id
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FIRST: &str = "8f3a1c5e7d9b2046f1e8c3a5b7d90214365870a9cbedf1023546879abcdef013";
    const SECOND: &str = "13fedcba978645301f2edcb9a0785634120d9b7a5c3e8f16402b9d7e5c1a3f8b";

    fn ring(current: &str, previous: Option<&str>) -> Keyring {
        Keyring::new(&current.into(), previous.map(Into::into).as_ref()).unwrap()
    }

    const fn place(name: &str) -> Place<'_> {
        Place {
            team: "acme",
            project: Some("shop"),
            level: &SecretLevel::Project,
            name,
        }
    }

    #[test]
    fn a_value_is_read_back_and_never_encrypted_the_same_way_twice() {
        let ring = ring(FIRST, None);
        for value in ["x", "pass\nword ä", &"y".repeat(10_000)] {
            let first = ring.seal(place("KEY"), &value.into());
            let second = ring.seal(place("KEY"), &value.into());
            assert_ne!(first, second);
            assert_eq!((first.iv.len(), first.auth_tag.len()), (32, 32));
            assert!(!first.encrypted_value.contains(&hex::encode(value)));
            let read = ring.open(place("KEY"), &first).unwrap();
            assert_eq!(read.expose_secret(), value);
        }
    }

    #[test]
    fn a_value_that_was_changed_or_moved_cannot_be_read() {
        let ring = ring(FIRST, None);
        let sealed = ring.seal(place("KEY"), &"canary".into());
        let open = |place: Place<'_>, sealed: &Sealed| ring.open(place, sealed).map(drop);
        let level = SecretLevel::Team;
        for other in [
            place("OTHER"),
            Place {
                team: "rivals",
                ..place("KEY")
            },
            Place {
                project: Some("api"),
                ..place("KEY")
            },
            Place {
                level: &level,
                ..place("KEY")
            },
        ] {
            assert_eq!(open(other, &sealed), Err(Unreadable::Damaged), "{other:?}");
        }
        for change in [
            |it: &mut Sealed| it.encrypted_value.replace_range(0..2, "00"),
            |it: &mut Sealed| it.iv.replace_range(0..2, "00"),
            |it: &mut Sealed| it.auth_tag.replace_range(0..2, "00"),
            |it: &mut Sealed| it.auth_tag.clear(),
            |it: &mut Sealed| it.iv.truncate(24),
            |it: &mut Sealed| it.encrypted_value.push('z'),
        ] {
            let mut changed = sealed.clone();
            change(&mut changed);
            if changed == sealed {
                continue;
            }
            assert_eq!(open(place("KEY"), &changed), Err(Unreadable::Damaged));
        }
    }

    #[test]
    fn the_key_from_before_still_reads_and_is_told() {
        let sealed = ring(FIRST, None).seal(place("KEY"), &"canary".into());
        let rotated = ring(SECOND, Some(FIRST));
        assert!(rotated.is_old(&sealed));
        let read = rotated.open(place("KEY"), &sealed).unwrap();
        let anew = rotated.seal(place("KEY"), &read);
        assert!(!rotated.is_old(&anew));
        let only_new = ring(SECOND, None);
        assert_eq!(
            only_new.open(place("KEY"), &anew).unwrap().expose_secret(),
            "canary"
        );
        assert!(matches!(
            only_new.open(place("KEY"), &sealed),
            Err(Unreadable::OtherKey(_))
        ));
    }

    #[test]
    fn a_key_that_is_none_or_that_others_know_is_refused_without_being_shown() {
        let refused = |text: &str| Keyring::new(&text.into(), None).unwrap_err();
        for text in [
            "",
            "abc",
            &FIRST[..63],
            &format!("{FIRST}0"),
            &"g".repeat(64),
        ] {
            assert_eq!(refused(text), InvalidKey::Malformed, "{text}");
        }
        for text in
            EXAMPLES
                .into_iter()
                .chain([&*"0".repeat(64), &*"f".repeat(64), &*"ab".repeat(32)])
        {
            assert_eq!(refused(text), InvalidKey::Known, "{text}");
            assert!(!refused(text).to_string().contains(text));
        }
        assert!(Keyring::new(&format!(" {}\n", FIRST.to_uppercase()).into(), None).is_ok());
        assert!(!format!("{:?}", ring(FIRST, None)).contains(FIRST));
    }
}
