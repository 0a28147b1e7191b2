//! A pod that is kept for a shell, where the command that a repository is run by fails.

use catalyst_crd::labels;

use super::Workload;

/// What a version's name ends with where its pod is kept.
const KEPT: &str = "-kept";

/// Tries the command once more, so that its words are in the log of the very pod, and stays however that
/// ends. As the first process it is to pass on that it should end.
const SCRIPT: &str = r#"trap 'kill "$child"; wait "$child"; exit 143' TERM
"$@" &
child=$!
wait "$child"
echo "catalyst: exited with $?: $*" >&2
echo "catalyst: this pod is kept; open a shell, and what you start in it may answer at the URL" >&2
while :; do
  sleep 3600 &
  child=$!
  wait "$child"
done"#;

impl Workload {
    /// The version of this workload whose pod is kept.
    #[must_use]
    pub fn kept_version(&self) -> String {
        format!("{}{KEPT}", self.version)
    }

    /// The same with a pod that outlives its command, which failed for this reason. It is ready when
    /// something listens, whoever started it. Nothing where the command is the image's own.
    #[must_use]
    pub fn kept(&self, why: &str) -> Option<Self> {
        let mut kept = Self {
            version: self.kept_version(),
            kept_for: Some(why.to_owned()),
            ..self.clone()
        };
        let annotations = kept.template.metadata.as_mut()?.annotations.as_mut()?;
        annotations.insert(labels::TEMPLATE.to_owned(), kept.version.clone());
        annotations.insert(labels::KEPT.to_owned(), why.to_owned());
        let app = kept.template.spec.as_mut()?.containers.first_mut()?;
        let command = app.command.take()?;
        let script = ["sh", "-c", SCRIPT, "sh"].map(str::to_owned);
        let arguments = app.args.take().unwrap_or_default();
        app.command = Some([&script[..], &command, &arguments].concat());
        // They would have it restarted, with whatever a person did in it.
        app.liveness_probe = None;
        app.startup_probe = None;
        Some(kept)
    }
}
