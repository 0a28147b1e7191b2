//! The terminal's own module, loaded when the first shell is opened.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Reflect};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{Element, HtmlElement};

/// The script that loads it.
const SCRIPT: &str = "/pkg/terminal-start.js";

/// The object that it leaves on the window.
const GLOBAL: &str = "catalystTerminal";

#[wasm_bindgen]
extern "C" {
    /// A terminal on the page; see the terminal's own crate.
    pub(crate) type Terminal;
    #[wasm_bindgen(catch, js_namespace = catalystTerminal, js_name = open)]
    fn open_terminal(
        host: &HtmlElement,
        path: &str,
        on_state: &Function,
        on_leave: &Function,
    ) -> Result<Terminal, JsValue>;
    #[wasm_bindgen(method)]
    pub(crate) fn reconnect(this: &Terminal);
    #[wasm_bindgen(method)]
    pub(crate) fn focus(this: &Terminal);
    #[wasm_bindgen(method)]
    pub(crate) fn fit(this: &Terminal);
    #[wasm_bindgen(method)]
    pub(crate) fn copy(this: &Terminal) -> bool;
    #[wasm_bindgen(method)]
    pub(crate) fn paste(this: &Terminal);
    #[wasm_bindgen(method)]
    pub(crate) fn close(this: &Terminal);
}

/// Opens a terminal in `host`, connected to `path`. `on_state` is told how it is doing, and
/// `on_leave` that the keyboard leaves it; none if the terminal does not start.
pub(super) fn open(
    host: &HtmlElement,
    path: &str,
    on_state: impl Fn(String, String) + 'static,
    on_leave: impl Fn() + 'static,
) -> Option<Terminal> {
    let on_state = Closure::<dyn Fn(String, String)>::new(on_state).into_js_value();
    let on_leave = Closure::<dyn Fn()>::new(on_leave).into_js_value();
    open_terminal(
        host,
        path,
        on_state.unchecked_ref(),
        on_leave.unchecked_ref(),
    )
    .ok()
}

/// Calls `then` once the module is there, with whether it is.
pub(super) fn load(then: impl FnOnce(bool) + 'static) {
    if is_loaded() {
        return then(true);
    }
    let script = format!("script[src=\"{SCRIPT}\"]");
    let asked_for = document().query_selector(&script).ok().flatten().is_some();
    let script = if asked_for { None } else { add_script() };
    listen(then, script);
}

fn is_loaded() -> bool {
    Reflect::has(&window(), &GLOBAL.into()).unwrap_or(false)
}

fn add_script() -> Option<Element> {
    let script = document().create_element("script").ok()?;
    script.set_attribute("type", "module").ok()?;
    script.set_attribute("src", SCRIPT).ok()?;
    document().head()?.append_child(&script).ok()?;
    Some(script)
}

fn listen(then: impl FnOnce(bool) + 'static, script: Option<Element>) {
    let then = Rc::new(RefCell::new(Some(then)));
    let answer = {
        let script = script.clone();
        move |loaded: bool| {
            if !loaded && let Some(script) = &script {
                // So that the next try asks for it anew.
                script.remove();
            }
            if let Some(then) = then.borrow_mut().take() {
                then(loaded);
            }
        }
    };
    let failed = {
        let answer = answer.clone();
        Closure::once_into_js(move || answer(false))
    };
    let ready = Closure::once_into_js(move || answer(true));
    // Listening fails for no window.
    let _ =
        window().add_event_listener_with_callback("catalyst-terminal-ready", ready.unchecked_ref());
    let _ = window()
        .add_event_listener_with_callback("catalyst-terminal-failed", failed.unchecked_ref());
    if let Some(script) = script {
        let _ = script.add_event_listener_with_callback("error", failed.unchecked_ref());
    }
}
