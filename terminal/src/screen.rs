//! xterm.js in its place on the page.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{
    HtmlElement, KeyboardEvent, MediaQueryList, MutationObserver, MutationObserverInit,
    ResizeObserver,
};
use xterm_js_rs::addons::fit::FitAddon;
use xterm_js_rs::{Terminal, TerminalOptions};

use crate::keys::{self, Key};
use crate::theme;
use crate::timer::Timer;

/// The shortest time between two changes of the size, in milliseconds.
const RESIZE_PAUSE: i32 = 100;

/// Lines that can be scrolled back to.
const SCROLLBACK: u32 = 10_000;

/// What newer versions of xterm.js have beyond the bindings.
#[wasm_bindgen]
extern "C" {
    type Newer;
    #[wasm_bindgen(method, js_name = write)]
    fn write_bytes(this: &Newer, bytes: &Uint8Array, written: &Function);
    #[wasm_bindgen(method, getter)]
    fn options(this: &Newer) -> TerminalOptions;
}

/// What is called on the page's behalf, for as long as the terminal is there.
#[derive(Default)]
struct Calls {
    data: Option<Closure<dyn FnMut(String)>>,
    binary: Option<Closure<dyn FnMut(String)>>,
    resized: Option<Closure<dyn FnMut()>>,
    key: Option<Closure<dyn FnMut(KeyboardEvent) -> bool>>,
    observed: Option<Closure<dyn FnMut()>>,
    themed: Option<Closure<dyn FnMut()>>,
}

/// The terminal.
pub(crate) struct Screen {
    host: HtmlElement,
    terminal: Terminal,
    fit: FitAddon,
    calls: RefCell<Calls>,
    observers: RefCell<Option<(ResizeObserver, MutationObserver)>>,
    /// Tells when the system turns dark or light.
    scheme: RefCell<Option<MediaQueryList>>,
    resizing: Rc<Timer>,
}

impl Screen {
    pub(crate) fn open(host: HtmlElement, on_leave: Function) -> Rc<Self> {
        let options = TerminalOptions::new();
        options.set_scrollback(SCROLLBACK);
        options.set_font_size(13);
        options.set_minimum_contrast_ratio(5);
        options.set_cursor_blink(true);
        options.set_theme(&theme::of(&host));
        if let Some(font) = font(&host) {
            options.set_font_family(&font);
        }
        let terminal = Terminal::new(&options);
        let fit = FitAddon::new();
        terminal.load_addon(fit.clone().unchecked_into());
        terminal.open(host.clone());
        let screen = Rc::new(Self {
            host,
            terminal,
            fit,
            calls: RefCell::default(),
            observers: RefCell::default(),
            scheme: RefCell::default(),
            resizing: Timer::new(),
        });
        screen.fit();
        screen.take_keys(on_leave);
        screen.observe();
        screen
    }

    /// Calls `typed` with what is typed or pasted, and `resized` when the size has changed.
    pub(crate) fn listen(
        &self,
        typed: impl Fn(&[u8]) + Clone + 'static,
        resized: impl Fn() + 'static,
    ) {
        let on_text = typed.clone();
        let data = Closure::<dyn FnMut(String)>::new(move |text: String| on_text(text.as_bytes()));
        // Some mouse reports are bytes and no text: each character is one.
        let binary = Closure::<dyn FnMut(String)>::new(move |text: String| {
            let bytes: Vec<u8> = text.chars().map(|c| (c as u32 & 0xff) as u8).collect();
            typed(&bytes);
        });
        let resized = Closure::<dyn FnMut()>::new(resized);
        self.terminal.on_data(data.as_ref().unchecked_ref());
        self.terminal.on_binary(binary.as_ref().unchecked_ref());
        self.terminal.on_resize(resized.as_ref().unchecked_ref());
        let mut calls = self.calls.borrow_mut();
        calls.data = Some(data);
        calls.binary = Some(binary);
        calls.resized = Some(resized);
    }

    /// Shows output; `written` is called once it has been worked off.
    pub(crate) fn write(&self, bytes: &Uint8Array, written: impl FnOnce() + 'static) {
        let written = Closure::once_into_js(written);
        self.newer().write_bytes(bytes, written.unchecked_ref());
    }

    /// Shows a line of our own, apart from what the shell prints.
    pub(crate) fn note(&self, text: &str) {
        self.terminal
            .write(&format!("\x1b[0m\r\n\x1b[2m{text}\x1b[0m\r\n"));
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.terminal.get_cols(), self.terminal.get_rows())
    }

    pub(crate) fn focus(&self) {
        self.terminal.focus();
    }

    pub(crate) fn fit(&self) {
        // What is hidden has no size to fit into.
        if self.host.client_width() > 0 && self.host.client_height() > 0 {
            self.fit.fit();
        }
    }

    pub(crate) fn copy(&self) -> bool {
        let text = self.terminal.get_selection();
        if text.is_empty() {
            return false;
        }
        if let Some(window) = web_sys::window() {
            // Where the browser refuses, its own menu copies.
            let written = window.navigator().clipboard().write_text(&text);
            wasm_bindgen_futures::spawn_local(async move {
                let _ = wasm_bindgen_futures::JsFuture::from(written).await;
            });
        }
        true
    }

    pub(crate) fn paste(self: &Rc<Self>) {
        let Some(window) = web_sys::window() else {
            return;
        };
        let read = window.navigator().clipboard().read_text();
        let screen = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let read = wasm_bindgen_futures::JsFuture::from(read).await;
            if let Some(text) = read.ok().and_then(|text| JsValue::as_string(&text)) {
                screen.terminal.paste(&text);
            }
            screen.focus();
        });
    }

    pub(crate) fn dispose(&self) {
        if let Some((sizes, themes)) = self.observers.take() {
            sizes.disconnect();
            themes.disconnect();
        }
        if let Some(scheme) = self.scheme.take() {
            scheme.set_onchange(None);
        }
        self.resizing.clear();
        self.terminal.dispose();
    }

    fn newer(&self) -> &Newer {
        self.terminal.unchecked_ref()
    }

    /// Keeps the keys that are ours from the shell.
    fn take_keys(self: &Rc<Self>, on_leave: Function) {
        let screen = Rc::downgrade(self);
        let key = Closure::<dyn FnMut(KeyboardEvent) -> bool>::new(move |event: KeyboardEvent| {
            let (Some(screen), Some(key)) = (screen.upgrade(), keys::read(&event)) else {
                return true;
            };
            if event.type_() != "keydown" {
                return false;
            }
            match key {
                Key::Copy => {
                    screen.copy();
                }
                // The browser pastes by itself at these keys.
                Key::Paste => return false,
                Key::Leave => {
                    let _ = on_leave.call0(&JsValue::NULL);
                }
            }
            event.prevent_default();
            false
        });
        self.terminal
            .attach_custom_key_event_handler(key.as_ref().unchecked_ref());
        self.calls.borrow_mut().key = Some(key);
    }

    /// Follows the size of its place and the colours of the page.
    fn observe(self: &Rc<Self>) {
        let screen = Rc::downgrade(self);
        let observed = Closure::<dyn FnMut()>::new(move || {
            if let Some(screen) = screen.upgrade() {
                screen.fit_soon();
            }
        });
        let screen = Rc::downgrade(self);
        let themed = Closure::<dyn FnMut()>::new(move || {
            if let Some(screen) = screen.upgrade() {
                screen.newer().options().set_theme(&theme::of(&screen.host));
            }
        });
        let sizes = ResizeObserver::new(observed.as_ref().unchecked_ref());
        let themes = MutationObserver::new(themed.as_ref().unchecked_ref());
        if let (Ok(sizes), Ok(themes)) = (sizes, themes) {
            sizes.observe(&self.host);
            let root = self
                .host
                .owner_document()
                .and_then(|it| it.document_element());
            if let Some(root) = root {
                let attributes = MutationObserverInit::new();
                attributes.set_attributes(true);
                // Observing fails for no element that is there.
                let _ = themes.observe_with_options(&root, &attributes);
            }
            self.observers.replace(Some((sizes, themes)));
        }
        let dark = web_sys::window()
            .and_then(|window| window.match_media("(prefers-color-scheme: dark)").ok()?);
        if let Some(dark) = dark {
            dark.set_onchange(Some(themed.as_ref().unchecked_ref()));
            self.scheme.replace(Some(dark));
        }
        let mut calls = self.calls.borrow_mut();
        calls.observed = Some(observed);
        calls.themed = Some(themed);
    }

    /// Fits at the end of the pause, however often it was asked for in it.
    fn fit_soon(self: &Rc<Self>) {
        if self.resizing.runs() {
            return;
        }
        let screen = Rc::downgrade(self);
        self.resizing.set(RESIZE_PAUSE, move || {
            if let Some(screen) = screen.upgrade() {
                screen.fit();
            }
        });
    }
}

/// The page's font for machine text.
fn font(host: &HtmlElement) -> Option<String> {
    let style = web_sys::window()?.get_computed_style(host).ok()??;
    let font = style.get_property_value("font-family").ok()?;
    (!font.is_empty()).then_some(font)
}
