//! The App and the tokens that the fake GitHub accepts.

use std::{process::Command, sync::OnceLock};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// The App's id.
pub const APP_ID: u64 = 271_828;
/// The App's slug; its bot is `catalyst-test[bot]`.
pub const APP_SLUG: &str = "catalyst-test";
/// A personal access token, of the user [`TOKEN_LOGIN`].
pub const TOKEN: &str = "ghp_ofTheFakeGitHubAndOfNoUseElsewhere00";
/// Whose token it is.
pub const TOKEN_LOGIN: &str = "monalisa";

/// The App's private key in PEM format, made for this process.
///
/// # Panics
/// When OpenSSL's command is not installed.
pub fn private_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| openssl(&["genrsa", "-traditional", "2048"], ""))
}

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The App itself, by a JSON Web Token.
    App,
    /// An installation of the App, by a token minted for it.
    Installation(u64),
    /// The token's owner.
    User,
    /// Somebody who signs in to an application, by its token.
    Account(u64),
}

impl Caller {
    pub fn login(self) -> String {
        match self {
            Self::User => TOKEN_LOGIN.to_owned(),
            Self::Account(id) => format!("account-{id}"),
            Self::App | Self::Installation(_) => format!("{APP_SLUG}[bot]"),
        }
    }
}

/// Checks a JSON Web Token as GitHub does: signed with the App's key, in the App's name, for ten
/// minutes at most.
pub(super) fn check_jwt(token: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: serde_json::Value,
        iat: u64,
        exp: u64,
    }
    static PUBLIC: OnceLock<String> = OnceLock::new();
    let public = PUBLIC.get_or_init(|| openssl(&["rsa", "-pubout"], private_key()));
    let key = DecodingKey::from_rsa_pem(public.as_bytes()).expect("OpenSSL's public key");
    let token = jsonwebtoken::decode::<Claims>(token, &key, &Validation::new(Algorithm::RS256))
        .map_err(|error| format!("A JSON web token could not be decoded: {error}"))?;
    let Claims { iss, iat, exp } = token.claims;
    let issuer = iss.as_u64().or_else(|| iss.as_str()?.parse().ok());
    if issuer != Some(APP_ID) {
        return Err("Integration not found".into());
    }
    if exp.saturating_sub(iat) > 600 + 60 {
        return Err("'Expiration time' claim ('exp') is too far in the future".into());
    }
    Ok(())
}

fn openssl(arguments: &[&str], input: &str) -> String {
    use std::{io::Write as _, process::Stdio};
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run openssl ({error}): install it with apt-get"));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("openssl reads");
    drop(stdin);
    let output = child.wait_with_output().expect("openssl ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("PEM is text")
}
