//! Secrets and ConfigMaps.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::objects::error::Cause;

/// Keys and size of the data of ConfigMaps and Secrets.
fn data(map: &Value, field: &str, causes: &mut Vec<Cause>) -> usize {
    let mut size = 0;
    for (key, value) in map.as_object().into_iter().flatten() {
        let valid = !key.is_empty()
            && key.len() <= 253
            && key != "."
            && !key.starts_with("..")
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !valid {
            causes.push(Cause::invalid(
                format!("{field}[{key}]"),
                format!("{key:?}: a valid config key must consist of alphanumeric characters, '-', '_' or '.'"),
            ));
        }
        size += value.as_str().map_or(0, str::len);
    }
    size
}

const MEBIBYTE: usize = 1024 * 1024;

fn too_long(field: &str) -> Cause {
    Cause {
        reason: "FieldValueTooLong",
        field: field.to_owned(),
        message: format!("Too long: may not be more than {MEBIBYTE} bytes"),
    }
}

pub(super) fn secret(object: &Value, causes: &mut Vec<Cause>) {
    let size = data(&object["data"], "data", causes);
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        if BASE64_STANDARD
            .decode(value.as_str().unwrap_or_default())
            .is_err()
        {
            causes.push(super::unreadable(
                format!("data[{key}]"),
                format!("illegal base64 data in data[{key}]"),
            ));
        }
    }
    if size / 4 * 3 > MEBIBYTE {
        causes.push(too_long("data"));
    }
    let (required, what) = match object["type"].as_str() {
        Some("kubernetes.io/tls") => (["tls.crt", "tls.key"].as_slice(), "data"),
        Some("kubernetes.io/dockerconfigjson") => ([".dockerconfigjson"].as_slice(), "data"),
        _ => return,
    };
    for key in required {
        if object["data"][key].is_null() {
            causes.push(Cause::required(format!("{what}[{key}]"), ""));
        }
    }
}

pub(super) fn config_map(object: &Value, causes: &mut Vec<Cause>) {
    for (key, _) in object["data"].as_object().into_iter().flatten() {
        if !object["binaryData"][key].is_null() {
            causes.push(Cause::invalid(
                format!("data[{key}]"),
                format!("{key:?}: duplicate of key present in binaryData"),
            ));
        }
    }
    let size =
        data(&object["data"], "data", causes) + data(&object["binaryData"], "binaryData", causes);
    if size > MEBIBYTE {
        // Kubernetes names no field here: it is about all data together.
        causes.push(too_long("[]"));
    }
}
