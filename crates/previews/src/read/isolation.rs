//! Whether a cluster keeps previews apart, as its Environments say.

use std::sync::Arc;

use catalyst_crd::{ConditionType, Environment};

/// What to tell of a cluster that was seen not to enforce network policies, in the operator's words of
/// the newest time.
pub(crate) fn not_enforced(environments: &[Arc<Environment>]) -> Option<String> {
    environments
        .iter()
        .filter_map(|environment| {
            let status = environment.status.as_ref()?;
            status.condition(ConditionType::NetworkIsolated)
        })
        .max_by_key(|condition| condition.last_transition_time.0)
        .filter(|newest| newest.status == "False")
        .map(|newest| {
            let mut words = newest.message.chars();
            let first = words.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(words).chain(['.']).collect()
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn saying(status: &str, at: &str) -> Arc<Environment> {
        let condition = json!({
            "type": "NetworkIsolated", "status": status, "reason": "X", "message": "the plugin does not",
            "lastTransitionTime": at,
        });
        Arc::new(
            serde_json::from_value(json!({
                "metadata": { "name": "preview-1" },
                "spec": { "projectRef": { "name": "shop" }, "type": "development" },
                "status": { "conditions": [condition] },
            }))
            .unwrap(),
        )
    }

    #[test]
    fn the_newest_word_counts() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let told = not_enforced(&[saying("False", late), saying("True", early)]);
        assert_eq!(told.as_deref(), Some("The plugin does not."));
        assert_eq!(
            not_enforced(&[saying("False", early), saying("True", late)]),
            None
        );
        assert_eq!(not_enforced(&[saying("Unknown", late)]), None);
        assert_eq!(not_enforced(&[]), None);
    }
}
