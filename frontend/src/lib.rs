//! The wasm entry point.

use wasm_bindgen::prelude::wasm_bindgen;

/// Takes over the page that the server has rendered.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    // Most pages are parts of their own: the page is taken over once its part is here.
    leptos::mount::hydrate_lazy(catalyst_app::App);
}
