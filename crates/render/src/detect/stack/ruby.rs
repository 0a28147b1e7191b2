//! Ruby, and Rails.

use super::Stack;
use crate::detect::{Confidence, Directory};

pub(super) fn gem(directory: &Directory, name: &str) -> bool {
    directory.knows("gem", name)
}

fn ruby_version(directory: &Directory) -> String {
    directory.get("ruby-version").unwrap_or("3.4").to_owned()
}

pub(super) fn rails(directory: &Directory) -> Option<Stack> {
    let is = gem(directory, "rails")
        || (directory.has("config.ru") && directory.has("Rakefile") && gem(directory, "railties"));
    is.then(|| Stack {
        project_type: "ruby",
        language: "Ruby",
        framework: Some("Ruby on Rails".to_owned()),
        package_manager: Some("bundler"),
        version: ruby_version(directory),
        install: Some("bundle install".to_owned()),
        dev: Some(
            if directory.get("procfile-dev").is_some() {
                "bin/dev"
            } else {
                "bin/rails server"
            }
            .to_owned(),
        ),
        build: Some("bin/rails assets:precompile".to_owned()),
        start: Some("bin/rails server -e production".to_owned()),
        port: directory.fixed_port().unwrap_or(3000),
        confidence: Confidence::High,
        reason: "the Gemfile names rails".to_owned(),
    })
}

pub(super) fn ruby(directory: &Directory) -> Option<Stack> {
    if !directory.has("Gemfile") {
        return None;
    }
    let file = directory.first_of(&["app.rb", "server.rb", "main.rb", "web.rb"]);
    let rack = directory.has("config.ru");
    let (framework, port) = if gem(directory, "sinatra") {
        (Some("Sinatra"), 4567)
    } else if gem(directory, "hanami") {
        (Some("Hanami"), 2300)
    } else if gem(directory, "jekyll") || directory.get("generator") == Some("Jekyll") {
        (Some("Jekyll"), 4000)
    } else if gem(directory, "grape") {
        (Some("Grape"), 9292)
    } else if gem(directory, "roda") {
        (Some("Roda"), 9292)
    } else {
        (rack.then_some("Rack"), 9292)
    };
    let start = match (framework, rack, file) {
        (Some("Jekyll"), ..) => "bundle exec jekyll serve --host 0.0.0.0".to_owned(),
        (_, true, _) => "bundle exec rackup --host 0.0.0.0".to_owned(),
        (_, _, Some(file)) => format!("bundle exec ruby {file}"),
        _ => return None,
    };
    Some(Stack {
        project_type: "ruby",
        language: "Ruby",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some("bundler"),
        version: ruby_version(directory),
        install: Some("bundle install".to_owned()),
        dev: Some(start.clone()),
        build: (framework == Some("Jekyll")).then(|| "bundle exec jekyll build".to_owned()),
        start: Some(start),
        port: directory.fixed_port().unwrap_or(port),
        confidence: if framework.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: match framework {
            Some(name) => format!("it has a Gemfile and is written with {name}"),
            None => "it has a Gemfile".to_owned(),
        },
    })
}
