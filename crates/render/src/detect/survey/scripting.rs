//! What the files of Ruby and PHP say.

use serde_json::Value;

use super::{Examination, GEM, MAJOR_MINOR, RUBY};

impl Examination<'_> {
    pub(super) fn ruby(&mut self) {
        let Some(gems) = self.text("Gemfile") else {
            return;
        };
        let mut all: Vec<String> = GEM
            .captures_iter(gems)
            .map(|found| found[1].to_owned())
            .collect();
        all.truncate(200);
        let version = RUBY.captures(gems).map(|found| found[1].to_owned());
        for gem in all {
            self.fact("gem", &gem);
        }
        let written = self
            .text(".ruby-version")
            .and_then(|text| MAJOR_MINOR.find(text))
            .map(|found| found.as_str().to_owned());
        if let Some(version) = written.or(version) {
            self.fact("ruby-version", &version);
        }
        self.listens(&["app.rb", "server.rb", "main.rb", "config.ru"].map(ToOwned::to_owned));
    }

    pub(super) fn php(&mut self) {
        if let Some(package) = self.text("composer.json") {
            let package: Value = serde_json::from_str(package).unwrap_or_default();
            for name in package["require"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .take(200)
            {
                self.fact("php", name);
            }
            if let Some(version) = package["require"]["php"]
                .as_str()
                .and_then(|range| MAJOR_MINOR.find(range))
                .map(|found| found.as_str().to_owned())
            {
                self.fact("php-version", &version);
            }
        }
    }
}
