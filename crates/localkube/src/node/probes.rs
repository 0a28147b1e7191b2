//! Startup, readiness and liveness probes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::exec::{self, Target};
use super::pod::Pod;
use super::spec::{self, list, text, words};

/// A probe that failed so often that the container is started again.
pub(crate) struct Unhealthy {
    /// `startup` or `liveness`.
    pub probe: &'static str,
    /// How long the container has to end.
    pub grace: Duration,
}

/// Probe a container as long as it runs. Returns only where it has to be restarted.
pub(crate) async fn watch(pod: &Arc<Pod>, spec: &Value, target: &Target) -> Unhealthy {
    let name = text(spec, "name");
    let readiness = spec.get("readinessProbe").filter(|probe| probe.is_object());
    if let Some(probe) = spec.get("startupProbe").filter(|probe| probe.is_object()) {
        if !passes_in_time(pod, probe, target).await {
            return Unhealthy {
                probe: "startup",
                grace: grace(pod, probe),
            };
        }
        pod.update(name, |container| {
            container.started = true;
            container.ready = readiness.is_none();
        });
    }
    let ready = async {
        match readiness {
            Some(probe) => follow_readiness(pod, spec, probe, target).await,
            None => std::future::pending().await,
        }
    };
    let alive = async {
        match spec.get("livenessProbe").filter(|probe| probe.is_object()) {
            Some(probe) => {
                until_it_fails(pod, probe, target).await;
                Unhealthy {
                    probe: "liveness",
                    grace: grace(pod, probe),
                }
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ready => std::future::pending().await,
        unhealthy = alive => unhealthy,
    }
}

fn number(probe: &Value, field: &str, default: u64) -> u64 {
    probe[field]
        .as_u64()
        .filter(|number| *number > 0)
        .unwrap_or(default)
}

fn grace(pod: &Pod, probe: &Value) -> Duration {
    let seconds = probe["terminationGracePeriodSeconds"]
        .as_u64()
        .or_else(|| pod.object()["spec"]["terminationGracePeriodSeconds"].as_u64());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// Probe once a period, and count how often in a row it went the same way.
struct Rounds<'a> {
    pod: &'a Arc<Pod>,
    probe: &'a Value,
    target: &'a Target,
    kind: &'static str,
    ticks: tokio::time::Interval,
    in_a_row: (bool, u64),
}

impl<'a> Rounds<'a> {
    fn new(pod: &'a Arc<Pod>, probe: &'a Value, target: &'a Target, kind: &'static str) -> Self {
        let delay = Duration::from_secs(probe["initialDelaySeconds"].as_u64().unwrap_or(0));
        let period = Duration::from_secs(number(probe, "periodSeconds", 10));
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + delay, period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            pod,
            probe,
            target,
            kind,
            ticks,
            in_a_row: (false, 0),
        }
    }

    /// The next round: whether it passed, and whether so often that it counts.
    async fn next(&mut self) -> (bool, bool) {
        self.ticks.tick().await;
        let result = once(self.pod, self.probe, self.target).await;
        let passed = result.is_ok();
        if let Err(why) = result {
            let message = format!("{} probe failed: {why}", self.kind);
            self.pod.event("Warning", "Unhealthy", &message);
        }
        self.in_a_row = if self.in_a_row.0 == passed {
            (passed, self.in_a_row.1 + 1)
        } else {
            (passed, 1)
        };
        let threshold = if passed {
            number(self.probe, "successThreshold", 1)
        } else {
            number(self.probe, "failureThreshold", 3)
        };
        (passed, self.in_a_row.1 >= threshold)
    }
}

async fn passes_in_time(pod: &Arc<Pod>, probe: &Value, target: &Target) -> bool {
    let mut rounds = Rounds::new(pod, probe, target, "Startup");
    loop {
        if let (passed, true) = rounds.next().await {
            return passed;
        }
    }
}

async fn follow_readiness(pod: &Arc<Pod>, spec: &Value, probe: &Value, target: &Target) {
    let mut rounds = Rounds::new(pod, probe, target, "Readiness");
    loop {
        if let (passed, true) = rounds.next().await {
            pod.update(text(spec, "name"), |container| container.ready = passed);
        }
    }
}

async fn until_it_fails(pod: &Arc<Pod>, probe: &Value, target: &Target) {
    let mut rounds = Rounds::new(pod, probe, target, "Liveness");
    loop {
        if let (false, true) = rounds.next().await {
            return;
        }
    }
}

async fn once(pod: &Arc<Pod>, probe: &Value, target: &Target) -> Result<(), String> {
    let timeout = Duration::from_secs(number(probe, "timeoutSeconds", 1));
    if let Some(action) = probe.get("httpGet") {
        return http(pod, action, timeout).await;
    }
    if let Some(action) = probe.get("tcpSocket") {
        let port = spec::port(&pod.object(), &action["port"]).ok_or("no such port")?;
        return match tokio::time::timeout(timeout, pod.dial(port)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("dial tcp :{port}: {error}")),
            Err(_) => Err(format!("dial tcp :{port}: i/o timeout")),
        };
    }
    if let Some(action) = probe.get("exec") {
        let command = words(action, "command");
        return match exec::run(&pod.node.host, target, &command, timeout).await {
            Ok((0, _)) => Ok(()),
            Ok((_, output)) => Err(output),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(format!(
                "command timed out: {command:?} timed out after {}s",
                timeout.as_secs()
            )),
            Err(error) => Err(error.to_string()),
        };
    }
    Err("the embedded cluster has httpGet, tcpSocket and exec probes only".to_owned())
}

/// One HTTP request to the pod; any answer from 200 to 399 is a success.
pub(crate) async fn http(pod: &Arc<Pod>, action: &Value, timeout: Duration) -> Result<(), String> {
    let port = spec::port(&pod.object(), &action["port"]).ok_or("no such port")?;
    let path = match text(action, "path") {
        "" => "/",
        path => path,
    };
    let address = format!(
        "{}:{port}",
        pod.state.borrow().pod_ip.clone().unwrap_or_default()
    );
    let request = async {
        let stream = pod.dial(port).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let driver = tokio::spawn(connection);
        let mut request = http::Request::get(path).header("user-agent", "kube-probe/1.34");
        let mut has_host = false;
        for header in list(action, "httpHeaders") {
            has_host |= text(header, "name").eq_ignore_ascii_case("host");
            request = request.header(text(header, "name"), text(header, "value"));
        }
        if !has_host {
            request = request.header("host", &address);
        }
        let request = request
            .header("connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string());
        let status = match response {
            Ok(response) => {
                let status = response.status();
                // Read a little of it, so that the server does not see a broken connection.
                let _ = response.into_body().frame().await;
                Ok(status)
            }
            Err(error) => Err(error),
        };
        driver.abort();
        status
    };
    let failed = |why: &str| Err(format!("Get \"http://{address}{path}\": {why}"));
    match tokio::time::timeout(timeout, request).await {
        Err(_) => failed("context deadline exceeded"),
        Ok(Err(why)) => failed(&why),
        Ok(Ok(status)) if (200..400).contains(&status.as_u16()) => Ok(()),
        Ok(Ok(status)) => Err(format!(
            "HTTP probe failed with statuscode: {}",
            status.as_u16()
        )),
    }
}
