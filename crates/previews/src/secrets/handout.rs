//! Secrets for the operator, which puts them where a preview's pods find them.

use std::collections::BTreeMap;

use catalyst_cluster::chain;
use catalyst_crd::Environment;
use catalyst_crd::identity::SECRETS_AUDIENCE;
use catalyst_store::Preview;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use super::{PREVIEW_TEMPLATE, chosen, cipher::Place};
use crate::Previews;
use crate::identity::Refusal;
use crate::observe::preview_id;

impl Previews {
    /// The secrets of an Environment in the clear, by name. For the operator's own service
    /// account, with a token that was made for this.
    ///
    /// # Errors
    /// See [`Refusal`]: `NotFound` for what is no Environment of a preview that may run.
    pub async fn environment_secrets(
        &self,
        bearer: Option<&SecretString>,
        environment_id: &str,
    ) -> Result<BTreeMap<String, SecretString>, Refusal> {
        let (account, cluster) = self.holder(bearer, SECRETS_AUDIENCE).await?;
        if self.inner.settings.operator_account.as_ref() != Some(&account) {
            return Err(Refusal::Unauthenticated);
        }
        let missing = || Refusal::NotFound("there is no such Environment".to_owned());
        let store = &self.inner.store;
        let unread = |e| Refusal::unavailable("what Catalyst remembers could not be read", e);
        let preview = store.preview(environment_id).await.map_err(unread)?;
        // A fork's commit that waits for a maintainer gets nothing, and an operator only what is for
        // its own cluster.
        let at_home = |it: &Preview| {
            let home = self.inner.places.of(it);
            home.is_ok_and(|home| home.cluster.name() == cluster.name())
        };
        let preview = preview
            .filter(|it| it.id == environment_id && it.deleted_at.is_none() && it.blocked.is_none())
            .filter(at_home)
            .ok_or_else(missing)?;
        let namespace = catalyst_model::names::project_namespace(&preview.team, &preview.project);
        let environments = cluster.objects::<Environment>();
        let environment = environments.get(&namespace, &preview.environment).await;
        let environment = environment
            .map_err(|e| Refusal::unavailable("the Environment could not be read", e))?
            .filter(|it| preview_id(it) == Some(environment_id))
            .ok_or_else(missing)?;
        let template = match environment.spec.kind.as_str() {
            "" => PREVIEW_TEMPLATE,
            kind => kind,
        };
        let all = store
            .secrets(&preview.team, &preview.project)
            .await
            .map_err(unread)?;
        let mut values = BTreeMap::new();
        for secret in chosen(&all, template, &environment.name_any()) {
            let place = Place {
                team: &secret.team,
                project: secret.project.as_deref(),
                level: &secret.level,
                name: &secret.name,
            };
            let unreadable = |e: &(dyn std::error::Error + 'static)| {
                Refusal::unavailable(
                    format!("the secret {} cannot be read", secret.name),
                    chain(e),
                )
            };
            let keys = self.keys().map_err(|e| unreadable(&e))?;
            let value = keys
                .open(place, &secret.sealed)
                .map_err(|e| unreadable(&e))?;
            values.insert(secret.name.clone(), value);
        }
        let known = values.values();
        self.inner
            .settings
            .redactor
            .learn(known.map(|it| SecretString::from(it.expose_secret())));
        Ok(values)
    }
}
