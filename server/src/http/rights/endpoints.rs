//! What there is to try.

use std::collections::BTreeSet;

use catalyst_app::App;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::generate_route_list;

use super::world::{Asker, World};

/// Where server functions are mounted.
pub const FUNCTIONS_AT: &str = "/api/fn/";

/// Each `METHOD path` of the router. Axum tells its paths in its debug output alone, and the
/// methods of each to whoever asks with one that there is not.
pub async fn routes(world: &World) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for path in paths(&world.router) {
        let example = example(&path);
        let refused = world
            .request("BREW", &example, "", Asker::Operator, false)
            .await;
        if refused.status == 405 && !refused.allow.is_empty() {
            let methods = refused.allow.split(',').map(str::trim);
            // Whatever answers GET answers HEAD.
            let methods = methods.filter(|method| *method != "HEAD");
            all.extend(methods.map(|method| format!("{method} {path}")));
        } else {
            all.insert(format!("ANY {path}"));
        }
    }
    all
}

/// A request's path that the pattern matches.
fn example(pattern: &str) -> String {
    let parts = pattern.split('/');
    let filled = parts.map(|part| if part.starts_with('{') { "x" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

/// Reads `RouteId(3): "/path"` out of the router's debug output.
fn paths(router: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut rest = router;
    while let Some((_, after)) = rest.split_once("RouteId(") {
        rest = after;
        let Some((id, told)) = after.split_once("): \"") else {
            continue;
        };
        if id.bytes().all(|b| b.is_ascii_digit())
            && let Some((path, _)) = told.split_once('"')
        {
            all.insert(path.to_owned());
        }
    }
    // The fallback, which serves files and the page that says that there is nothing.
    all.retain(|path| {
        !path.contains("__private__axum_fallback") && path != "/{*__private__axum_fallback}"
    });
    all
}

/// The pages as Leptos' router names them.
pub fn pages() -> BTreeSet<String> {
    let pages = generate_route_list(App);
    pages
        .into_iter()
        .map(|page| format!("GET {}", page.path()))
        .collect()
}

/// Each `METHOD name` of the server functions.
pub fn functions() -> BTreeSet<String> {
    server_fn_paths()
        .map(|(path, method)| {
            let name = path.strip_prefix(FUNCTIONS_AT);
            let name = name.unwrap_or_else(|| panic!("{path} is not below {FUNCTIONS_AT}"));
            format!("{method} {name}")
        })
        .collect()
}
