//! Keeping `status.used` of ResourceQuotas. What may be created is decided at admission from the
//! objects themselves, so these figures are for people alone and may lag a moment.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::kinds::resource;
use super::{Objects, admission};

/// How long changes gather before figures are counted anew.
const DELAY: Duration = Duration::from_millis(50);

pub(super) async fn run(objects: Objects) {
    let mut feed = objects.store.feed();
    let mut touched: BTreeSet<String> = quotas(&objects).map(|(namespace, _)| namespace).collect();
    loop {
        for namespace in std::mem::take(&mut touched) {
            refresh(&objects, &namespace);
        }
        let Some(change) = feed.recv().await else {
            return;
        };
        touched.insert(change.key.0.clone());
        tokio::time::sleep(DELAY).await;
        while let Ok(change) = feed.try_recv() {
            touched.insert(change.key.0.clone());
        }
    }
}

fn quotas(objects: &Objects) -> impl Iterator<Item = (String, String)> {
    let state = objects.store.read();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let quotas: Vec<(String, String)> = state
        .list(resource::RESOURCE_QUOTAS, None)
        .map(|quota| {
            (
                text(&quota["metadata"]["namespace"]),
                text(&quota["metadata"]["name"]),
            )
        })
        .collect();
    quotas.into_iter()
}

fn refresh(objects: &Objects, namespace: &str) {
    for (_, name) in quotas(objects).filter(|(quota, _)| quota == namespace) {
        let kinds = objects.kinds.all();
        let counted = objects.modify_status(resource::RESOURCE_QUOTAS, namespace, &name, |quota| {
            let hard = quota["spec"]["hard"].clone();
            let used = admission::used(&objects.store.read(), &kinds, namespace, &hard);
            let used: serde_json::Map<String, Value> = used
                .into_iter()
                .map(|(name, amount)| (name, amount.to_string().into()))
                .collect();
            let mut status = json!({ "used": used });
            if !hard.is_null() {
                status["hard"] = hard;
            }
            quota["status"] = status;
        });
        if let Err(error) = counted
            && !error.is_not_found()
        {
            tracing::warn!(%error, namespace, name, "the use of a quota could not be noted");
        }
    }
}
