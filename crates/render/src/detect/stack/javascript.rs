//! Node.js and Deno.

use super::Stack;
use crate::detect::{Confidence, Directory, node};

type NodeFramework = (&'static str, &'static str, u16);

/// Dependencies that name what a Node program is, the more telling first, and the port that each
/// listens on by itself.
#[rustfmt::skip]
const NODE_FRAMEWORKS: &[NodeFramework] = &[
    ("next", "Next.js", 3000), ("nuxt", "Nuxt", 3000), ("nuxt3", "Nuxt", 3000),
    ("@react-router/dev", "React Router", 5173), ("@remix-run/dev", "Remix", 3000), ("@remix-run/react", "Remix", 3000), ("@remix-run/node", "Remix", 3000),
    ("astro", "Astro", 4321), ("@sveltejs/kit", "SvelteKit", 5173), ("gatsby", "Gatsby", 8000), ("@angular/core", "Angular", 4200),
    ("@nestjs/core", "NestJS", 3000), ("@docusaurus/core", "Docusaurus", 3000), ("vitepress", "VitePress", 5173), ("vuepress", "VuePress", 8080),
    ("@redwoodjs/core", "RedwoodJS", 8910), ("@solidjs/start", "SolidStart", 3000), ("solid-start", "SolidStart", 3000), ("@builder.io/qwik-city", "Qwik", 5173),
    ("@tanstack/react-start", "TanStack Start", 3000), ("@tanstack/start", "TanStack Start", 3000), ("@strapi/strapi", "Strapi", 1337), ("@keystone-6/core", "Keystone", 3000),
    ("payload", "Payload", 3000), ("@adonisjs/core", "AdonisJS", 3333), ("@feathersjs/feathers", "Feathers", 3030), ("@loopback/core", "LoopBack", 3000), ("sails", "Sails", 1337),
    ("@11ty/eleventy", "Eleventy", 8080), ("hexo", "Hexo", 4000), ("react-scripts", "Create React App", 3000), ("@vue/cli-service", "Vue CLI", 8080),
    ("ember-cli", "Ember", 4200), ("preact-cli", "Preact CLI", 8080), ("expo", "Expo", 8081), ("@storybook/html", "Storybook", 6006),
    ("fastify", "Fastify", 3000), ("@hapi/hapi", "hapi", 3000), ("koa", "Koa", 3000), ("hono", "Hono", 3000), ("elysia", "Elysia", 3000),
    ("apollo-server", "Apollo Server", 4000), ("@apollo/server", "Apollo Server", 4000), ("graphql-yoga", "GraphQL Yoga", 4000), ("moleculer", "Moleculer", 3000), ("restify", "Restify", 8080), ("polka", "Polka", 3000),
    ("vite", "Vite", 5173), ("express", "Express", 3000), ("@rsbuild/core", "Rsbuild", 3000), ("parcel", "Parcel", 1234), ("parcel-bundler", "Parcel", 1234),
    ("webpack-dev-server", "webpack", 8080), ("snowpack", "Snowpack", 8080), ("socket.io", "Socket.IO", 3000), ("ws", "ws", 8080), ("http-server", "http-server", 8080), ("serve", "serve", 3000), ("json-server", "JSON Server", 3000), ("browser-sync", "Browsersync", 3000),
];

/// The framework of a Node program, and where it listens.
pub(super) fn node_framework(directory: &Directory) -> Option<(&'static str, u16)> {
    NODE_FRAMEWORKS
        .iter()
        .find(|(package, ..)| directory.depends(package))
        .map(|&(_, name, port)| (name, port))
}

pub(super) fn node(directory: &Directory, root: Option<&Directory>) -> Option<Stack> {
    if !directory.has("package.json") {
        return None;
    }
    let framework = node_framework(directory);
    let manager = node::manager_name(directory, root);
    let runner = if manager == "npm" {
        "npm run".to_owned()
    } else if manager == "bun" {
        "bun run".to_owned()
    } else {
        manager.to_owned()
    };
    let script = |names: &[&str]| {
        names
            .iter()
            .find(|name| directory.script(name).is_some())
            .map(|name| (format!("{runner} {name}"), (*name).to_owned()))
    };
    let dev = script(&node::DEV_SCRIPTS);
    let build = script(&["build"]);
    let file = node::main_file(directory);
    let start = script(&["start:prod"])
        .filter(|_| directory.depends("@nestjs/core"))
        .or_else(|| script(&["start"]));
    let start_words = start
        .clone()
        .map(|(words, _)| words)
        .or_else(|| file.map(|file| format!("node {file}")));
    let typescript = directory.depends("typescript") || directory.has("tsconfig.json");
    let (confidence, reason) = if let Some((_, name)) = &dev {
        (
            Confidence::High,
            format!("package.json has a {name:?} script"),
        )
    } else if start.is_some() {
        (
            Confidence::Low,
            "package.json has a \"start\" script and none for development".to_owned(),
        )
    } else if let Some(file) = file {
        (
            Confidence::Low,
            format!("package.json has no script that starts it; {file} looks like its beginning"),
        )
    } else {
        (
            Confidence::Low,
            "package.json has no script that starts it".to_owned(),
        )
    };
    let said = dev
        .as_ref()
        .or(start.as_ref())
        .and_then(|(_, name)| node::said_port(&directory.script(name)?));
    let port = said
        .or_else(|| directory.fixed_port())
        .or(framework.map(|(_, port)| port))
        .unwrap_or(3000);
    Some(Stack {
        project_type: "nodejs",
        language: if typescript {
            "TypeScript"
        } else {
            "JavaScript"
        },
        framework: framework.map(|(name, _)| name.to_owned()),
        package_manager: Some(manager),
        version: node::node_version(directory).to_string(),
        install: Some(node::install_words(directory, root)),
        dev: dev.map(|(words, _)| words),
        build: build.map(|(words, _)| words),
        start: start_words,
        port,
        confidence,
        reason: match framework {
            Some((name, _)) => format!("{reason}; it depends on {name}"),
            None => reason,
        },
    })
}

pub(super) fn deno(directory: &Directory) -> Option<Stack> {
    let configured = directory.get("deno").is_some();
    let main = directory.get("deno-main").or_else(|| {
        configured
            .then(|| directory.first_of(&["main.ts", "main.tsx", "server.ts", "mod.ts", "main.js"]))
            .flatten()
    });
    let task = |name: &str| {
        directory
            .all("deno-task")
            .any(|task| task.split_once('=').is_some_and(|(known, _)| known == name))
    };
    let fresh = directory
        .all("deno-import")
        .any(|import| import.contains("fresh"));
    let dev = if task("dev") {
        Some("deno task dev".to_owned())
    } else {
        None
    };
    let start = if task("start") {
        Some("deno task start".to_owned())
    } else {
        main.map(|main| format!("deno run --allow-net --allow-env --allow-read {main}"))
    };
    if dev.is_none() && start.is_none() {
        return None;
    }
    Some(Stack {
        project_type: "deno",
        language: "TypeScript",
        framework: fresh.then(|| "Fresh".to_owned()),
        package_manager: Some("deno"),
        version: "2".to_owned(),
        install: main.map(|main| format!("deno cache {main}")),
        dev: dev.or_else(|| start.clone()),
        build: task("build").then(|| "deno task build".to_owned()),
        start,
        port: directory.fixed_port().unwrap_or(8000),
        confidence: if configured {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reason: if configured {
            "it has a deno.json".to_owned()
        } else {
            "its program uses Deno's own interface".to_owned()
        },
    })
}
