//! Who we are to GitHub: an App, or the holder of a token.

use octocrab::jsonwebtoken::{EncodingKey, errors::Error as JwtError};
use secrecy::{ExposeSecret, SecretString};

/// What to authenticate with. Checked when made: a mistyped key stops the start, not the first
/// pull request.
#[derive(Clone)]
pub enum Credentials {
    /// A GitHub App: acts as its bot, on the repositories it is installed on.
    App {
        /// GITHUB_APP_ID.
        id: u64,
        /// GITHUB_APP_PRIVATE_KEY.
        key: EncodingKey,
    },
    /// A personal access token: acts as its owner.
    Token(SecretString),
}

/// Credentials that cannot be any.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCredentials {
    /// Not an RSA key.
    #[error(
        "GITHUB_APP_PRIVATE_KEY is not an RSA private key in PEM format, as GitHub's page of the App hands out"
    )]
    PrivateKey(#[source] JwtError),
    /// Not a token.
    #[error("GITHUB_PAT is not a GitHub token: it is empty or holds characters that none has")]
    Token,
}

impl Credentials {
    /// An App by its id and private key (PEM). Line ends may be written as `\n`, as they are
    /// where a key has to fit on one line of an environment file.
    ///
    /// # Errors
    /// When the key is not one.
    pub fn app(id: u64, private_key: &SecretString) -> Result<Self, InvalidCredentials> {
        let pem = private_key.expose_secret().replace("\\n", "\n");
        let key = EncodingKey::from_rsa_pem(pem.trim().as_bytes())
            .map_err(InvalidCredentials::PrivateKey)?;
        Ok(Self::App { id, key })
    }

    /// A personal access token, classic or fine-grained.
    ///
    /// # Errors
    /// When the text cannot be a token.
    pub fn token(token: &SecretString) -> Result<Self, InvalidCredentials> {
        let token = token.expose_secret().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidCredentials::Token);
        }
        Ok(Self::Token(token.into()))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::App { id, .. } => write!(f, "App({id})"),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_or_a_key_is_refused() {
        for text in ["", " \n", "gh p", "ghp_\u{e9}"] {
            assert!(Credentials::token(&text.into()).is_err(), "{text:?}");
        }
        assert!(Credentials::app(1, &"-----BEGIN NONSENSE-----".into()).is_err());
    }

    #[test]
    fn a_token_cannot_be_printed_and_loses_the_line_end_of_its_file() {
        let credentials = Credentials::token(&"ghp_canary\n".into()).unwrap();
        assert!(!format!("{credentials:?}").contains("canary"));
        let Credentials::Token(token) = credentials else {
            unreachable!("a token was given")
        };
        assert_eq!(token.expose_secret(), "ghp_canary");
    }
}
