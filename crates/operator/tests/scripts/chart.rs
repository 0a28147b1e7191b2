//! Charts as they are rendered, with what stands in for helm.

use std::path::Path;
use std::process::{Command, Output};

use catalyst_render::{Bundle, bundle};
use tempfile::TempDir;

use super::{git, repository, script, shells, write};

/// What the script that has a chart rendered makes of `checkout`, with what stands in for helm.
fn chart(shell: &(String, Vec<String>), checkout: &Path, repositories: &str) -> Output {
    let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/charts");
    let values = checkout.join(".git/values.json");
    std::fs::write(&values, r#"{"text":"a value"}"#).unwrap();
    Command::new(&shell.1[0])
        .arg(script("render-chart.sh"))
        .env("PATH", format!("{stand_in}:{}", shell.0))
        .env("KUBECONFIG", "/etc/kubernetes/admin.conf")
        .env("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        .env("GIT_CLONE_ROOT", checkout)
        .env("CHART_PATH", "de ploy")
        .env("CHART_RELEASE", "preview-1")
        .env("CHART_NAMESPACE", "acme-shop-preview-1")
        .env("CHART_VALUES", &values)
        .env("CHART_REPOSITORIES", repositories)
        .env("CHART_KUBERNETES", "v1.34.0")
        .output()
        .unwrap()
}

/// A checkout of these files, as it is before a chart is rendered from it.
fn checked_out(files: &[(&str, &str)]) -> (TempDir, String) {
    let directory = repository(files);
    let commit = git(directory.path(), &["rev-parse", "HEAD"]);
    git(directory.path(), &["checkout", "-q", "--detach", &commit]);
    (directory, commit)
}

fn reported(output: &Output) -> Bundle {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(!text.contains("a value"), "{text}");
    Bundle::unpack(&bundle::packed(&text).unwrap())
        .unwrap_or_else(|error| panic!("{error}: {said}"))
}

const CHART: &str = "name: shop\nversion: 0.1.0\n";

#[test]
fn a_chart_is_rendered_at_its_commit_twice_where_that_tells_it_apart() {
    for shell in shells() {
        let plain = "a: VALUES\nb: RELEASE in NAMESPACE on VERSION\n";
        let (checkout, commit) = checked_out(&[
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/templates/a.yaml", plain),
        ]);
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        assert_eq!(bundle.commit.as_str(), commit);
        let text = bundle.folder.text("rendered/1000.yaml").unwrap();
        assert!(
            text.contains(r#"a: {"text":"a value"}"#)
                && text.contains("b: preview-1 in acme-shop-preview-1 on v1.34.0"),
            "{text}"
        );
        assert_eq!(bundle.folder.len(), 1, "{shell:?}");

        // Larger than a file of a report may be, and another one each time.
        let large = format!("# {}\n", "x".repeat(1000)).repeat(1500) + "password: RANDOM\n";
        let (checkout, _) = checked_out(&[
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/templates/a.yaml", &large),
        ]);
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        let last = |place: &str| bundle.folder.text(&format!("{place}/1003.yaml")).unwrap();
        assert!(last("rendered").contains("password: "));
        assert_ne!(last("rendered"), last("again"));
    }
}

#[test]
fn what_helm_refuses_is_reported_and_what_cannot_be_fetched_is_tried_again() {
    for shell in shells() {
        let (checkout, _) = checked_out(&[("de ploy/Chart.yaml", CHART), ("de ploy/broken", "")]);
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        assert_eq!(bundle.folder.len(), 1);
        assert!(bundle.folder.text("error").unwrap().contains("nil pointer"));

        let files = [
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/needs", ""),
            ("de ploy/templates/a.yaml", "a: b\n"),
        ];
        let (checkout, _) = checked_out(&files);
        reported(&chart(
            &shell,
            checkout.path(),
            "https://charts.example.com",
        ));
        assert!(checkout.path().join("de ploy/charts-fetched").exists());

        let (checkout, _) = checked_out(&[&files[..], &[("de ploy/unreachable", "")]].concat());
        let output = chart(&shell, checkout.path(), "https://charts.example.com");
        assert!(!output.status.success() && output.stdout.is_empty());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("cannot be fetched: Error: no route to charts.example.com"),
            "{said}"
        );
    }
}

#[test]
fn a_chart_reads_nothing_outside_of_its_checkout() {
    for shell in shells() {
        let outside = TempDir::new().unwrap();
        write(outside.path(), &[("secret.yaml", "stolen: true\n")]);
        let (checkout, _) = checked_out(&[
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/templates/a.yaml", "own: true\n"),
            ("shared/b.yaml", "shared: true\n"),
        ]);
        let templates = checkout.path().join("de ploy/templates");
        std::os::unix::fs::symlink(outside.path().join("secret.yaml"), templates.join("c.yaml"))
            .unwrap();
        std::os::unix::fs::symlink("../../shared/b.yaml", templates.join("b $(touch ran).yaml"))
            .unwrap();
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        let text = bundle.folder.text("rendered/1000.yaml").unwrap();
        assert!(
            text.contains("own: true") && text.contains("shared: true"),
            "{text}"
        );
        assert!(!text.contains("stolen"), "{text}");
        assert!(!checkout.path().join("ran").exists());
    }
}
