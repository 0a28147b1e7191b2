//! From the pods of earlier templates to those of the present one.

use serde_json::Value;

use super::replica_sets::{ReplicaSets, available, replicas, scale};
use crate::controllers::object::{is_controlled_by, namespace, number};
use crate::controllers::pods;
use crate::objects::{ApiError, Objects, Selector, resource};

/// How far the number of pods may be from the wanted one during a rolling update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// How many more there may be.
    pub surge: i64,
    /// How many fewer may be available.
    pub unavailable: i64,
}

impl Bounds {
    /// Kubernetes' `ResolveFenceposts`: percentages of the wanted replicas, a surge rounded up
    /// and unavailability down; where both come to nothing, one may be unavailable.
    pub fn of(deployment: &Value) -> Self {
        let wanted = number(&deployment["spec"]["replicas"], 1);
        let strategy = &deployment["spec"]["strategy"];
        if strategy["type"] == "Recreate" {
            return Self {
                surge: 0,
                unavailable: 0,
            };
        }
        let rolling = &strategy["rollingUpdate"];
        let surge = amount(&rolling["maxSurge"], wanted, true);
        let unavailable = amount(&rolling["maxUnavailable"], wanted, false);
        if surge == 0 && unavailable == 0 {
            return Self {
                surge,
                unavailable: 1,
            };
        }
        Self {
            surge,
            unavailable: unavailable.min(wanted),
        }
    }
}

/// A number, or a percentage of a whole; 25 % where it is absent.
fn amount(value: &Value, whole: i64, round_up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number.max(0);
    }
    let percent = value.as_str().unwrap_or("25%").trim_end_matches('%');
    let percent: i64 = percent.parse().unwrap_or(0);
    let hundredfold = whole.saturating_mul(percent.max(0));
    if round_up {
        (hundredfold + 99) / 100
    } else {
        hundredfold / 100
    }
}

/// A step of a rolling update.
pub(super) fn roll(
    objects: &Objects,
    deployment: &Value,
    sets: &ReplicaSets,
) -> Result<(), ApiError> {
    let Some(new) = &sets.new else { return Ok(()) };
    let wanted = number(&deployment["spec"]["replicas"], 1);
    let bounds = Bounds::of(deployment);
    let most = wanted + bounds.surge;
    let all = sets.wanted();
    let present = replicas(new);
    let room = (most - all).max(0);
    let next = if present > wanted {
        wanted
    } else {
        present + room.min(wanted - present)
    };
    if next != present {
        // What the old ones may give up is decided when this has been done.
        return scale(objects, deployment, new, next, most);
    }
    let least = wanted - bounds.unavailable;
    let new_unavailable = present - available(new);
    // Pods that are not available can go whatever comes of the new ones.
    let mut unhealthy = (all - least - new_unavailable).max(0);
    let mut healthy = (sets.available() - least).max(0);
    for set in &sets.old {
        let present = replicas(set);
        let useless = (present - available(set)).clamp(0, unhealthy);
        unhealthy -= useless;
        let spare = (present - useless).clamp(0, healthy.min(unhealthy));
        healthy -= spare;
        unhealthy -= spare;
        let next = present - useless - spare;
        if next != present {
            scale(objects, deployment, set, next, most)?;
        }
    }
    Ok(())
}

/// Scale earlier templates to nothing. Says whether pods of them are still there.
pub(super) fn empty_old(
    objects: &Objects,
    deployment: &Value,
    sets: &ReplicaSets,
) -> Result<bool, ApiError> {
    let wanted = number(&deployment["spec"]["replicas"], 1);
    let mut waits = false;
    for set in &sets.old {
        if replicas(set) != 0 {
            scale(objects, deployment, set, 0, wanted)?;
            waits = true;
        }
    }
    if waits {
        return Ok(true);
    }
    let pods = objects.list(
        resource::PODS,
        Some(namespace(deployment)),
        &Selector::everything(),
    )?;
    Ok(pods.items.iter().any(|pod| {
        !pods::is_finished(pod) && sets.old.iter().any(|set| is_controlled_by(pod, set))
    }))
}

/// Give the present template all replicas at once.
pub(super) fn fill_new(
    objects: &Objects,
    deployment: &Value,
    sets: &ReplicaSets,
) -> Result<(), ApiError> {
    let Some(new) = &sets.new else { return Ok(()) };
    let wanted = number(&deployment["spec"]["replicas"], 1);
    if replicas(new) != wanted {
        scale(objects, deployment, new, wanted, wanted)?;
    }
    Ok(())
}

/// While a Deployment is paused, only its number of replicas is followed: by the present
/// ReplicaSet where it has pods, else by the newest one that has.
pub(super) fn scale_paused(
    objects: &Objects,
    deployment: &Value,
    sets: &ReplicaSets,
) -> Result<(), ApiError> {
    let wanted = number(&deployment["spec"]["replicas"], 1);
    let running = |set: &&std::sync::Arc<Value>| replicas(set) > 0;
    let newest = sets
        .new
        .iter()
        .find(running)
        .or_else(|| sets.old.iter().rev().find(running));
    let Some(set) = newest.or(sets.new.as_ref()).or(sets.old.last()) else {
        return Ok(());
    };
    let others = sets.wanted() - replicas(set);
    let next = (wanted - others).max(0);
    if next != replicas(set) {
        scale(objects, deployment, set, next, wanted)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bounds(replicas: i64, surge: Value, unavailable: Value) -> (i64, i64) {
        let bounds = Bounds::of(&json!({ "spec": { "replicas": replicas, "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable },
        } } }));
        (bounds.surge, bounds.unavailable)
    }

    #[test]
    fn bounds_are_numbers_or_percentages() {
        assert_eq!(bounds(1, json!("25%"), json!("25%")), (1, 0));
        assert_eq!(bounds(10, json!("25%"), json!("25%")), (3, 2));
        assert_eq!(bounds(4, json!(2), json!("50%")), (2, 2));
        assert_eq!(bounds(3, json!(0), json!(0)), (0, 1));
        assert_eq!(bounds(2, json!(0), json!(5)), (0, 2));
    }
}
