//! Reading a pod's spec.

use serde_json::Value;

/// Text at a field, empty where it is absent.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A list at a field, empty where it is absent.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// A list of words at a field.
pub(crate) fn words(value: &Value, field: &str) -> Vec<String> {
    list(value, field)
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

/// A container by name, init containers included.
pub(crate) fn container<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    list(&pod["spec"], "initContainers")
        .chain(list(&pod["spec"], "containers"))
        .find(|container| text(container, "name") == name)
}

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    /// The pod's.
    pub fn of(pod: &Value) -> Self {
        Self::parse(text(&pod["spec"], "restartPolicy")).unwrap_or(Self::Always)
    }

    /// An init container's: `Always` in its own spec makes it run beside the others; else it is
    /// run again until it succeeds, unless the pod says `Never`.
    pub fn of_init(pod: &Value, container: &Value) -> Self {
        match (Self::parse(text(container, "restartPolicy")), Self::of(pod)) {
            (Some(own), _) => own,
            (None, Self::Never) => Self::Never,
            (None, _) => Self::OnFailure,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "Always" => Some(Self::Always),
            "OnFailure" => Some(Self::OnFailure),
            "Never" => Some(Self::Never),
            _ => None,
        }
    }

    /// Whether a container that ended so is started again.
    pub fn restarts(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

/// A port of a container, by number or by its name in the pod.
pub(crate) fn port(pod: &Value, port: &Value) -> Option<u16> {
    match port {
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Value::String(name) => name.parse().ok().or_else(|| {
            list(&pod["spec"], "containers")
                .chain(list(&pod["spec"], "initContainers"))
                .flat_map(|container| list(container, "ports"))
                .find(|port| text(port, "name") == name)
                .and_then(|port| port["containerPort"].as_u64())
                .and_then(|port| u16::try_from(port).ok())
        }),
        _ => None,
    }
}
