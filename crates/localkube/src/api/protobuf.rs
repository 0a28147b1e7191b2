//! Reading `application/vnd.kubernetes.protobuf`, in which kubectl's and helm's typed clients send
//! objects. Answers are always JSON, which those clients take as well.
//!
//! Field numbers come from a table; names and types from the kinds' OpenAPI. Fields that the table
//! does not know are passed over, as protobuf demands.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::objects::ApiError;
use crate::objects::schema::{definition_name, definitions};

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Messages within messages; no Kubernetes object comes near it.
const DEPTH: usize = 64;

/// A field of a message.
struct Field {
    number: u64,
    /// Its name in JSON; of an inlined message, the message's.
    name: &'static str,
    inlined: bool,
    /// Whether a zero value was given, rather than left out.
    optional: bool,
}

static MESSAGES: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    include_str!("protobuf.fields")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let message = words.next()?;
            let mut last = 0;
            let fields = words
                .map(|word| {
                    let (word, number) = word.split_once('=').unwrap_or((word, ""));
                    last = number.parse().unwrap_or(last + 1);
                    let (word, optional) = match word.strip_suffix('?') {
                        Some(word) => (word, true),
                        None => (word, false),
                    };
                    let (name, inlined) = match word.strip_prefix('*') {
                        Some(message) => (message, true),
                        None => (word, false),
                    };
                    Field {
                        number: last,
                        name,
                        inlined,
                        optional,
                    }
                })
                .collect();
            Some((message, fields))
        })
        .collect()
});

/// The object in a body.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, ApiError> {
    let malformed =
        || ApiError::BadRequest("the body is not a Kubernetes protobuf object".to_owned());
    let envelope = bytes.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Wire(envelope) {
        match field.ok_or_else(malformed)? {
            (1, Wired::Bytes(type_meta)) => {
                for field in Wire(type_meta) {
                    match field.ok_or_else(malformed)? {
                        (1, Wired::Bytes(bytes)) => {
                            api_version = text(bytes).ok_or_else(malformed)?
                        }
                        (2, Wired::Bytes(bytes)) => kind = text(bytes).ok_or_else(malformed)?,
                        _ => {}
                    }
                }
            }
            (2, Wired::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    // Every group has its own name for the options of a deletion.
    let group = if kind == "DeleteOptions" {
        "meta"
    } else {
        group
    };
    let definition = definition_name(group, &kind).ok_or_else(|| {
        ApiError::UnsupportedMediaType("application/json, application/yaml".to_owned())
    })?;
    let mut object = Map::new();
    message(raw, definition, definition, &mut object, 0).ok_or_else(malformed)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// A value as it is on the wire.
#[derive(Clone, Copy)]
enum Wired<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message; none where it is malformed.
struct Wire<'a>(&'a [u8]);

impl Wire<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Wire<'a> {
    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Wired<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wired::Number(self.varint()?),
            1 => Wired::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = self.varint()?;
                Wired::Bytes(self.take(length)?)
            }
            5 => Wired::Number(u32::from_le_bytes(self.take(4)?.try_into().ok()?).into()),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Wire<'a> {
    type Item = Option<(u64, Wired<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// The message of a definition: `io.k8s.api.core.v1.Pod` is `api.core.v1.Pod`.
fn message_name(definition: &str) -> &str {
    definition.strip_prefix("io.k8s.").unwrap_or(definition)
}

/// Read a message into an object. `message` names the table of numbers, `definition` the fields'
/// types: they differ for messages that JSON has inlined.
fn message(
    bytes: &[u8],
    name: &str,
    definition: &str,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Option<()> {
    if depth > DEPTH {
        return None;
    }
    let fields = MESSAGES.get(message_name(name))?;
    let properties = &definitions().get(definition)?["properties"];
    for wired in Wire(bytes) {
        let (number, wired) = wired?;
        let Some(field) = fields.iter().find(|field| field.number == number) else {
            continue;
        };
        if field.inlined {
            let Wired::Bytes(bytes) = wired else {
                return None;
            };
            message(bytes, field.name, definition, object, depth + 1)?;
            continue;
        }
        let schema = &properties[field.name];
        match (schema["type"].as_str(), &schema["additionalProperties"]) {
            (Some("array"), _) => {
                let item = value(wired, &schema["items"], depth)?;
                let list = object.entry(field.name).or_insert_with(|| json!([]));
                list.as_array_mut()?.push(item);
            }
            (Some("object"), entries @ Value::Object(_)) => {
                let Wired::Bytes(bytes) = wired else {
                    return None;
                };
                let (key, entry) = map_entry(bytes, entries, depth)?;
                let map = object.entry(field.name).or_insert_with(|| json!({}));
                map.as_object_mut()?.insert(key, entry);
            }
            _ => {
                let value = value(wired, schema, depth)?;
                if field.optional || !is_zero(&value) {
                    object.insert(field.name.to_owned(), value);
                }
            }
        }
    }
    Some(())
}

fn map_entry(bytes: &[u8], entries: &Value, depth: usize) -> Option<(String, Value)> {
    let mut key = String::new();
    let mut entry = Value::Null;
    for wired in Wire(bytes) {
        match wired? {
            (1, Wired::Bytes(bytes)) => key = text(bytes)?,
            (2, wired) => entry = value(wired, entries, depth)?,
            _ => {}
        }
    }
    if entry.is_null() {
        // protobuf leaves the zero value of an entry out.
        entry = value(Wired::Bytes(&[]), entries, depth)?;
    }
    Some((key, entry))
}

/// Go's zero values, which its JSON leaves out.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn value(wired: Wired<'_>, schema: &Value, depth: usize) -> Option<Value> {
    let reference = schema["$ref"]
        .as_str()
        .or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(reference) = reference {
        let Wired::Bytes(bytes) = wired else {
            return None;
        };
        return referenced(bytes, reference.rsplit('/').next()?, depth);
    }
    Some(match (schema["type"].as_str(), wired) {
        (Some("string"), Wired::Bytes(bytes)) if schema["format"] == "byte" => {
            BASE64_STANDARD.encode(bytes).into()
        }
        (Some("string"), Wired::Bytes(bytes)) => text(bytes)?.into(),
        // Negative numbers are written as 64-bit two's complement.
        (Some("integer"), Wired::Number(number)) => number.cast_signed().into(),
        (Some("boolean"), Wired::Number(number)) => (number != 0).into(),
        (Some("number"), Wired::Number(number)) => f64::from_bits(number).into(),
        (Some("object") | None, Wired::Bytes(bytes)) => raw_json(bytes)?,
        _ => return None,
    })
}

fn referenced(bytes: &[u8], definition: &str, depth: usize) -> Option<Value> {
    let name = definition.rsplit('.').next()?;
    Some(match name {
        "Quantity" => single(bytes, 1).map_or(Value::Null, |bytes| text(bytes).into()),
        "IntOrString" => {
            let mut value = json!(0);
            let mut is_text = false;
            for wired in Wire(bytes) {
                match wired? {
                    (1, Wired::Number(kind)) => is_text = kind == 1,
                    (2, Wired::Number(number)) if !is_text => value = number.cast_signed().into(),
                    (3, Wired::Bytes(bytes)) if is_text => value = text(bytes)?.into(),
                    _ => {}
                }
            }
            value
        }
        "Time" | "MicroTime" => {
            let (mut seconds, mut nanos) = (0, 0);
            for wired in Wire(bytes) {
                match wired? {
                    (1, Wired::Number(number)) => seconds = number.cast_signed(),
                    (2, Wired::Number(number)) => {
                        nanos = i32::try_from(number.cast_signed()).ok()?
                    }
                    _ => {}
                }
            }
            if (seconds, nanos) == (0, 0) {
                return Some(Value::Null);
            }
            let time = jiff::Timestamp::new(seconds, nanos).ok()?;
            if name == "Time" {
                crate::objects::metadata::time(time).into()
            } else {
                time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into()
            }
        }
        "RawExtension" | "FieldsV1" => raw_json(bytes)?,
        _ => {
            let mut object = Map::new();
            message(bytes, definition, definition, &mut object, depth + 1)?;
            Value::Object(object)
        }
    })
}

/// The bytes of a field.
fn single(bytes: &[u8], wanted: u64) -> Option<&[u8]> {
    Wire(bytes)
        .flatten()
        .find_map(|(number, wired)| match wired {
            Wired::Bytes(bytes) if number == wanted => Some(bytes),
            _ => None,
        })
}

/// A message that carries JSON.
fn raw_json(bytes: &[u8]) -> Option<Value> {
    match single(bytes, 1) {
        None => Some(json!({})),
        Some(raw) => serde_json::from_slice(raw).ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A message from fields that are bytes or numbers.
    fn encode(fields: &[(u64, Wired<'_>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let varint = |bytes: &mut Vec<u8>, mut value: u64| {
            while value >= 0x80 {
                bytes.push((value & 0x7f) as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        };
        for (number, value) in fields {
            match value {
                Wired::Number(value) => {
                    varint(&mut bytes, number << 3);
                    varint(&mut bytes, *value);
                }
                Wired::Bytes(content) => {
                    varint(&mut bytes, number << 3 | 2);
                    varint(&mut bytes, content.len() as u64);
                    bytes.extend_from_slice(content);
                }
            }
        }
        bytes
    }

    fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = encode(&[
            (1, Wired::Bytes(api_version.as_bytes())),
            (2, Wired::Bytes(kind.as_bytes())),
        ]);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(encode(&[
            (1, Wired::Bytes(&type_meta)),
            (2, Wired::Bytes(raw)),
        ]));
        bytes
    }

    #[test]
    fn every_field_of_the_table_has_a_type() {
        for (message, fields) in MESSAGES.iter() {
            let Some(definition) = definitions().get(&format!("io.k8s.{message}")) else {
                continue;
            };
            for field in fields.iter().filter(|field| !field.inlined) {
                assert!(
                    definition["properties"].get(field.name).is_some(),
                    "{message} {}",
                    field.name
                );
            }
        }
    }

    #[test]
    fn a_deployment_is_read() {
        let metadata = encode(&[
            (1, Wired::Bytes(b"web")),
            (2, Wired::Bytes(b"")),
            (8, Wired::Bytes(b"")),
        ]);
        let tcp = encode(&[(1, Wired::Number(1)), (3, Wired::Bytes(b"http"))]);
        let handler = encode(&[(3, Wired::Bytes(&encode(&[(1, Wired::Bytes(&tcp))])))]);
        let probe = encode(&[
            (1, Wired::Bytes(&handler)),
            (2, Wired::Number(0)),
            (3, Wired::Number(5)),
        ]);
        let memory = encode(&[
            (1, Wired::Bytes(b"memory")),
            (2, Wired::Bytes(&encode(&[(1, Wired::Bytes(b"1Gi"))]))),
        ]);
        let resources = encode(&[(1, Wired::Bytes(&memory))]);
        let container = encode(&[
            (1, Wired::Bytes(b"c")),
            (4, Wired::Bytes(b"x")),
            (4, Wired::Bytes(b"y")),
            (8, Wired::Bytes(&resources)),
            (10, Wired::Bytes(&probe)),
        ]);
        let pod = encode(&[
            (2, Wired::Bytes(&container)),
            (3, Wired::Bytes(b"")),
            (11, Wired::Number(0)),
        ]);
        let template = encode(&[(2, Wired::Bytes(&pod))]);
        let spec = encode(&[
            (1, Wired::Number(0)),
            (3, Wired::Bytes(&template)),
            (5, Wired::Number(0)),
        ]);
        let raw = encode(&[
            (1, Wired::Bytes(&metadata)),
            (2, Wired::Bytes(&spec)),
            (3, Wired::Bytes(b"")),
        ]);
        let object = decode(&body("apps/v1", "Deployment", &raw)).unwrap();
        assert_eq!(
            object,
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
                "spec": { "replicas": 0, "template": { "spec": { "containers": [{
                    "name": "c", "args": ["x", "y"], "resources": { "limits": { "memory": "1Gi" } },
                    "livenessProbe": { "tcpSocket": { "port": "http" }, "timeoutSeconds": 5 },
                }] } } },
            })
        );
    }

    #[test]
    fn bytes_are_base64_and_options_are_read() {
        let entry = encode(&[(1, Wired::Bytes(b"k")), (2, Wired::Bytes(b"v"))]);
        let empty = encode(&[(1, Wired::Bytes(b"e"))]);
        let raw = encode(&[(2, Wired::Bytes(&entry)), (2, Wired::Bytes(&empty))]);
        let secret = decode(&body("v1", "Secret", &raw)).unwrap();
        assert_eq!(secret["data"], json!({ "k": "dg==", "e": "" }));
        let raw = encode(&[(1, Wired::Number(0)), (4, Wired::Bytes(b"Foreground"))]);
        let options = decode(&body("apps/v1", "DeleteOptions", &raw)).unwrap();
        assert_eq!(
            (
                &options["gracePeriodSeconds"],
                &options["propagationPolicy"]
            ),
            (&json!(0), &json!("Foreground"))
        );
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let good = body(
            "v1",
            "Secret",
            &encode(&[(1, Wired::Bytes(&encode(&[(1, Wired::Bytes(b"name"))])))]),
        );
        for length in 0..good.len() {
            let _ = decode(&good[..length]);
        }
        for bad in [
            &b""[..],
            b"k8s\0\xff",
            b"{}",
            &body("v1", "Nonsense", b""),
            &body("v1", "Secret", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
