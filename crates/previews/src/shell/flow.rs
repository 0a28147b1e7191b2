//! How much may be under way between a viewer and a shell, in each direction.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use tokio::sync::Notify;

/// Bytes of output that a viewer may not have taken yet, and bytes of input that the shell may not
/// have taken yet.
pub const WINDOW: usize = 128 * 1024;

/// Output that is under way to the viewer.
#[derive(Debug, Default)]
pub(super) struct Window {
    under_way: Mutex<usize>,
    changed: Notify,
}

impl Window {
    /// Waits until there is room for more.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            if *self.lock() < WINDOW {
                return;
            }
            changed.await;
        }
    }

    /// Whether more has to wait.
    pub(super) fn is_full(&self) -> bool {
        *self.lock() >= WINDOW
    }

    pub(super) fn sent(&self, bytes: usize) {
        *self.lock() += bytes;
    }

    /// The viewer has taken so many bytes. More than were sent count as all.
    pub(super) fn taken(&self, bytes: usize) {
        let mut under_way = self.lock();
        *under_way = under_way.saturating_sub(bytes);
        drop(under_way);
        self.changed.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, usize> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Input that waits to be taken by the shell.
#[derive(Debug, Default)]
pub(super) struct Typed {
    waiting: Mutex<(VecDeque<Bytes>, usize)>,
    changed: Notify,
}

/// More was sent than the window allows.
#[derive(Debug)]
pub(super) struct TooMuch;

impl Typed {
    pub(super) fn push(&self, bytes: Bytes) -> Result<(), TooMuch> {
        let mut waiting = self.lock();
        // What is being written is not counted here any more, so a viewer that keeps to its
        // window never comes near twice its size.
        if waiting.1 + bytes.len() > 2 * WINDOW {
            return Err(TooMuch);
        }
        waiting.1 += bytes.len();
        waiting.0.push_back(bytes);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Forgets what waits, and returns how much that was.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *self.lock()).1
    }

    pub(super) async fn next(&self) -> Bytes {
        loop {
            let changed = self.changed.notified();
            {
                let mut waiting = self.lock();
                if let Some(bytes) = waiting.0.pop_front() {
                    waiting.1 -= bytes.len();
                    return bytes;
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (VecDeque<Bytes>, usize)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a flood that nobody waits for any more.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: VecDeque<u8>,
    skipped: usize,
}

impl Tail {
    /// How much of it is shown.
    const KEPT: usize = 16 * 1024;

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let surplus = self.kept.len().saturating_sub(Self::KEPT);
        self.kept.drain(..surplus);
        self.skipped += surplus;
    }

    /// What to show of it: all, or a note of how much was left out and the lines after it.
    pub(super) fn shown(self) -> Bytes {
        let mut kept: Vec<u8> = self.kept.into();
        if self.skipped == 0 {
            return kept.into();
        }
        // It begins in the middle of something: of a line, a character or an escape sequence.
        let start = kept
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let rest = kept.split_off(start);
        let skipped = (self.skipped + kept.len()).div_ceil(1024);
        let note = format!("\x1b[0m\r\n\x1b[2m[{skipped} KiB of output skipped]\x1b[0m\r\n");
        [note.as_bytes(), &rest].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn output_waits_for_room_and_goes_on_when_some_is_taken() {
        let window = Window::default();
        window.sent(WINDOW - 1);
        assert!(window.room().now_or_never().is_some());
        window.sent(1);
        assert!(window.room().now_or_never().is_none());
        window.taken(1);
        assert!(window.room().now_or_never().is_some());
        window.taken(usize::MAX);
        window.sent(WINDOW);
        assert!(
            window.room().now_or_never().is_none(),
            "no credit is made up"
        );
    }

    #[tokio::test]
    async fn input_comes_in_order_and_never_piles_up() {
        let typed = Typed::default();
        assert!(typed.next().now_or_never().is_none());
        assert!(typed.push(Bytes::from_static(b"a")).is_ok());
        assert!(typed.push(Bytes::from_static(b"b")).is_ok());
        assert_eq!(typed.next().await, "a");
        assert_eq!(typed.next().await, "b");
        assert!(typed.push(vec![0; 2 * WINDOW].into()).is_ok());
        assert!(typed.push(Bytes::from_static(b"c")).is_err());
        assert_eq!(typed.clear(), 2 * WINDOW);
        assert!(typed.next().now_or_never().is_none());
    }

    #[test]
    fn of_a_flood_the_last_whole_lines_stay() {
        let mut short = Tail::default();
        short.push(b"all of it");
        assert_eq!(short.shown(), "all of it");

        let mut tail = Tail::default();
        for _ in 0..10_000 {
            tail.push(b"0123456789\r\n");
        }
        tail.push(b"$ ");
        let shown = tail.shown();
        let text = String::from_utf8_lossy(&shown);
        assert!(
            text.contains("102 KiB of output skipped"),
            "{}",
            &text[..80]
        );
        assert!(text.ends_with("0123456789\r\n$ "));
        let (_, lines) = text.split_once("]\u{1b}[0m\r\n").unwrap_or_default();
        assert!(lines.starts_with("0123456789\r\n"), "{}", &lines[..20]);
    }
}
