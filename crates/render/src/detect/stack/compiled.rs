//! What is compiled before it runs: Java, .NET, Go, Rust.

use super::Stack;
use crate::detect::{Confidence, Directory};

pub(super) fn java(directory: &Directory) -> Option<Stack> {
    let maven = directory.has("pom.xml");
    let gradle = directory
        .first_of(&["build.gradle", "build.gradle.kts"])
        .is_some();
    if !maven && !gradle {
        return None;
    }
    let framework = directory.get("java");
    let (manager, tool) = if maven {
        (
            "maven",
            if directory.has("mvnw") {
                "./mvnw"
            } else {
                "mvn"
            },
        )
    } else {
        (
            "gradle",
            if directory.has("gradlew") {
                "./gradlew"
            } else {
                "gradle"
            },
        )
    };
    let dev = match (framework, maven) {
        (Some("Spring Boot"), true) => format!("{tool} spring-boot:run"),
        (Some("Spring Boot"), false) => format!("{tool} bootRun"),
        (Some("Quarkus"), true) => format!("{tool} quarkus:dev"),
        (Some("Quarkus"), false) => format!("{tool} quarkusDev"),
        (Some("Micronaut"), true) => format!("{tool} mn:run"),
        (_, true) => format!("{tool} compile exec:java"),
        (_, false) => format!("{tool} run"),
    };
    let (build, jar) = if maven {
        (
            format!("{tool} package -DskipTests"),
            if framework == Some("Quarkus") {
                "target/quarkus-app/quarkus-run.jar"
            } else {
                "target/*.jar"
            },
        )
    } else {
        (
            format!("{tool} build -x test"),
            if framework == Some("Quarkus") {
                "build/quarkus-app/quarkus-run.jar"
            } else {
                "build/libs/*.jar"
            },
        )
    };
    Some(Stack {
        project_type: "java",
        language: if directory.get("kotlin").is_some() {
            "Kotlin"
        } else {
            "Java"
        },
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some(manager),
        version: directory
            .get("java-version")
            .filter(|version| matches!(*version, "8" | "11" | "17" | "21" | "24" | "25"))
            .unwrap_or("21")
            .to_owned(),
        install: None,
        dev: Some(dev),
        build: Some(build),
        start: Some(format!("java -jar {jar}")),
        port: directory.fixed_port().unwrap_or(8080),
        confidence: if framework.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: match framework {
            Some(name) => format!("its {manager} build names {name}"),
            None => format!("it is built with {manager}"),
        },
    })
}

pub(super) fn dotnet(directory: &Directory) -> Option<Stack> {
    let web = directory.get("dotnet-web");
    let project = web.or_else(|| directory.get("dotnet"))?;
    Some(Stack {
        project_type: "dotnet",
        language: if project.ends_with(".fsproj") {
            "F#"
        } else {
            "C#"
        },
        framework: web.map(|_| "ASP.NET Core".to_owned()),
        package_manager: Some("nuget"),
        version: directory.get("dotnet-version").unwrap_or("9.0").to_owned(),
        install: Some("dotnet restore".to_owned()),
        dev: Some(format!("dotnet watch run --project {project}")),
        build: Some(format!("dotnet publish -c Release {project}")),
        start: Some(format!("dotnet run -c Release --project {project}")),
        port: 8080,
        confidence: if web.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: match web {
            Some(project) => format!("{project} is a project of the web SDK"),
            None => format!("it has the project {project}"),
        },
    })
}

pub(super) fn go(directory: &Directory) -> Option<Stack> {
    let package = directory.get("go")?;
    let framework = directory.get("go-framework");
    Some(Stack {
        project_type: "go",
        language: "Go",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some("go modules"),
        version: directory.get("go-version").unwrap_or("1").to_owned(),
        install: Some("go mod download".to_owned()),
        dev: Some(format!("go run {package}")),
        build: Some(format!("go build -o app {package}")),
        start: Some("./app".to_owned()),
        port: directory.fixed_port().unwrap_or(8080),
        confidence: Confidence::Medium,
        reason: format!("go.mod is there, and package main in {package}"),
    })
}

pub(super) fn rust(directory: &Directory) -> Option<Stack> {
    directory.get("rust")?;
    let framework = directory.get("rust-framework");
    let port = match framework {
        Some("Rocket") => 8000,
        Some("Axum" | "Leptos" | "Poem") => 3000,
        _ => 8080,
    };
    Some(Stack {
        project_type: "rust",
        language: "Rust",
        framework: framework.map(ToOwned::to_owned),
        package_manager: Some("cargo"),
        version: "1".to_owned(),
        install: Some("cargo fetch".to_owned()),
        dev: Some("cargo run".to_owned()),
        build: Some("cargo build --release".to_owned()),
        start: Some(format!(
            "./target/release/{}",
            directory.get("rust-name").unwrap_or("app")
        )),
        port: directory.fixed_port().unwrap_or(port),
        confidence: Confidence::Medium,
        reason: "Cargo.toml is there, and a program among its sources".to_owned(),
    })
}
