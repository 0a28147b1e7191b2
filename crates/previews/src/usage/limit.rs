//! How much a preview is meant to use: pure.

use catalyst_crd::Project;
use catalyst_model::quantity;
use catalyst_model::usage::Resources;

/// How much a preview is meant to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub amount: Resources,
    /// Whether the Project sets the CPU, or the memory. The cluster then holds the preview to it.
    enforced_cpu: bool,
    enforced_memory: bool,
}

impl Limit {
    /// The Project's quota, and the usual amount for what the Project does not set.
    pub fn of(project: Option<&Project>, usual: Resources) -> Self {
        let quota = project.and_then(|it| it.spec.resources.as_ref()?.default_quota.as_ref());
        let cpu = quota.and_then(|it| quantity::millicores(it.cpu.as_deref()?));
        let memory = quota.and_then(|it| quantity::mebibytes(it.memory.as_deref()?));
        Self {
            amount: Resources {
                cpu_millicores: cpu.unwrap_or(usual.cpu_millicores),
                memory_mib: memory.unwrap_or(usual.memory_mib),
            },
            enforced_cpu: cpu.is_some(),
            enforced_memory: memory.is_some(),
        }
    }

    /// Whether this is too much CPU, and whether it is too much memory. What the cluster enforces
    /// is hardly ever exceeded: within a tenth of it is too much already.
    pub fn exceeded_by(&self, used: Resources) -> (bool, bool) {
        let exceeds = |used: u64, limit: u64, enforced: bool| match enforced {
            true => used.saturating_mul(10) >= limit.saturating_mul(9),
            false => used > limit,
        };
        (
            exceeds(
                used.cpu_millicores,
                self.amount.cpu_millicores,
                self.enforced_cpu,
            ),
            exceeds(
                used.memory_mib,
                self.amount.memory_mib,
                self.enforced_memory,
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalyst_crd::ProjectSpec;
    use catalyst_crd::project::{ProjectResources, Quota};

    fn resources(cpu_millicores: u64, memory_mib: u64) -> Resources {
        Resources {
            cpu_millicores,
            memory_mib,
        }
    }

    fn limit(cpu: Option<&str>, memory: Option<&str>) -> Limit {
        let quota = Quota {
            cpu: cpu.map(Into::into),
            memory: memory.map(Into::into),
        };
        let spec = ProjectSpec {
            resources: Some(ProjectResources {
                default_quota: Some(quota),
            }),
            ..ProjectSpec::default()
        };
        Limit::of(Some(&Project::new("shop", spec)), resources(500, 512))
    }

    #[test]
    fn a_projects_quota_takes_the_place_of_the_usual_amount() {
        for (cpu, memory, expected) in [
            (None, None, resources(500, 512)),
            (Some("2"), None, resources(2000, 512)),
            (Some("250m"), Some("1Gi"), resources(250, 1024)),
            (Some("nonsense"), Some("64Mi"), resources(500, 64)),
        ] {
            assert_eq!(limit(cpu, memory).amount, expected, "{cpu:?} {memory:?}");
        }
        let usual = Limit::of(None, resources(1, 2));
        assert_eq!(usual.amount, resources(1, 2));
    }

    #[test]
    fn more_than_usual_or_nearly_all_of_a_quota_is_too_much() {
        for (cpu, memory, used, expected) in [
            (None, None, resources(500, 512), (false, false)),
            (None, None, resources(501, 513), (true, true)),
            (Some("1"), Some("1Gi"), resources(899, 921), (false, false)),
            (Some("1"), Some("1Gi"), resources(900, 922), (true, true)),
            (Some("1"), None, resources(900, 400), (true, false)),
        ] {
            let exceeded = limit(cpu, memory).exceeded_by(used);
            assert_eq!(exceeded, expected, "{cpu:?} {memory:?} {used:?}");
        }
    }
}
