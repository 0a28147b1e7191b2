//! What the files of Node.js say.

use serde_json::Value;

use super::Examination;

impl Examination<'_> {
    pub(super) fn node(&mut self) {
        let Some(package) = self.text("package.json") else {
            return;
        };
        let package: Value =
            serde_json::from_str(package.trim_start_matches('\u{feff}')).unwrap_or_default();
        let words = |value: &Value| value.as_str().map(ToOwned::to_owned);
        for (fact, value) in [
            ("packageManager", words(&package["packageManager"])),
            ("main", words(&package["main"])),
            ("module-type", words(&package["type"])),
            ("node", words(&package["engines"]["node"])),
            ("node", words(&package["volta"]["node"])),
        ] {
            if let Some(value) = value {
                self.fact(fact, &value);
            }
        }
        for (name, script) in package["scripts"]
            .as_object()
            .into_iter()
            .flatten()
            .take(100)
        {
            if let Some(script) = script.as_str() {
                self.fact("script", &format!("{name}={script}"));
            }
        }
        let mut count = 0;
        for kind in ["dependencies", "devDependencies", "optionalDependencies"] {
            for name in package[kind]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .take(500)
            {
                count += 1;
                self.fact("dependency", name);
            }
        }
        self.fact("dependencies", &count.to_string());
        let local = |version: &Value| {
            let kinds = ["file:", "link:", "portal:", "workspace:", "."];
            version
                .as_str()
                .is_some_and(|text| kinds.iter().any(|kind| text.starts_with(kind)))
        };
        let mut versions = ["dependencies", "devDependencies", "optionalDependencies"]
            .iter()
            .filter_map(|kind| package[kind].as_object())
            .flat_map(serde_json::Map::values);
        if versions.any(local) {
            self.fact("local-dependencies", "yes");
        }
        if !package["workspaces"].is_null() {
            self.fact("workspaces", "yes");
        }
        if let Some(version) = self.text("pnpm-lock.yaml").and_then(|lock| {
            let line = lock
                .lines()
                .take(5)
                .find_map(|line| line.strip_prefix("lockfileVersion:"))?;
            Some(
                line.trim()
                    .trim_matches(['\'', '"'])
                    .split('.')
                    .next()?
                    .to_owned(),
            )
        }) {
            self.fact("pnpm-lock", &version);
        }
        if self.text("yarn.lock").is_some_and(|lock| {
            lock.lines()
                .take(12)
                .any(|line| line.starts_with("__metadata:"))
        }) {
            self.fact("yarn", "berry");
        }
        if let Some(version) = [".nvmrc", ".node-version"]
            .iter()
            .find_map(|name| self.text(name)?.lines().next().map(ToOwned::to_owned))
        {
            self.fact("node-version", version.trim());
        }
        let mut files: Vec<String> = package["main"]
            .as_str()
            .map(|main| main.trim_start_matches("./").to_owned())
            .into_iter()
            .collect();
        for place in ["", "src/", "server/", "bin/"] {
            for stem in ["server", "app", "index", "main", "www"] {
                for end in ["js", "mjs", "cjs", "ts", "mts"] {
                    files.push(format!("{place}{stem}.{end}"));
                }
            }
        }
        files.push("bin/www".to_owned());
        self.listens(&files);
    }
}
