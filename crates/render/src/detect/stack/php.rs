//! PHP, and Laravel.

use super::Stack;
use crate::detect::{Confidence, Directory};

fn php_version(directory: &Directory) -> String {
    directory
        .get("php-version")
        .filter(|version| version.starts_with('8'))
        .unwrap_or("8.4")
        .to_owned()
}

pub(super) fn laravel(directory: &Directory) -> Option<Stack> {
    (directory.knows("php", "laravel/framework")
        || (directory.has("artisan") && directory.has("composer.json")))
    .then(|| Stack {
        project_type: "php",
        language: "PHP",
        framework: Some("Laravel".to_owned()),
        package_manager: Some("composer"),
        version: php_version(directory),
        install: Some("composer install".to_owned()),
        dev: Some("php artisan serve".to_owned()),
        build: directory
            .script("build")
            .map(|_| "npm run build".to_owned()),
        start: Some("php artisan serve --host=0.0.0.0".to_owned()),
        port: 8000,
        confidence: Confidence::High,
        reason: "composer.json names laravel/framework".to_owned(),
    })
}

pub(super) fn php(directory: &Directory) -> Option<Stack> {
    let files = directory.has("index.php") || directory.knows("directory", "public");
    if !directory.has("composer.json") && !directory.has("index.php") {
        return None;
    }
    let framework = [
        ("symfony/framework-bundle", "Symfony"),
        ("slim/slim", "Slim"),
        ("cakephp/cakephp", "CakePHP"),
        ("codeigniter4/framework", "CodeIgniter"),
        ("yiisoft/yii2", "Yii"),
        ("laravel/lumen-framework", "Lumen"),
        ("drupal/core-recommended", "Drupal"),
    ]
    .into_iter()
    .find(|(package, _)| directory.knows("php", package))
    .map(|(_, name)| name)
    .or_else(|| directory.has("wp-config.php").then_some("WordPress"))
    .or_else(|| directory.has("wp-config-sample.php").then_some("WordPress"));
    let place = if directory.has("index.php") {
        "."
    } else {
        "public"
    };
    let start = format!("php -S 0.0.0.0:8000 -t {place}");
    Some(Stack {
        project_type: "php",
        language: "PHP",
        framework: framework.map(ToOwned::to_owned),
        package_manager: directory.has("composer.json").then_some("composer"),
        version: php_version(directory),
        install: directory
            .has("composer.json")
            .then(|| "composer install".to_owned()),
        dev: Some(start.clone()),
        build: None,
        start: Some(start),
        port: 8000,
        confidence: if framework.is_some() || files {
            Confidence::Medium
        } else {
            Confidence::Low
        },
        reason: match framework {
            Some(name) => format!("composer.json or its files name {name}"),
            None if directory.has("composer.json") => "it has a composer.json".to_owned(),
            None => "it has an index.php".to_owned(),
        },
    })
}
