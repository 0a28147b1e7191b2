//! What an Environment may use in all, and what a container gets that does not say.

use std::collections::BTreeMap;

use catalyst_crd::project::Quota;
use catalyst_model::quantity::millis;
use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Problem, Target};

/// A container without limits gets a quarter of the quota: the pod that serves, the pod that
/// replaces it and a database fit at once, with room for one more.
const SHARE: i128 = 4;
/// And requests a tenth of that.
const REQUESTED: i128 = 10;

/// What a container may fill of its node's disk: its own files, its logs and the volumes that end with its
/// pod. The kubelet evicts a pod that takes more than all of its containers may. No room is set aside for
/// it, as few need any.
const DISK: &str = "10Gi";

/// What all pods together may use, in thousandths of a core and in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    requests_cpu: i128,
    limits_cpu: i128,
    requests_memory: i128,
    limits_memory: i128,
}

const GIB: i128 = 1 << 30;

impl Default for Allowance {
    fn default() -> Self {
        Self {
            requests_cpu: 2000,
            limits_cpu: 4000,
            requests_memory: 4 * GIB,
            limits_memory: 8 * GIB,
        }
    }
}

impl Allowance {
    /// The default, with what a Project says in its place: both requests and limits end there.
    ///
    /// # Errors
    /// If a quantity cannot be read, or is not above zero.
    pub fn of(quota: Option<&Quota>) -> Result<Self, Problem> {
        let mut allowance = Self::default();
        let read = |field: &str, text: &str, thousandths: bool| {
            millis(text)
                .map(|milli| if thousandths { milli } else { milli / 1000 })
                .filter(|&amount| amount > 0)
                .ok_or_else(|| {
                    Problem::new(
                        "QuotaInvalid",
                        format!("spec.resources.defaultQuota.{field} of the Project is {text:?}; write a quantity such as 500m, 4 or 8Gi"),
                    )
                })
        };
        if let Some(cpu) = quota.and_then(|quota| quota.cpu.as_deref()) {
            let cpu = read("cpu", cpu, true)?;
            (allowance.requests_cpu, allowance.limits_cpu) = (cpu, cpu);
        }
        if let Some(memory) = quota.and_then(|quota| quota.memory.as_deref()) {
            let memory = read("memory", memory, false)?;
            (allowance.requests_memory, allowance.limits_memory) = (memory, memory);
        }
        Ok(allowance)
    }

    /// What a container gets that is known to need so much, in thousandths of a core and in bytes:
    /// no more than one that says nothing, so that the quota admits it.
    #[must_use]
    pub(super) fn at_most(self, milli: i128, bytes: i128) -> ResourceRequirements {
        let milli = milli.min(self.limits_cpu / SHARE);
        let bytes = bytes.min(self.limits_memory / SHARE);
        let amounts = |milli, bytes| Some(named([("cpu", cpu(milli)), ("memory", memory(bytes))]));
        ResourceRequirements {
            limits: amounts(milli, bytes),
            // Databases hold on to the memory that they got.
            requests: amounts(milli / REQUESTED, bytes / 2),
            claims: None,
        }
    }
}

/// ResourceQuota `default-quota`.
#[must_use]
pub fn resource_quota(target: &Target, allowance: Allowance) -> ResourceQuota {
    let hard = [
        ("requests.cpu", cpu(allowance.requests_cpu)),
        ("limits.cpu", cpu(allowance.limits_cpu)),
        ("requests.memory", memory(allowance.requests_memory)),
        ("limits.memory", memory(allowance.limits_memory)),
        ("pods", Quantity("20".to_owned())),
    ];
    ResourceQuota {
        metadata: target.meta("default-quota"),
        spec: Some(ResourceQuotaSpec {
            hard: Some(named(hard)),
            ..ResourceQuotaSpec::default()
        }),
        status: None,
    }
}

/// LimitRange `default-limits`. A quota on requests and limits refuses pods that name none; this
/// gives them some.
#[must_use]
pub fn limit_range(target: &Target, allowance: Allowance) -> LimitRange {
    let (limit_cpu, limit_memory) = (
        allowance.limits_cpu / SHARE,
        allowance.limits_memory / SHARE,
    );
    LimitRange {
        metadata: target.meta("default-limits"),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default: Some(named([
                    ("cpu", cpu(limit_cpu)),
                    ("memory", memory(limit_memory)),
                    ("ephemeral-storage", Quantity(DISK.to_owned())),
                ])),
                default_request: Some(named([
                    ("cpu", cpu(limit_cpu / REQUESTED)),
                    ("memory", memory(limit_memory / REQUESTED)),
                    ("ephemeral-storage", Quantity("0".to_owned())),
                ])),
                ..LimitRangeItem::default()
            }],
        }),
    }
}

fn named<const N: usize>(amounts: [(&str, Quantity); N]) -> BTreeMap<String, Quantity> {
    amounts
        .into_iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .collect()
}

/// In the canonical form, which is what the API server keeps.
fn cpu(milli: i128) -> Quantity {
    let milli = milli.max(1);
    Quantity(if milli % 1000 == 0 {
        (milli / 1000).to_string()
    } else {
        format!("{milli}m")
    })
}

/// In the canonical form of binary suffixes.
fn memory(bytes: i128) -> Quantity {
    let mut amount = bytes.max(1);
    let mut suffix = "";
    for larger in ["Ki", "Mi", "Gi", "Ti"] {
        if amount % 1024 != 0 {
            break;
        }
        amount /= 1024;
        suffix = larger;
    }
    Quantity(format!("{amount}{suffix}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_canonical_form() {
        assert_eq!(cpu(1500).0, "1500m");
        assert_eq!(cpu(2000).0, "2");
        assert_eq!(memory(GIB * 3 / 2).0, "1536Mi");
        assert_eq!(memory(1000).0, "1000");
    }
}
