//! The folders behind PersistentVolumeClaims: each claim has its own, which goes with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Node;
use super::pod::remove_folder;
use super::spec::{list, text};
use crate::objects::{Selector, WatchEvent, resource};

/// How long to wait for pods that still use the folder of a claim that is gone.
const IN_USE: Duration = Duration::from_millis(500);

fn folder_name(claim: &Value) -> String {
    let metadata = &claim["metadata"];
    format!("{}.{}", text(metadata, "name"), text(metadata, "uid"))
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

impl Node {
    fn claims_folder(&self) -> PathBuf {
        self.config.data_dir.join("node/claims")
    }

    /// Where folders are put that are being removed.
    pub(super) fn trash_folder(&self) -> PathBuf {
        self.config.data_dir.join("node/trash")
    }

    /// The folder of a claim, made when it is first asked for; none until the claim is bound.
    pub(super) fn claim_folder(&self, namespace: &str, name: &str) -> Option<PathBuf> {
        let claim = self
            .objects
            .get(resource::PERSISTENT_VOLUME_CLAIMS, namespace, name)
            .ok()?;
        if claim["status"]["phase"] != "Bound" {
            return None;
        }
        let folder = self
            .claims_folder()
            .join(namespace)
            .join(folder_name(&claim));
        match std::fs::create_dir_all(&folder) {
            Ok(()) => Some(folder),
            Err(error) => {
                tracing::error!(%error, folder = %folder.display(), "a claim's folder cannot be made");
                None
            }
        }
    }

    /// Remove the folders of claims that are gone, whenever one goes.
    pub(super) async fn follow_claims(self: Arc<Self>) {
        let (gone, mut namespaces) = tokio::sync::mpsc::unbounded_channel::<String>();
        for namespace in names(&self.claims_folder()) {
            // The receiver lives in this very function.
            let _ = gone.send(namespace);
        }
        let watching = super::follow(&self.objects, resource::PERSISTENT_VOLUME_CLAIMS, |event| {
            if let WatchEvent::Deleted(claim) = event {
                let _ = gone.send(text(&claim["metadata"], "namespace").to_owned());
            }
        });
        let sweeping = async {
            while let Some(namespace) = namespaces.recv().await {
                if self.sweep_claims(&namespace) {
                    let gone = gone.clone();
                    self.tasks.spawn(async move {
                        tokio::time::sleep(IN_USE).await;
                        let _ = gone.send(namespace);
                    });
                }
            }
        };
        tokio::join!(watching, sweeping);
    }

    /// Remove what no pod uses. Says whether something is left to be removed later.
    fn sweep_claims(&self, namespace: &str) -> bool {
        let everything = Selector::everything();
        let items = |kind| {
            let listed = self.objects.list(kind, Some(namespace), &everything);
            listed.map(|list| list.items)
        };
        let (Ok(claims), Ok(pods)) = (
            items(resource::PERSISTENT_VOLUME_CLAIMS),
            items(resource::PODS),
        ) else {
            return true;
        };
        let kept: BTreeSet<String> = claims.iter().map(|claim| folder_name(claim)).collect();
        let in_use = |claim: &str| {
            pods.iter().any(|pod| {
                self.pod(text(&pod["metadata"], "uid")).is_some()
                    && !matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed")
                    && list(&pod["spec"], "volumes")
                        .any(|volume| volume["persistentVolumeClaim"]["claimName"] == *claim)
            })
        };
        let parent = self.claims_folder().join(namespace);
        let mut waiting = false;
        for name in names(&parent)
            .into_iter()
            .filter(|name| !kept.contains(name))
        {
            let Some((claim, uid)) = name.rsplit_once('.') else {
                continue;
            };
            if in_use(claim) {
                waiting = true;
            } else {
                self.throw_away(&parent.join(&name), uid);
            }
        }
        if kept.is_empty() {
            // It stays where something is left in it.
            let _ = std::fs::remove_dir(&parent);
        }
        waiting
    }

    /// Out of the way first: dependencies of a project are many files, and nothing waits for them.
    fn throw_away(&self, folder: &Path, uid: &str) {
        let trash = self.trash_folder();
        let away = trash.join(uid);
        match std::fs::create_dir_all(&trash).and_then(|()| std::fs::rename(folder, &away)) {
            Ok(()) => {
                tokio::task::spawn_blocking(move || remove_folder(&away));
            }
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "a claim's folder stays for now");
            }
        }
    }
}
