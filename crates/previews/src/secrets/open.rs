//! What happens to secrets when Catalyst starts: all must be readable, and none may be under a key
//! from before.

use secrecy::SecretString;

use super::cipher::{Keyring, Place, Unreadable};
use crate::Previews;
use crate::error::Error;
use catalyst_store::StoredSecret;

/// Why Catalyst cannot start with the secrets that are kept.
#[derive(Debug, thiserror::Error)]
pub enum UnusableSecrets {
    /// There are secrets, and no key.
    #[error(
        "{0} secrets are kept here, and TOKEN_ENCRYPTION_KEY is not set: set the key that they were encrypted with"
    )]
    NoKey(usize),
    /// A secret that none of the keys reads.
    #[error(
        "the secret {name} of {of} cannot be read: {why}; set TOKEN_ENCRYPTION_KEY to the key that it was encrypted with, or TOKEN_ENCRYPTION_KEY_PREVIOUS while changing to another"
    )]
    Unreadable {
        /// Its name.
        name: String,
        /// Its team, or its team and project.
        of: String,
        /// Why.
        why: Unreadable,
    },
    /// The store does not answer.
    #[error("the secrets could not be looked at")]
    Store(#[source] Error),
}

impl Previews {
    /// Reads every secret: so that no text shows one from now on, and that a key which does not
    /// fit stops the start. What is under the key from before is encrypted anew.
    ///
    /// # Errors
    /// [`UnusableSecrets`].
    pub async fn open_secrets(&self) -> Result<(), UnusableSecrets> {
        let store = &self.inner.store;
        let unread = |e: catalyst_store::StoreError| UnusableSecrets::Store(e.into());
        let all = store.all_secrets().await.map_err(unread)?;
        if all.is_empty() {
            return Ok(());
        }
        let keys = self.inner.settings.keyring.as_ref();
        let keys = keys.ok_or(UnusableSecrets::NoKey(all.len()))?;
        let mut anew = 0;
        for secret in &all {
            let value = read(keys, secret)?;
            if keys.is_old(&secret.sealed) {
                let sealed = keys.seal(place(secret), &value);
                let done = store.reseal_secret(&secret.id, &secret.sealed, &sealed);
                anew += usize::from(done.await.map_err(unread)?);
            }
            self.inner.settings.redactor.learn([value]);
        }
        if anew > 0 {
            tracing::info!(
                component = crate::COMPONENT,
                event = "secrets-encrypted-anew",
                secrets = anew
            );
        }
        Ok(())
    }

    /// Learns of secrets that other processes have written meanwhile, so that texts do not show
    /// them either.
    pub(crate) async fn learn_secrets(&self) -> Result<(), Error> {
        let Some(keys) = &self.inner.settings.keyring else {
            return Ok(());
        };
        for secret in self.inner.store.all_secrets().await? {
            if let Ok(value) = keys.open(place(&secret), &secret.sealed) {
                self.inner.settings.redactor.learn([value]);
            }
        }
        Ok(())
    }
}

fn place(secret: &StoredSecret) -> Place<'_> {
    Place {
        team: &secret.team,
        project: secret.project.as_deref(),
        level: &secret.level,
        name: &secret.name,
    }
}

fn read(keys: &Keyring, secret: &StoredSecret) -> Result<SecretString, UnusableSecrets> {
    keys.open(place(secret), &secret.sealed)
        .map_err(|why| UnusableSecrets::Unreadable {
            name: secret.name.clone(),
            of: match &secret.project {
                Some(project) => format!("{}/{project}", secret.team),
                None => secret.team.clone(),
            },
            why,
        })
}
