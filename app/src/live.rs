//! What only a browser has: server-sent events, timers, the clipboard. Called from effects and
//! event handlers, which never run on the server.

use std::{cell::RefCell, rc::Rc, time::Duration};

use chrono::{DateTime, Utc};
use leptos::{leptos_dom::helpers::TimeoutHandle, prelude::*};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Event, EventSource, HtmlElement, MessageEvent};

/// How long to wait before a stream that the server refused is asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// How a stream of events is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Connection {
    /// Not asked for yet.
    #[default]
    Idle,
    /// Open.
    Live,
    /// Broken off; the browser tries again.
    Broken,
    /// The server said that nothing more will come.
    Ended,
}

/// What a stream tells.
pub(crate) enum Message {
    /// It is open (again): what was missed must be read anew.
    Open,
    /// An event's data.
    Data(String),
    /// The server could not go on, and says why in JSON.
    Failure(String),
}

/// Listens to server-sent events from `url` for as long as the caller's owner lives, and anew
/// when the address changes. Streams rest while the page is hidden: browsers allow few
/// connections to a host.
pub(crate) fn listen(
    url: impl Fn() -> Option<String> + 'static,
    on_message: impl Fn(Message) + 'static,
) -> ReadSignal<Connection> {
    let (connection, set_connection) = signal(Connection::Idle);
    let on_message = Rc::new(on_message);
    Effect::new(move |_| {
        let Some(url) = url() else {
            set_connection.set(Connection::Idle);
            return;
        };
        let source = Source::new(url, set_connection, on_message.clone());
        source.open();
        let watched = source.clone();
        let visibility = window_event_listener_untyped("visibilitychange", move |_| {
            watched.rest_while_hidden();
        });
        let source = SendWrapper::new(source);
        on_cleanup(move || {
            visibility.remove();
            source.close();
        });
    });
    connection
}

/// One address and the connection to it.
#[derive(Clone)]
struct Source {
    url: Rc<str>,
    set_connection: WriteSignal<Connection>,
    on_message: Rc<dyn Fn(Message)>,
    open: Rc<RefCell<Option<Open>>>,
    again: Rc<RefCell<Option<TimeoutHandle>>>,
}

/// An open connection with what it calls.
struct Open {
    events: EventSource,
    _on_event: Closure<dyn FnMut(Event)>,
}

impl Source {
    fn new(
        url: String,
        set_connection: WriteSignal<Connection>,
        on_message: Rc<impl Fn(Message) + 'static>,
    ) -> Self {
        Self {
            url: url.into(),
            set_connection,
            on_message,
            open: Rc::default(),
            again: Rc::default(),
        }
    }

    fn open(&self) {
        self.close();
        let Ok(events) = EventSource::new(&self.url) else {
            self.tell(Connection::Broken);
            return;
        };
        let source = self.clone();
        let on_event = Closure::<dyn FnMut(Event)>::new(move |event: Event| source.receive(&event));
        for name in ["open", "message", "error", "end", "failure"] {
            // Listening fails for no event source that was made.
            let listener = on_event.as_ref().unchecked_ref();
            let _ = events.add_event_listener_with_callback(name, listener);
        }
        self.open.replace(Some(Open {
            events,
            _on_event: on_event,
        }));
    }

    fn receive(&self, event: &Event) {
        let data = || event.dyn_ref::<MessageEvent>()?.data().as_string();
        match event.type_().as_str() {
            "open" => {
                self.tell(Connection::Live);
                (self.on_message)(Message::Open);
            }
            "message" => {
                if let Some(data) = data() {
                    (self.on_message)(Message::Data(data));
                }
            }
            "failure" => {
                if let Some(data) = data() {
                    (self.on_message)(Message::Failure(data));
                }
            }
            "end" => {
                self.finish();
                self.tell(Connection::Ended);
            }
            _ => {
                self.tell(Connection::Broken);
                let given_up = self
                    .open
                    .borrow()
                    .as_ref()
                    .is_some_and(|open| open.events.ready_state() == EventSource::CLOSED);
                if given_up {
                    let source = self.clone();
                    let handle = set_timeout_with_handle(move || source.open(), AGAIN);
                    self.again.replace(handle.ok());
                }
            }
        }
    }

    fn rest_while_hidden(&self) {
        let over = |open: &Open| open.events.ready_state() == EventSource::CLOSED;
        if self.open.borrow().as_ref().is_some_and(over) {
            return;
        }
        if document().hidden() {
            self.close();
        } else if self.open.borrow().is_none() {
            self.open();
        }
    }

    /// Ends the connection but remembers it, so that showing the page again does not begin anew.
    fn finish(&self) {
        if let Some(open) = self.open.borrow().as_ref() {
            open.events.close();
        }
    }

    fn tell(&self, connection: Connection) {
        // An event may still be on its way when the page is left.
        let _ = self.set_connection.try_set(connection);
    }

    fn close(&self) {
        if let Some(handle) = self.again.take() {
            handle.clear();
        }
        if let Some(open) = self.open.take() {
            open.events.close();
            // `close` may be called from within an event of this very connection.
            set_timeout(move || drop(open), Duration::ZERO);
        }
    }
}

/// Calls `task` once each second until the owner is gone.
pub(crate) fn every_second(task: impl Fn() + 'static) {
    if let Ok(handle) = set_interval_with_handle(task, Duration::from_secs(1)) {
        on_cleanup(move || handle.clear());
    }
}

/// Runs a task at most once in each `pause`: at once, and once more at the end of the pause if
/// it was asked for again meanwhile.
pub(crate) fn throttle(pause: Duration, task: impl Fn() + 'static) -> impl Fn() + Clone {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Ready,
        Resting,
        Wanted,
    }
    fn run(state: &Rc<RefCell<State>>, task: &Rc<impl Fn() + 'static>, pause: Duration) {
        state.replace(State::Resting);
        task();
        let (state, task) = (state.clone(), task.clone());
        set_timeout(
            move || {
                if state.replace(State::Ready) == State::Wanted {
                    run(&state, &task, pause);
                }
            },
            pause,
        );
    }
    let state = Rc::new(RefCell::new(State::Ready));
    let task = Rc::new(task);
    move || {
        let resting = *state.borrow() != State::Ready;
        if resting {
            state.replace(State::Wanted);
        } else {
            run(&state, &task, pause);
        }
    }
}

/// The time on the browser's clock.
pub(crate) fn browser_time() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

/// Puts a text on the clipboard; `done` is told whether it worked.
pub(crate) fn copy(text: &str, done: impl Fn(bool) + 'static) {
    let written = window().navigator().clipboard().write_text(text);
    leptos::task::spawn_local(async move {
        done(wasm_bindgen_futures::JsFuture::from(written).await.is_ok());
    });
}

/// Keeps a small, harmless setting for a year.
pub(crate) fn set_cookie(name: &str, value: &str) {
    let document = document().unchecked_into::<web_sys::HtmlDocument>();
    let cookie = format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax");
    // A browser that keeps no cookies forgets the setting, and no more.
    let _ = document.set_cookie(&cookie);
}

/// Marks the page with a theme for the style sheet.
pub(crate) fn set_theme(theme: &str) {
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute("data-theme", theme);
    }
}

/// Moves the keyboard's focus to the element with this id.
pub(crate) fn focus(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        let options = web_sys::FocusOptions::new();
        options.set_prevent_scroll(true);
        let _ = element.focus_with_options(&options);
    }
}
