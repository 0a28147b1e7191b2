//! The WebSocket to the shell: as much under way as the other side can take, and begun anew when
//! it breaks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{ArrayBuffer, Function, JSON, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BinaryType, CloseEvent, MessageEvent, Response, WebSocket};

use crate::flow::{self, Outgoing};
use crate::screen::Screen;
use crate::timer::Timer;

/// Waits before a broken connection is tried again, in milliseconds; the last one repeats.
const WAITS: [i32; 5] = [500, 1000, 2000, 4000, 8000];

/// How often that is done before it is left to the person.
const TRIES: u32 = 12;

/// Codes that end a connection.
const STOPPING: u16 = 1001;
const BROKEN: u16 = 1006;

/// The connection of a terminal.
pub(crate) struct Connection {
    screen: Rc<Screen>,
    path: String,
    on_state: Function,
    socket: RefCell<Option<Socket>>,
    outgoing: RefCell<Outgoing>,
    /// Output that was shown and not acknowledged yet.
    shown: Cell<usize>,
    /// Counts connections: what an earlier one still has to say is not heard.
    generation: Cell<u32>,
    /// What the server said at the end.
    farewell: RefCell<Option<String>>,
    /// Whether a shell has been open in this terminal.
    used: Cell<bool>,
    tries: Cell<u32>,
    again: Rc<Timer>,
}

/// A WebSocket with what it calls.
struct Socket {
    socket: WebSocket,
    open: bool,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Connection {
    pub(crate) fn new(screen: Rc<Screen>, path: String, on_state: Function) -> Rc<Self> {
        let connection = Rc::new(Self {
            screen,
            path,
            on_state,
            socket: RefCell::default(),
            outgoing: RefCell::default(),
            shown: Cell::new(0),
            generation: Cell::new(0),
            farewell: RefCell::default(),
            used: Cell::new(false),
            tries: Cell::new(0),
            again: Timer::new(),
        });
        let (typing, resizing) = (Rc::downgrade(&connection), Rc::downgrade(&connection));
        connection.screen.listen(
            move |bytes| {
                if let Some(connection) = typing.upgrade() {
                    connection.type_in(bytes);
                }
            },
            move || {
                if let Some(connection) = resizing.upgrade() {
                    let (columns, rows) = connection.screen.size();
                    connection.send(&flow::size(columns, rows));
                }
            },
        );
        connection
    }

    /// Connects, at a person's wish.
    pub(crate) fn connect(self: &Rc<Self>) {
        self.tries.set(0);
        self.try_once();
    }

    /// Ends it for good.
    pub(crate) fn close(&self) {
        self.again.clear();
        self.hang_up();
    }

    fn hang_up(&self) {
        self.generation.set(self.generation.get() + 1);
        if let Some(socket) = self.socket.take() {
            socket.socket.set_onopen(None);
            socket.socket.set_onmessage(None);
            socket.socket.set_onclose(None);
            // Closing one that is closed does nothing.
            let _ = socket.socket.close();
        }
    }

    fn try_once(self: &Rc<Self>) {
        self.again.clear();
        self.hang_up();
        self.outgoing.take();
        self.shown.set(0);
        self.farewell.take();
        self.tell("connecting", "Connecting…");
        match self.socket() {
            Some(socket) => {
                self.socket.replace(Some(socket));
            }
            None => self.tell("closed", "This browser does not open the connection."),
        }
    }

    fn socket(self: &Rc<Self>) -> Option<Socket> {
        let (columns, rows) = self.screen.size();
        let location = web_sys::window()?.location();
        let scheme = match location.protocol().ok()?.as_str() {
            "https:" => "wss",
            _ => "ws",
        };
        let (host, path) = (location.host().ok()?, &self.path);
        let url = format!("{scheme}://{host}{path}&cols={columns}&rows={rows}");
        let socket = WebSocket::new(&url).ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let generation = self.generation.get();
        let here = Rc::downgrade(self);
        let ours = move || {
            here.upgrade()
                .filter(|it| it.generation.get() == generation)
        };
        let now = ours.clone();
        let on_open = Closure::<dyn FnMut()>::new(move || {
            if let Some(connection) = now() {
                connection.opened();
            }
        });
        let now = ours.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let (Some(connection), Ok(bytes)) = (now(), event.data().dyn_into()) {
                connection.receive(&bytes, generation);
            }
        });
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            if let Some(connection) = ours() {
                connection.closed(event.code());
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Some(Socket {
            socket,
            open: false,
            _on_open: on_open,
            _on_message: on_message,
            _on_close: on_close,
        })
    }

    fn opened(&self) {
        if let Some(socket) = self.socket.borrow_mut().as_mut() {
            socket.open = true;
        }
        self.tries.set(0);
        if self.used.replace(true) {
            self.screen.note("Reconnected: this is a new shell.");
        }
        // It may have changed while the connection was made.
        let (columns, rows) = self.screen.size();
        self.send(&flow::size(columns, rows));
        self.tell("open", "Connected");
    }

    fn receive(self: &Rc<Self>, message: &ArrayBuffer, generation: u32) {
        let message = Uint8Array::new(message);
        let Some(length) = message.length().checked_sub(1) else {
            return;
        };
        let rest = message.subarray(1, length + 1);
        match message.get_index(0) {
            flow::OUTPUT => {
                let here = Rc::downgrade(self);
                self.screen.write(&rest, move || {
                    let here = here.upgrade();
                    if let Some(connection) = here.filter(|it| it.generation.get() == generation) {
                        connection.took(length as usize);
                    }
                });
            }
            flow::TAKEN => {
                self.outgoing
                    .borrow_mut()
                    .taken(flow::count(&rest.to_vec()));
                self.pump();
            }
            flow::END => {
                let text = String::from_utf8_lossy(&rest.to_vec()).into_owned();
                let said = JSON::parse(&text).and_then(|end| Reflect::get(&end, &"message".into()));
                self.farewell
                    .replace(said.ok().and_then(|said| said.as_string()));
            }
            _ => {}
        }
    }

    /// Output was shown: the server may send as much again.
    fn took(&self, bytes: usize) {
        let shown = self.shown.get() + bytes;
        if shown < flow::STEP {
            self.shown.set(shown);
            return;
        }
        self.shown.set(0);
        self.send(&flow::taken(shown));
    }

    fn type_in(&self, bytes: &[u8]) {
        if self.is_open() {
            self.outgoing.borrow_mut().push(bytes);
            self.pump();
        }
    }

    fn pump(&self) {
        loop {
            let next = self.outgoing.borrow_mut().next();
            match next {
                Some(message) => self.send(&message),
                None => return,
            }
        }
    }

    fn is_open(&self) -> bool {
        self.socket.borrow().as_ref().is_some_and(|it| it.open)
    }

    fn send(&self, message: &[u8]) {
        if let Some(socket) = self.socket.borrow().as_ref().filter(|it| it.open) {
            // One that has just closed says so by its event.
            let _ = socket.socket.send_with_u8_array(message);
        }
    }

    fn closed(self: &Rc<Self>, code: u16) {
        let was_open = self.is_open();
        let farewell = self.farewell.take();
        self.hang_up();
        match (code, farewell) {
            (STOPPING, said) => {
                self.wait(&said.unwrap_or_else(|| "Catalyst is being stopped.".to_owned()));
            }
            (_, Some(said)) => self.end(&said),
            (BROKEN, None) if was_open => self.wait("The connection was lost."),
            (_, None) => self.ask_why(),
        }
    }

    fn end(&self, said: &str) {
        if self.used.get() {
            self.screen.note(said);
        }
        self.tell("closed", said);
    }

    /// Tries again in a while.
    fn wait(self: &Rc<Self>, why: &str) {
        let tries = self.tries.get();
        if tries >= TRIES {
            return self.end(&format!(
                "{why} It was tried {tries} times to connect anew."
            ));
        }
        self.tries.set(tries + 1);
        let wait = WAITS[(tries as usize).min(WAITS.len() - 1)];
        self.tell("waiting", &format!("{why} Reconnecting…"));
        let here = Rc::downgrade(self);
        self.again.set(wait, move || {
            if let Some(connection) = here.upgrade() {
                connection.try_once();
            }
        });
    }

    /// A browser does not say why a connection was refused; the same address does.
    fn ask_why(self: &Rc<Self>) {
        let here = Rc::downgrade(self);
        let (path, generation) = (self.path.clone(), self.generation.get());
        spawn_local(async move {
            let why = refusal(&path).await;
            let here = here.upgrade();
            if let Some(connection) = here.filter(|it| it.generation.get() == generation) {
                match why {
                    Refusal::Final(said) => connection.end(&said),
                    Refusal::Temporary(said) => connection.wait(&said),
                }
            }
        });
    }

    fn tell(&self, state: &str, words: &str) {
        // A page that fails at it has said so itself.
        let _ = self
            .on_state
            .call2(&JsValue::NULL, &state.into(), &words.into());
    }
}

/// Why there is no connection.
enum Refusal {
    Final(String),
    Temporary(String),
}

async fn refusal(path: &str) -> Refusal {
    let unreachable = || Refusal::Temporary("Catalyst does not answer.".to_owned());
    let Some(window) = web_sys::window() else {
        return unreachable();
    };
    let Ok(response) = JsFuture::from(window.fetch_with_str(path)).await else {
        return unreachable();
    };
    let response: Response = response.unchecked_into();
    let status = response.status();
    let said = match response.json() {
        Ok(body) => JsFuture::from(body).await.ok(),
        Err(_) => None,
    };
    let said = said
        .and_then(|body| Reflect::get(&body, &"error".into()).ok()?.as_string())
        .map(|said| sentence(&said));
    match status {
        401 => Refusal::Final("You are signed out. Sign in, and open the shell again.".to_owned()),
        // Without words of ours it is what stands before Catalyst, and has nobody to ask meanwhile.
        403 | 404 => said.map_or_else(unreachable, Refusal::Final),
        // It could be opened now.
        426 => Refusal::Temporary("The connection could not be made.".to_owned()),
        409 | 500.. => {
            Refusal::Temporary(said.unwrap_or_else(|| "Catalyst cannot open it now.".to_owned()))
        }
        _ => Refusal::Final(said.unwrap_or_else(|| format!("Catalyst answered with {status}."))),
    }
}

/// Begins with a capital and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
