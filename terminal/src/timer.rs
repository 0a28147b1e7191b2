//! Things that happen later.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::{JsCast, closure::Closure};

/// A timer that calls one thing, once for each time it is set.
pub(crate) struct Timer {
    handle: Cell<Option<i32>>,
    call: RefCell<Option<Closure<dyn FnMut()>>>,
}

impl Timer {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            handle: Cell::new(None),
            call: RefCell::new(None),
        })
    }

    /// Whether it is set.
    pub(crate) fn runs(&self) -> bool {
        self.handle.get().is_some()
    }

    /// Calls `task` after so many milliseconds, instead of what it was set to before.
    pub(crate) fn set(self: &Rc<Self>, milliseconds: i32, task: impl FnOnce() + 'static) {
        self.clear();
        let timer = Rc::downgrade(self);
        let call = Closure::once(move || {
            if let Some(timer) = timer.upgrade() {
                timer.handle.set(None);
            }
            task();
        });
        let set = web_sys::window().and_then(|window| {
            let call = call.as_ref().unchecked_ref();
            window
                .set_timeout_with_callback_and_timeout_and_arguments_0(call, milliseconds)
                .ok()
        });
        self.handle.set(set);
        // The one before has run or was cleared.
        self.call.replace(Some(call));
    }

    pub(crate) fn clear(&self) {
        if let (Some(handle), Some(window)) = (self.handle.take(), web_sys::window()) {
            window.clear_timeout_with_handle(handle);
        }
    }
}
