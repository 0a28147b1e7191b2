//! Health checks as probes.

use serde_json::{Value, json};

use super::load::scalar;
use super::units::seconds;

/// Seconds between checks at most: a preview should not wait half a minute to be seen ready.
const MOST: u64 = 10;

/// The readiness probe of a `healthcheck`; none where it is switched off.
///
/// An unhealthy container is not restarted by Docker either, so there is no liveness probe.
pub(super) fn probe(check: &Value) -> Result<Option<Value>, String> {
    if check["disable"] == true || check["disable"] == "true" {
        return Ok(None);
    }
    let command: Vec<String> = match &check["test"] {
        Value::Null => return Ok(None),
        Value::String(text) if text == "NONE" => return Ok(None),
        Value::String(text) => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()],
        Value::Array(list) => {
            let words: Vec<String> = list.iter().map(scalar).collect();
            match words.first().map(String::as_str) {
                None | Some("NONE") => return Ok(None),
                Some("CMD") => words[1..].to_vec(),
                Some("CMD-SHELL") => {
                    vec!["/bin/sh".to_owned(), "-c".to_owned(), words[1..].join(" ")]
                }
                Some(_) => {
                    return Err("test: a list must begin with CMD, CMD-SHELL or NONE".to_owned());
                }
            }
        }
        _ => return Err("test: is no command".to_owned()),
    };
    if command.is_empty() || command.last().is_some_and(|word| word.trim().is_empty()) {
        return Err("test: names no command".to_owned());
    }
    let time = |key: &str| match &check[key] {
        Value::Null => Ok(None),
        value => seconds(value)
            .map(Some)
            .ok_or_else(|| format!("{key}: {} is no duration", scalar(value))),
    };
    let interval = time("interval")?.unwrap_or(30).max(1);
    let timeout = time("timeout")?.unwrap_or(30).max(1);
    let (_, _) = (time("start_period")?, time("start_interval")?);
    let retries: u64 = match &check["retries"] {
        Value::Null => 3,
        value => scalar(value)
            .parse()
            .map_err(|_| format!("retries: {} is no number", scalar(value)))?,
    };
    Ok(Some(json!({
        "exec": { "command": command.iter().map(|word| super::service::escape(word)).collect::<Vec<_>>() },
        "periodSeconds": interval.min(MOST),
        "timeoutSeconds": timeout,
        "failureThreshold": retries.max(1),
    })))
}
