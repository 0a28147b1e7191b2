//! PersistentVolumeClaims: bound at once, to a volume made for them. The node keeps the folder.

use serde_json::{Value, json};

use super::object::{find, ignore_absent, is_terminating, itself, text, uid};
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use crate::objects::{ApiError, DeleteOptions, Objects, Selector, resource};

/// What volumes say made them.
const PROVISIONER: &str = "catalyst.dev/local";

pub(super) fn controller() -> Controller {
    Controller {
        name: "persistentvolume-controller",
        sources: vec![
            Source {
                resource: resource::PERSISTENT_VOLUME_CLAIMS,
                keys: itself,
            },
            Source {
                resource: resource::PERSISTENT_VOLUMES,
                keys: of_volume,
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

fn of_volume(_: &Objects, volume: &Value) -> Vec<Key> {
    let claim = &volume["spec"]["claimRef"];
    if !is_ours(volume) || claim.is_null() {
        return Vec::new();
    }
    vec![(
        text(claim, "namespace").to_owned(),
        text(claim, "name").to_owned(),
    )]
}

fn is_ours(volume: &Value) -> bool {
    volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == PROVISIONER
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let claim = find(objects, resource::PERSISTENT_VOLUME_CLAIMS, key)?;
    let claim = claim.as_deref();
    release(objects, key, claim.map_or("", uid))?;
    if let Some(claim) = claim.filter(|claim| !is_terminating(claim)) {
        bind(objects, key, claim)?;
    }
    Ok(None)
}

/// Delete volumes of claims of this name that are gone.
fn release(objects: &Objects, key: &Key, present: &str) -> Result<(), ApiError> {
    let volumes = objects.list(resource::PERSISTENT_VOLUMES, None, &Selector::everything())?;
    for volume in volumes.items {
        let claim = &volume["spec"]["claimRef"];
        let of_key = is_ours(&volume) && claim["namespace"] == *key.0 && claim["name"] == *key.1;
        if of_key && claim["uid"] != present && !is_terminating(&volume) {
            let name = text(&volume["metadata"], "name");
            let options = DeleteOptions::default();
            ignore_absent(objects.delete(resource::PERSISTENT_VOLUMES, "", name, &options))?;
        }
    }
    Ok(())
}

fn bind(objects: &Objects, key: &Key, claim: &Value) -> Result<(), ApiError> {
    let spec = &claim["spec"];
    let volume_name = match text(spec, "volumeName") {
        "" => format!("pvc-{}", uid(claim)),
        given => given.to_owned(),
    };
    let capacity = json!({ "storage": spec["resources"]["requests"]["storage"] });
    let mut volume = json!({
        "metadata": {
            "name": volume_name,
            "annotations": { "pv.kubernetes.io/provisioned-by": PROVISIONER },
        },
        "spec": {
            "capacity": capacity, "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": "Filesystem",
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": key.0, "name": key.1, "uid": uid(claim),
            },
            "local": { "path": format!("/{volume_name}") },
        },
    });
    if let Some(class) = spec.get("storageClassName") {
        volume["spec"]["storageClassName"] = class.clone();
    }
    match objects.create(resource::PERSISTENT_VOLUMES, "", volume) {
        Err(error) if !error.is_already_exists() => return Err(error),
        _ => {}
    }
    objects.modify_status(resource::PERSISTENT_VOLUMES, "", &volume_name, |volume| {
        volume["status"] = json!({ "phase": "Bound" });
    })?;
    let (namespace, name) = key;
    let claims = resource::PERSISTENT_VOLUME_CLAIMS;
    let same = |object: &Value| uid(object) == uid(claim);
    objects.modify(claims, namespace, name, |object| {
        if same(object) {
            object["spec"]["volumeName"] = volume_name.clone().into();
        }
    })?;
    objects.modify_status(claims, namespace, name, |object| {
        if same(object) {
            let status = &mut object["status"];
            status["phase"] = "Bound".into();
            status["accessModes"] = spec["accessModes"].clone();
            status["capacity"] = capacity.clone();
        }
    })?;
    Ok(())
}
