//! Compose files of all sorts, each with what becomes of it beside it.
#![allow(clippy::unwrap_used, missing_docs)]

mod scene;

use catalyst_render::compose::{Options, render};
use catalyst_render::dress::{Dress, dress};
use catalyst_render::validate::{Policy, admit, unknown_fields};
use catalyst_render::{ImageNames, yaml};
use scene::{Case, cases, compare};

fn options(case: &Case) -> Options {
    let mut options = Options {
        images: ImageNames {
            registry: "registry".to_owned(),
            project: "shop".to_owned(),
            environment: "preview-1".to_owned(),
            reference: "0123456".to_owned(),
        },
        ..Options::default()
    };
    for option in case
        .header("options")
        .unwrap_or_default()
        .split_whitespace()
    {
        match option.split_once('=').unwrap() {
            ("files", files) => options.files = files.split(',').map(ToOwned::to_owned).collect(),
            ("profiles", all) => options.profiles = all.split(',').map(ToOwned::to_owned).collect(),
            other => panic!("{other:?} is no option"),
        }
    }
    options
}

/// Everything that a person would see, in one text.
fn told(case: &Case) -> String {
    let rendered = match render(
        &case.folder,
        case.header("path").unwrap_or_default(),
        &options(case),
    ) {
        Ok(rendered) => rendered,
        Err(error) => return format!("error: {error}\n"),
    };
    let admitted = match admit(rendered, Policy::default()) {
        Ok(admitted) => admitted,
        Err(refused) => {
            return refused
                .0
                .iter()
                .map(|refusal| format!("refused: {refusal}\n"))
                .collect();
        }
    };
    let mut text = String::new();
    for warning in &admitted.warnings {
        text.push_str(&format!("# warning: {warning}\n"));
    }
    for build in &admitted.builds {
        text.push_str(&format!("# build: {build:?}\n"));
    }
    if let Some(route) = &admitted.route {
        let path = &route.paths[0];
        text.push_str(&format!(
            "# url: {}:{} because {}\n",
            path.service, path.port, route.reason
        ));
    }
    for object in &admitted.objects {
        assert_eq!(
            unknown_fields(object).unwrap(),
            Vec::<String>::new(),
            "{}: {object}",
            case.name
        );
    }
    let objects = dress(admitted.objects, &Dress::default());
    text + &yaml::print(&objects)
}

#[test]
fn every_compose_file_becomes_what_stands_beside_it() {
    let all = cases("compose");
    assert!(all.len() >= 60, "{} files", all.len());
    let wrong: Vec<_> = all
        .iter()
        .filter_map(|case| compare("compose", &case.name, &told(case)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn translating_again_gives_the_same() {
    for case in cases("compose") {
        assert_eq!(told(&case), told(&case), "{}", case.name);
    }
}

#[test]
fn no_key_is_lost_in_silence() {
    use catalyst_render::Folder;
    // Every key of a service in the specification, each alone.
    for (key, value) in [
        ("annotations", "{a: b}"),
        ("attach", "false"),
        ("blkio_config", "{weight: 300}"),
        ("cap_add", "[CHOWN]"),
        ("cap_drop", "[ALL]"),
        ("cgroup", "host"),
        ("cgroup_parent", "m"),
        ("command", "run"),
        ("cpu_count", "2"),
        ("cpu_percent", "50"),
        ("cpu_period", "50"),
        ("cpu_quota", "50"),
        ("cpu_rt_period", "50"),
        ("cpu_rt_runtime", "50"),
        ("cpu_shares", "50"),
        ("cpus", "0.5"),
        ("cpuset", "0"),
        ("credential_spec", "{file: x}"),
        ("device_cgroup_rules", "['c 1:3 mr']"),
        ("dns", "8.8.8.8"),
        ("dns_opt", "[x]"),
        ("dns_search", "x.y"),
        ("domainname", "x"),
        ("entrypoint", "run"),
        ("env_file", "a.env"),
        ("environment", "{A: 1}"),
        ("expose", "[1]"),
        ("external_links", "[a]"),
        ("extra_hosts", "['a:1.2.3.4']"),
        ("gpus", "all"),
        ("group_add", "[5]"),
        ("healthcheck", "{test: x}"),
        ("hostname", "h"),
        ("init", "true"),
        ("ipc", "container:x"),
        ("isolation", "x"),
        ("label_file", "x"),
        ("labels", "{a: b}"),
        ("links", "['x:y']"),
        ("logging", "{driver: x}"),
        ("mac_address", "02:42:ac:11:65:43"),
        ("mem_limit", "1g"),
        ("mem_reservation", "1g"),
        ("mem_swappiness", "1"),
        ("memswap_limit", "1g"),
        ("models", "[x]"),
        ("oom_kill_disable", "true"),
        ("oom_score_adj", "1"),
        ("pid", "service:x"),
        ("pids_limit", "1"),
        ("platform", "linux/amd64"),
        ("ports", "['80:80']"),
        ("post_start", "[{command: x}]"),
        ("pre_stop", "[{command: x}]"),
        ("provider", "{type: x}"),
        ("pull_policy", "always"),
        ("read_only", "true"),
        ("runtime", "x"),
        ("scale", "2"),
        ("security_opt", "['label:x']"),
        ("shm_size", "1m"),
        ("stdin_open", "true"),
        ("stop_grace_period", "99s"),
        ("stop_signal", "INT"),
        ("storage_opt", "{size: 1}"),
        ("sysctls", "{net.ipv4.tcp_syncookies: 0}"),
        ("tmpfs", "/x"),
        ("tty", "true"),
        ("ulimits", "{nproc: 1}"),
        ("use_api_socket", "true"),
        ("user", "5"),
        ("userns_mode", "host"),
        ("uts", "host"),
        ("volumes", "['v:/v']"),
        ("volumes_from", "[x]"),
        ("working_dir", "/x"),
        ("a_typo", "1"),
    ] {
        let file = |extra: &str| {
            format!(
                "services:\n  x: {{image: i/x}}\n  web:\n    image: i/web\n{extra}\nvolumes: {{v: }}\n"
            )
        };
        let with = |extra: &str| {
            let text = file(extra);
            let folder = Folder::of([("compose.yaml", text.as_str()), ("a.env", "A=1\n")]);
            let rendered = render(&folder, "", &Options::default())
                .unwrap_or_else(|error| panic!("{key}: {error}"));
            let said: Vec<String> = rendered
                .warnings
                .iter()
                .map(ToString::to_string)
                .filter(|text| text.contains(key))
                .collect();
            (rendered.objects, said)
        };
        let ((before, _), (after, said)) = (with(""), with(&format!("    {key}: {value}")));
        let silent = ["attach"].contains(&key);
        assert!(
            silent || before != after || !said.is_empty(),
            "{key} is lost in silence"
        );
    }
}
