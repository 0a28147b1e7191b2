//! What a service's container may do, as its file asks for it.

use serde_json::{Map, Value, json};

use super::is_true;
use crate::compose::Context;
use crate::compose::load::scalar;

/// What a container may do. Rights that a preview does not get are taken over as they stand, so
/// that the validator refuses them by name.
pub(super) fn security(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Map<String, Value> {
    let mut all = Map::new();
    if is_true(service.get("privileged")) {
        all.insert("privileged".to_owned(), json!(true));
    }
    if is_true(service.get("read_only")) {
        all.insert("readOnlyRootFilesystem".to_owned(), json!(true));
    }
    let mut capabilities = Map::new();
    for (key, into) in [("cap_add", "add"), ("cap_drop", "drop")] {
        let list: Vec<String> = service
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|value| {
                let name = scalar(value).to_ascii_uppercase();
                name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
            })
            .collect();
        if !list.is_empty() {
            capabilities.insert(into.to_owned(), json!(list));
        }
    }
    if !capabilities.is_empty() {
        all.insert("capabilities".to_owned(), Value::Object(capabilities));
    }
    if let Some(user) = service
        .get("user")
        .map(scalar)
        .filter(|user| !user.is_empty())
    {
        let (uid, gid) = user
            .split_once(':')
            .map_or((user.as_str(), None), |(uid, gid)| (uid, Some(gid)));
        match (uid.parse::<i64>(), gid.map(str::parse::<i64>).transpose()) {
            (Ok(uid), Ok(gid)) => {
                all.insert("runAsUser".to_owned(), json!(uid));
                if let Some(gid) = gid {
                    all.insert("runAsGroup".to_owned(), json!(gid));
                }
            }
            _ if uid == "root" => {
                all.insert("runAsUser".to_owned(), json!(0));
            }
            _ => context.warn(format!("service {name}: user"), format!("{user:?} is a name; Kubernetes knows numbers only, so the image's own user is kept")),
        }
    }
    for option in service
        .get("security_opt")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(scalar)
    {
        let option = option.replacen('=', ":", 1);
        match option.as_str() {
            "no-new-privileges" | "no-new-privileges:true" => {
                drop(all.insert("allowPrivilegeEscalation".to_owned(), json!(false)))
            }
            "no-new-privileges:false" => {}
            "seccomp:unconfined" => {
                drop(all.insert("seccompProfile".to_owned(), json!({ "type": "Unconfined" })))
            }
            "apparmor:unconfined" => drop(all.insert(
                "appArmorProfile".to_owned(),
                json!({ "type": "Unconfined" }),
            )),
            other => context.warn(
                format!("service {name}: security_opt"),
                format!("{other:?} is not translated"),
            ),
        }
    }
    all
}
