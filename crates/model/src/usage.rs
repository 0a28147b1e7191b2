//! What previews and clusters use, of what they may.

use serde::{Deserialize, Serialize};

/// CPU and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu_millicores: u64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
}

impl std::ops::Add for Resources {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.saturating_add(other.cpu_millicores),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
        }
    }
}

impl std::iter::Sum for Resources {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), std::ops::Add::add)
    }
}

/// What a cluster has, and what is taken of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// How many nodes it has.
    pub nodes: u32,
    /// How many of them take no pods now: not ready, or cordoned.
    pub unavailable_nodes: u32,
    /// What pods may use on the nodes that take pods.
    pub allocatable: Resources,
    /// What the pods there have asked for: what is left can still be asked for.
    pub requested: Resources,
    /// What the nodes use, as measured; none where the cluster has no metrics server.
    pub used: Option<Resources>,
}

/// What a preview uses, and is meant to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Flat")]
pub struct PreviewUsage {
    /// What all its pods use together, as measured last.
    #[serde(flatten)]
    pub used: Resources,
    /// How much CPU it is meant to use, in thousandths of a core.
    pub cpu_limit: u64,
    /// How much memory it is meant to use, in MiB.
    pub memory_limit: u64,
    /// Whether it uses more CPU than it is meant to.
    pub exceeding_cpu: bool,
    /// Whether it uses more memory than it is meant to.
    pub exceeding_memory: bool,
    /// What it used in the last while.
    pub history: UsageHistory,
}

/// [`PreviewUsage`] as it is read: a flattened field would have all the others kept until it is known
/// whose they are, which a browser would have to load the code for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flat {
    cpu_millicores: u64,
    #[serde(rename = "memoryMiB")]
    memory_mib: u64,
    cpu_limit: u64,
    memory_limit: u64,
    exceeding_cpu: bool,
    exceeding_memory: bool,
    history: UsageHistory,
}

impl From<Flat> for PreviewUsage {
    fn from(flat: Flat) -> Self {
        Self {
            used: Resources {
                cpu_millicores: flat.cpu_millicores,
                memory_mib: flat.memory_mib,
            },
            cpu_limit: flat.cpu_limit,
            memory_limit: flat.memory_limit,
            exceeding_cpu: flat.exceeding_cpu,
            exceeding_memory: flat.exceeding_memory,
            history: flat.history,
        }
    }
}

impl PreviewUsage {
    /// Whether it uses more of anything than it is meant to.
    #[must_use]
    pub const fn is_exceeding(&self) -> bool {
        self.exceeding_cpu || self.exceeding_memory
    }

    /// This measurement with what was known before it.
    #[must_use]
    pub fn after(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before {
            let newest = std::mem::replace(&mut self.history, before.history.clone());
            let points = newest.cpu.iter().zip(&newest.memory);
            let first = newest.until - i64::try_from(newest.cpu.len()).unwrap_or_default() + 1;
            for (minute, (cpu, memory)) in (first..).zip(points) {
                self.history.add(minute, *cpu, *memory);
            }
        }
        self
    }
}

/// What was used in each minute of the last half hour: the most of that minute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageHistory {
    /// The last minute, counted from 1970.
    pub until: i64,
    /// CPU in thousandths of a core; the last minute's last.
    pub cpu: Vec<u32>,
    /// Memory in MiB; the last minute's last.
    pub memory: Vec<u32>,
}

impl UsageHistory {
    /// How many minutes are kept.
    pub const MINUTES: usize = 30;

    /// Takes in what was measured in a minute. A few minutes without a measurement are taken for
    /// as the one before them; after a longer gap the history begins anew. What is older than the
    /// last minute is left out.
    pub fn add(&mut self, minute: i64, cpu: u32, memory: u32) {
        const GAP: i64 = 5;
        let behind = minute - self.until;
        match (self.cpu.last_mut(), self.memory.last_mut()) {
            (Some(last_cpu), Some(last_memory)) if behind == 0 => {
                *last_cpu = cpu.max(*last_cpu);
                *last_memory = memory.max(*last_memory);
                return;
            }
            (Some(_), Some(_)) if behind < 0 => return,
            (Some(last_cpu), Some(last_memory)) if behind <= GAP => {
                let (last_cpu, last_memory) = (*last_cpu, *last_memory);
                for _ in 1..behind {
                    self.cpu.push(last_cpu);
                    self.memory.push(last_memory);
                }
            }
            _ => {
                self.cpu.clear();
                self.memory.clear();
            }
        }
        self.until = minute;
        self.cpu.push(cpu);
        self.memory.push(memory);
        let over = self.cpu.len().saturating_sub(Self::MINUTES);
        self.cpu.drain(..over);
        self.memory.drain(..over);
    }

    /// Only the last minute.
    #[must_use]
    pub fn newest(&self) -> Self {
        Self {
            until: self.until,
            cpu: self.cpu.last().copied().into_iter().collect(),
            memory: self.memory.last().copied().into_iter().collect(),
        }
    }
}

/// What was measured of the preview in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageOf {
    /// The preview's namespace.
    pub namespace: String,
    /// What it uses; of its history, the last minute alone. See [`PreviewUsage::after`].
    pub usage: PreviewUsage,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(points: &[(i64, u32)]) -> UsageHistory {
        let mut history = UsageHistory::default();
        for (minute, cpu) in points {
            history.add(*minute, *cpu, 1);
        }
        history
    }

    #[test]
    fn a_minute_is_remembered_by_its_most_and_gaps_by_what_was_before_them() {
        assert_eq!(history(&[(100, 5), (100, 9), (100, 7)]).cpu, [9]);
        assert_eq!(
            history(&[(100, 5), (101, 6), (104, 7)]).cpu,
            [5, 6, 6, 6, 7]
        );
        assert_eq!(history(&[(100, 5), (110, 6)]).cpu, [6], "a long gap");
        assert_eq!(history(&[(100, 5), (99, 6)]).cpu, [5], "a clock that jumps");
        assert_eq!(history(&[(100, 5), (104, 7)]).memory.len(), 5);
    }

    #[test]
    fn a_history_is_bounded() {
        let points: Vec<(i64, u32)> = (0..1000).map(|n| (i64::from(n), n)).collect();
        let history = history(&points);
        assert_eq!(history.cpu.len(), UsageHistory::MINUTES);
        assert_eq!((history.until, history.cpu.last()), (999, Some(&999)));
    }

    #[test]
    fn a_measurement_goes_on_from_what_was_known() {
        let usage = |history| PreviewUsage {
            used: Resources::default(),
            cpu_limit: 500,
            memory_limit: 512,
            exceeding_cpu: false,
            exceeding_memory: false,
            history,
        };
        let known = usage(history(&[(100, 5), (101, 6)]));
        let new = usage(history(&[(101, 6), (102, 7)]).newest());
        assert_eq!(new.clone().after(Some(&known)).history.cpu, [5, 6, 7]);
        assert_eq!(new.after(None).history.cpu, [7]);
    }

    #[test]
    fn the_figures_have_the_names_that_agents_know() {
        let mut history = UsageHistory::default();
        history.add(1, 2, 3);
        let usage = PreviewUsage {
            used: Resources {
                cpu_millicores: 2,
                memory_mib: 3,
            },
            cpu_limit: 500,
            memory_limit: 512,
            exceeding_cpu: false,
            exceeding_memory: false,
            history,
        };
        let json = serde_json::to_value(&usage).unwrap_or_default();
        for (field, value) in [
            ("cpuMillicores", 2),
            ("memoryMiB", 3),
            ("cpuLimit", 500),
            ("memoryLimit", 512),
        ] {
            assert_eq!(json[field], value, "{field}");
        }
        assert_eq!(serde_json::from_value(json).ok(), Some(usage));
    }
}
