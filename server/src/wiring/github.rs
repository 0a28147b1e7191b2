//! GitHub, as Catalyst and as those who sign in reach it.

use std::fs;

use anyhow::Context;
use catalyst_github::credentials::InvalidCredentials;
use catalyst_github::sign_in::SignIn;
use catalyst_github::{Credentials, GitHub, Settings as GitHubClientSettings, sign_in};
use secrecy::{ExposeSecret, SecretString};

use crate::http::CALLBACK_PATH;
use crate::settings::{Common, GitHubSettings, Secret, SettingsError};

/// Who we are to GitHub; none where nothing is set, and then nothing is written there.
pub fn github(common: &Common, settings: &GitHubSettings) -> anyhow::Result<Option<GitHub>> {
    let token = settings.github_pat.clone().or_else(|| {
        std::env::var("GITHUB_TOKEN")
            .ok()
            .filter(|token| !token.is_empty())
            .map(Secret::from)
    });
    let unusable = |error: InvalidCredentials| SettingsError::Credentials(Box::new(error));
    let app = settings
        .github_app_id
        .zip(settings.github_app_private_key.as_ref());
    let credentials = match (app, token) {
        (Some(_), Some(_)) if settings.github_pat.is_some() => {
            return Err(SettingsError::TwoIdentities.into());
        }
        (Some((id, key)), _) => Credentials::app(id, &key_text(key)?).map_err(unusable)?,
        (None, Some(token)) => Credentials::token(&token.0).map_err(unusable)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(GitHub::new(
        credentials,
        GitHubClientSettings::new(common.github_api_url.clone()),
    )?))
}

/// GitHub as the one who tells who visitors are; none where nothing is set.
pub fn sign_in(common: &Common, settings: &GitHubSettings) -> anyhow::Result<Option<SignIn>> {
    let client = settings
        .github_app_client_id
        .as_ref()
        .zip(settings.github_app_client_secret.as_ref());
    let Some((id, secret)) = client.filter(|(id, _)| !id.is_empty()) else {
        return Ok(None);
    };
    let web_url = match &settings.github_url {
        Some(url) => url.clone(),
        None => sign_in::web_url(&common.github_api_url),
    };
    let callback = format!("{}{CALLBACK_PATH}", common.public_url())
        .parse()
        .context("CATALYST_WEB_URL")?;
    let sign_in = SignIn::new(&web_url, &common.github_api_url, id, &secret.0, callback)?;
    Ok(Some(sign_in))
}

/// The App's key, which may be given as the path of a file.
fn key_text(key: &Secret) -> anyhow::Result<SecretString> {
    let text = key.0.expose_secret().trim();
    if text.starts_with("-----BEGIN") {
        return Ok(text.into());
    }
    let read = fs::read_to_string(text).with_context(
        || "GITHUB_APP_PRIVATE_KEY is neither a PEM key nor a file that can be read",
    )?;
    Ok(read.into())
}
