//! What an Environment may use in all, and what a container gets that does not say.

use std::collections::BTreeMap;

use catalyst_crd::project::Quota;
use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Problem, Target};

/// A container without limits gets a quarter of the quota: the pod that serves, the pod that
/// replaces it and a database fit at once, with room for one more.
const SHARE: i128 = 4;
/// And requests a tenth of that.
const REQUESTED: i128 = 10;

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
            milli(text)
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
                ])),
                default_request: Some(named([
                    ("cpu", cpu(limit_cpu / REQUESTED)),
                    ("memory", memory(limit_memory / REQUESTED)),
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

/// A Kubernetes quantity in thousandths, rounded up.
fn milli(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if number.is_empty()
        || number.len() > 18
        || fraction.contains('.')
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => return None,
    };
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some((digits * factor + scale - 1) / scale)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("2", Some(2000)),
            ("500m", Some(500)),
            ("0.5", Some(500)),
            (".5", Some(500)),
            ("1.5k", Some(1_500_000)),
            ("1Ki", Some(1_024_000)),
            ("8Gi", Some((8 << 30) * 1000)),
            ("0.0001", Some(1)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1.2.3", None),
            ("4 Gi", None),
            ("lots", None),
            ("9999999999999999999999999999999999999999", None),
        ] {
            assert_eq!(milli(text), expected, "{text}");
        }
    }

    #[test]
    fn amounts_are_written_in_canonical_form() {
        assert_eq!(cpu(1500).0, "1500m");
        assert_eq!(cpu(2000).0, "2");
        assert_eq!(memory(GIB * 3 / 2).0, "1536Mi");
        assert_eq!(memory(1000).0, "1000");
    }
}
