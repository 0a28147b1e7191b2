//! What previews use: asked of each cluster once per interval, by one task of the process, and
//! kept in memory for a while. Whoever looks is served from here.

mod limit;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use catalyst_cluster::PodUsage;
use catalyst_crd::Environment;
use catalyst_crd::labels::{PROJECT, TEAM};
use catalyst_model::names::{environment_namespace, project_namespace, team_namespace};
use catalyst_model::usage::{PreviewUsage, Resources, UsageHistory, UsageOf};
use chrono::Utc;
use futures::future::join_all;
use kube::ResourceExt;
use tokio_util::sync::CancellationToken;

use crate::Previews;
use crate::actor::Actor;
use crate::places::Place;
use limit::Limit;

/// How long a cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of what previews use.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    clusters: RwLock<HashMap<String, Measurement>>,
}

/// A cluster's last answer.
#[derive(Debug, Clone, Default)]
struct Measurement {
    answer: Answer,
    /// By namespace.
    previews: HashMap<String, Measured>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Answer {
    #[default]
    NotAsked,
    Measured,
    NoServer,
    Failed(String),
}

/// What was measured of a preview.
#[derive(Debug, Clone)]
struct Measured {
    team: String,
    usage: PreviewUsage,
    pods: HashMap<String, Resources>,
}

/// Where a preview's pods run, and whose it is.
struct Home {
    namespace: String,
    team: String,
    limit: Limit,
}

/// What was measured at a time, each with the team that may see it.
pub(crate) type News = Arc<Vec<(String, UsageOf)>>;

impl Usage {
    /// What the preview in this namespace uses; none where that is not known.
    pub fn of(&self, namespace: &str) -> Option<PreviewUsage> {
        self.find(namespace, |it| it.usage.clone())
    }

    /// What each of its pods uses.
    pub fn of_pods(&self, namespace: &str) -> HashMap<String, Resources> {
        self.find(namespace, |it| it.pods.clone())
            .unwrap_or_default()
    }

    fn find<T>(&self, namespace: &str, read: impl Fn(&Measured) -> T) -> Option<T> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        let found = clusters.values().find_map(|it| it.previews.get(namespace));
        found.map(read)
    }

    /// How many previews use more than they are meant to, of those that the actor sees.
    pub fn over_quota(&self, actor: &Actor) -> u32 {
        let sees = |team: &str| actor.role_in(team).is_some();
        u32::try_from(self.exceeding(sees).len()).unwrap_or(u32::MAX)
    }

    /// The namespaces of the previews of these teams that use more than they are meant to.
    pub fn exceeding(&self, of_team: impl Fn(&str) -> bool) -> Vec<String> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        let previews = clusters.values().flat_map(|it| &it.previews);
        previews
            .filter(|(_, it)| it.usage.is_exceeding() && of_team(&it.team))
            .map(|(namespace, _)| namespace.clone())
            .collect()
    }

    /// What the measured previews of each team use together.
    pub fn by_team(&self) -> HashMap<String, Resources> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        let mut teams: HashMap<String, Resources> = HashMap::new();
        for measured in clusters.values().flat_map(|it| it.previews.values()) {
            let sum = teams.entry(measured.team.clone()).or_default();
            *sum = *sum + measured.usage.used;
        }
        teams
    }

    /// What the previews of a cluster use together; none where it does not measure.
    pub fn of_cluster(&self, cluster: &str) -> Option<Resources> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        let found = clusters.get(cluster)?;
        let sum = found.previews.values().map(|it| it.usage.used).sum();
        (found.answer == Answer::Measured).then_some(sum)
    }

    /// Why figures are missing, in a sentence.
    pub fn unmeasured(&self) -> Option<String> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        let mut sentences: Vec<String> = clusters
            .iter()
            .filter_map(|(cluster, it)| why_not(cluster, &it.answer))
            .collect();
        sentences.sort();
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// Why a cluster's figures are missing, in a sentence.
    pub fn unmeasured_in(&self, cluster: &str) -> Option<String> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        why_not(cluster, &clusters.get(cluster)?.answer)
    }

    /// Takes a cluster's answer over. What it does not mention is forgotten.
    fn take_over(
        &self,
        cluster: &str,
        homes: &[Home],
        answer: Result<Option<Vec<PodUsage>>, String>,
        minute: i64,
    ) -> News {
        let mut clusters = self
            .clusters
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let kept = clusters.entry(cluster.to_owned()).or_default();
        let pods = match answer {
            Ok(Some(pods)) => pods,
            Ok(None) => {
                kept.answer = Answer::NoServer;
                kept.previews.clear();
                return News::default();
            }
            // The last figures are soon old: none are better.
            Err(why) => {
                kept.answer = Answer::Failed(why);
                for measured in kept.previews.values_mut() {
                    measured.pods.clear();
                }
                return News::default();
            }
        };
        kept.answer = Answer::Measured;
        let mut by_namespace: HashMap<String, HashMap<String, Resources>> = HashMap::new();
        for pod in pods {
            let pods = by_namespace.entry(pod.namespace).or_default();
            pods.insert(pod.name, pod.used);
        }
        let mut previews = HashMap::new();
        for home in homes {
            let Some(pods) = by_namespace.remove(&home.namespace) else {
                continue;
            };
            let before = kept.previews.remove(&home.namespace);
            let history = before.map(|it| it.usage.history).unwrap_or_default();
            let used = pods.values().copied().sum();
            let usage = home.limit.judge(used, history, minute);
            let measured = Measured {
                team: home.team.clone(),
                usage,
                pods,
            };
            previews.insert(home.namespace.clone(), measured);
        }
        kept.previews = previews;
        let news = kept.previews.iter().map(|(namespace, it)| {
            let usage = PreviewUsage {
                history: it.usage.history.newest(),
                ..it.usage.clone()
            };
            let namespace = namespace.clone();
            (it.team.clone(), UsageOf { namespace, usage })
        });
        Arc::new(news.collect())
    }
}

fn why_not(cluster: &str, answer: &Answer) -> Option<String> {
    match answer {
        Answer::NotAsked | Answer::Measured => None,
        Answer::NoServer => Some(format!(
            "Cluster {cluster} has no metrics server, so what previews use there is not known: install metrics-server in it."
        )),
        Answer::Failed(why) => Some(format!(
            "Cluster {cluster} does not tell what previews use: {why}."
        )),
    }
}

impl Limit {
    /// A measurement against the limit, after what was measured before.
    fn judge(&self, used: Resources, mut history: UsageHistory, minute: i64) -> PreviewUsage {
        let point = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        history.add(minute, point(used.cpu_millicores), point(used.memory_mib));
        let (exceeding_cpu, exceeding_memory) = self.exceeded_by(used);
        PreviewUsage {
            used,
            cpu_limit: self.amount.cpu_millicores,
            memory_limit: self.amount.memory_mib,
            exceeding_cpu,
            exceeding_memory,
            history,
        }
    }
}

impl Previews {
    /// Measures at the settings' interval, until `stop`.
    pub(crate) async fn measure_usage(&self, stop: CancellationToken) {
        let measuring = async {
            self.inner.places.ready().await;
            let mut ticks = tokio::time::interval(self.inner.settings.usage_every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // A cluster that is silent holds up none of the others for long.
                join_all(self.inner.places.iter().map(|it| self.measure_once(it))).await;
            }
        };
        tokio::select! {
            () = measuring => {}
            () = stop.cancelled() => {}
        }
    }

    async fn measure_once(&self, place: &Place) {
        let cluster = &place.cluster;
        if !place.mirror.is_ready() {
            return;
        }
        let environments = place.mirror.environments();
        let homes: Vec<Home> = environments.iter().filter_map(|it| self.home(it)).collect();
        let answer = match place.silence() {
            Some(silence) => Err(silence),
            None => match tokio::time::timeout(PATIENCE, cluster.all_pod_usage()).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(e)) => Err(self.redacted_chain(&e)),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            },
        };
        let minute = Utc::now().timestamp() / 60;
        let usage = &self.inner.usage;
        let before = usage.unmeasured_in(cluster.name());
        let news = usage.take_over(cluster.name(), &homes, answer, minute);
        let after = usage.unmeasured_in(cluster.name());
        if after != before {
            if let Some(why) = &after {
                tracing::warn!(
                    component = crate::COMPONENT,
                    event = "usage-not-measured",
                    why
                );
            }
            self.inner.live.reload();
        }
        self.inner.live.measured(news);
    }

    /// Where an Environment's pods run. The team is the one whose namespace it is in: nobody can
    /// claim another's by a label.
    fn home(&self, environment: &Environment) -> Option<Home> {
        let label = |key| environment.labels().get(key).map(String::as_str);
        let (team, project) = (label(TEAM)?, label(PROJECT)?);
        if environment.namespace() != Some(project_namespace(team, project)) {
            return None;
        }
        let of_team = team_namespace(team);
        let mut places = self.inner.places.iter();
        let object = places.find_map(|it| it.mirror.project(&of_team, project));
        Some(Home {
            namespace: environment_namespace(team, project, &environment.name_any()),
            team: team.to_owned(),
            limit: Limit::of(object.as_deref(), self.inner.settings.usage_warning),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use catalyst_model::state::Role;

    fn resources(cpu_millicores: u64, memory_mib: u64) -> Resources {
        Resources {
            cpu_millicores,
            memory_mib,
        }
    }

    fn home(namespace: &str, team: &str) -> Home {
        Home {
            namespace: namespace.into(),
            team: team.into(),
            limit: Limit::of(None, resources(500, 512)),
        }
    }

    fn pod(namespace: &str, name: &str, cpu: u64) -> PodUsage {
        PodUsage {
            namespace: namespace.into(),
            name: name.into(),
            used: resources(cpu, 100),
        }
    }

    fn member_of(team: &str) -> Actor {
        Actor {
            user_id: uuid::Uuid::nil(),
            login: "max".into(),
            memberships: vec![(team.into(), Role::Member)],
            operator: false,
            token: None,
        }
    }

    #[test]
    fn what_is_measured_is_kept_by_preview_and_counted_by_team() {
        let usage = Usage::default();
        let places = [home("a-1", "acme"), home("b-1", "beta")];
        let pods = vec![
            pod("a-1", "web", 400),
            pod("a-1", "db", 200),
            pod("b-1", "web", 10),
            pod("kube-system", "dns", 9000),
        ];
        let news = usage.take_over("one", &places, Ok(Some(pods)), 100);
        assert_eq!(news.len(), 2, "and nothing of what is not Catalyst's");
        let first = usage.of("a-1").unwrap();
        assert_eq!(first.used, resources(600, 200));
        assert!(first.exceeding_cpu && !first.exceeding_memory);
        assert_eq!(usage.of_pods("a-1")["db"], resources(200, 100));
        assert_eq!(usage.over_quota(&member_of("acme")), 1);
        assert_eq!(usage.over_quota(&member_of("beta")), 0);
        assert_eq!(usage.by_team()["acme"], resources(600, 200));
        assert_eq!(usage.of_cluster("one"), Some(resources(610, 300)));
        assert_eq!(usage.unmeasured(), None);

        let later = usage.take_over("one", &places, Ok(Some(vec![pod("a-1", "web", 7)])), 101);
        assert_eq!(usage.of("a-1").unwrap().history.cpu, [600, 7]);
        assert_eq!(later[0].1.usage.history.cpu, [7], "news tell what is new");
        assert_eq!(usage.of("b-1"), None, "what is gone is forgotten");
    }

    #[test]
    fn a_missing_metrics_server_is_said_and_leaves_no_figures() {
        let usage = Usage::default();
        let places = [home("a-1", "acme")];
        usage.take_over("one", &places, Ok(Some(vec![pod("a-1", "web", 400)])), 1);
        usage.take_over("one", &places, Ok(None), 2);
        assert_eq!(usage.of("a-1"), None);
        assert_eq!(usage.of_cluster("one"), None);
        let said = usage.unmeasured().unwrap();
        assert!(
            said.starts_with("Cluster one has no metrics server"),
            "{said}"
        );
    }

    #[test]
    fn a_cluster_that_does_not_answer_says_why_and_another_still_tells() {
        let usage = Usage::default();
        usage.take_over("one", &[home("a-1", "acme")], Err("no answer".into()), 1);
        let pods = vec![pod("b-1", "web", 1)];
        usage.take_over("two", &[home("b-1", "beta")], Ok(Some(pods)), 1);
        assert!(usage.of("b-1").is_some());
        assert_eq!(
            usage.unmeasured().as_deref(),
            Some("Cluster one does not tell what previews use: no answer.")
        );
        assert_eq!(usage.unmeasured_in("two"), None);
    }
}
