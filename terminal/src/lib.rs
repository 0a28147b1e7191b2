//! The terminal of a shell: xterm.js on a WebSocket.
//!
//! A wasm module of its own, which `start.js` loads when a page opens its first shell, so that no
//! page is heavier for it before. The page owns the panel around it: tabs, buttons, and the words
//! about how it is doing, which it is told by a callback.

mod connection;
mod flow;
mod keys;
mod screen;
mod theme;
mod timer;

use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::HtmlElement;

use connection::Connection;
use screen::Screen;

/// A terminal on the page, with its connection.
#[wasm_bindgen]
pub struct ShellTerminal {
    screen: Rc<Screen>,
    connection: Rc<Connection>,
}

/// Opens a terminal inside of `host`, and connects it to the shell at `path` (of our own origin,
/// with a query). `on_state` is called with `connecting`, `open`, `waiting` or `closed`, and a
/// sentence; `on_leave` when the keyboard is to leave the terminal.
#[wasm_bindgen]
pub fn open(
    host: HtmlElement,
    path: String,
    on_state: Function,
    on_leave: Function,
) -> ShellTerminal {
    console_error_panic_hook::set_once();
    let screen = Screen::open(host, on_leave);
    let connection = Connection::new(screen.clone(), path, on_state);
    connection.connect();
    ShellTerminal { screen, connection }
}

#[wasm_bindgen]
impl ShellTerminal {
    /// Begins a new shell in the same terminal; what it shows stays.
    pub fn reconnect(&self) {
        self.connection.connect();
        self.screen.focus();
    }

    /// Moves the keyboard into the terminal.
    pub fn focus(&self) {
        self.screen.focus();
    }

    /// Makes it as large as its place, as after that was hidden.
    pub fn fit(&self) {
        self.screen.fit();
    }

    /// Puts what is selected on the clipboard; whether anything was.
    pub fn copy(&self) -> bool {
        self.screen.copy()
    }

    /// Types what is on the clipboard.
    pub fn paste(&self) {
        self.screen.paste();
    }

    /// Ends the shell and takes the terminal off the page.
    pub fn close(self) {
        self.connection.close();
        self.screen.dispose();
    }
}
