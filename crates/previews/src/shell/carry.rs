//! Carrying a shell between its container and the one who looks at it.
//!
//! Neither direction may hold the other up: what is typed is always read, so that acknowledgements
//! and Ctrl-C come through while a flood of output waits, and the flood waits in the container.

use std::sync::Mutex as StdMutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use catalyst_cluster::{ExecError, ExecEvent, ExecInput, ExecOutput, TerminalSize, chain};
use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{Mutex, Notify, watch};

use super::flow::{Tail, TooMuch, Typed, WINDOW, Window};
use super::{Shell, ShellEnd, ShellTicket};

/// What a terminal sends for Ctrl-C.
const CONTROL_C: &[u8] = b"\x03";

/// For how long after a Ctrl-C a flood is skipped rather than waited for.
const SKIPPING: Duration = Duration::from_secs(2);

/// A command that is silent for this long has stopped flooding.
const SILENCE: Duration = Duration::from_millis(60);

/// The shortest time between two changes of the terminal's size.
const RESIZE_PAUSE: Duration = Duration::from_millis(100);

/// How often a connection without traffic shows that it is still wanted: proxies give up silent
/// ones after a minute or more.
const ALIVE: Duration = Duration::from_secs(30);

/// What the viewer is told is acknowledged in steps of this many bytes.
const STEP: usize = WINDOW / 8;

/// What comes from the one who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromViewer {
    /// They typed or pasted this.
    Typed(Bytes),
    /// Their terminal has this size now.
    Resized(TerminalSize),
    /// They have taken so many bytes of output.
    Taken(usize),
}

/// What goes to the one who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToViewer {
    /// The terminal's output.
    Output(Bytes),
    /// The shell has taken so many bytes of what was typed.
    Taken(usize),
    /// Nothing to say, but somebody is there.
    Alive,
}

impl Shell {
    /// The container that it is in.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.ticket.exec.container
    }

    /// Carries the shell until it ends, and returns why it did. At most [`super::WINDOW`] bytes
    /// of output are sent that the viewer has not said to have taken, and a viewer that sends
    /// more than that much input at once is cut off. `signed_out` ends it when it resolves.
    pub async fn carry<I, O>(self, from: I, to: O, signed_out: impl Future<Output = ()>) -> ShellEnd
    where
        I: Stream<Item = FromViewer> + Unpin,
        O: Sink<ToViewer> + Unpin,
    {
        let Self {
            ticket,
            exec,
            opened_at,
            since,
        } = self;
        let limits = ticket.previews.inner.settings.shells.clone();
        let active = Activity::new();
        let lane = Lane {
            typed: Typed::default(),
            window: Window::default(),
            interrupted: Interrupt::default(),
            size: watch::Sender::new(None),
            to: Mutex::new(to),
            active: &active,
        };
        let stopping = ticket.previews.inner.stopping.clone();
        let end = tokio::select! {
            // What the shell says of its own end goes before anything that follows from it.
            biased;
            end = lane.print(exec.output) => end,
            end = lane.listen(from) => end,
            end = lane.type_in(&exec.input) => end,
            end = lane.resize(&exec.input) => end,
            end = lane.keep_alive() => end,
            end = watch_rights(&ticket, limits.recheck, limits.recheck_patience) => end,
            () = signed_out => ShellEnd::SignedOut,
            () = active.idle_for(limits.idle) => ShellEnd::Idle(limits.idle),
            () = tokio::time::sleep(limits.total) => ShellEnd::Expired(limits.total),
            () = stopping.cancelled() => ShellEnd::Stopping,
        };
        // The container's side hangs up first: nobody types any more from here on.
        drop(exec.input);
        ticket.closed(opened_at, since, &end).await;
        end
    }
}

/// Waits until the person may not use the shell any more.
async fn watch_rights(ticket: &ShellTicket, every: Duration, patience: Duration) -> ShellEnd {
    loop {
        tokio::time::sleep(every).await;
        let asked = ticket
            .previews
            .may_still(ticket.actor.user_id, &ticket.preview);
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return ShellEnd::Revoked,
            Ok(Err(e)) => {
                let error = ticket.previews.redacted_chain(&e);
                tracing::warn!(error, "the right to a shell could not be checked");
                return ShellEnd::Unverified;
            }
            Err(_) => return ShellEnd::Unverified,
        }
    }
}

/// When something last happened.
struct Activity(StdMutex<Instant>);

impl Activity {
    fn new() -> Self {
        Self(StdMutex::new(Instant::now()))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    async fn idle_for(&self, limit: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = limit.saturating_sub(last.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// That Ctrl-C was typed a moment ago, while a flood waited. What is typed after it changes
/// nothing about that.
#[derive(Default)]
struct Interrupt {
    at: StdMutex<Option<Instant>>,
    changed: Notify,
}

impl Interrupt {
    fn note(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.changed.notify_one();
    }

    /// Waits for one that still counts, and takes it.
    async fn take(&self) {
        loop {
            self.changed.notified().await;
            let at = self
                .at
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if at.is_some_and(|at| at.elapsed() < SKIPPING) {
                return;
            }
        }
    }
}

/// What the directions share.
struct Lane<'a, O> {
    typed: Typed,
    window: Window,
    interrupted: Interrupt,
    size: watch::Sender<Option<TerminalSize>>,
    to: Mutex<O>,
    active: &'a Activity,
}

impl<O: Sink<ToViewer> + Unpin> Lane<'_, O> {
    /// Takes what the viewer sends.
    async fn listen(&self, mut from: impl Stream<Item = FromViewer> + Unpin) -> ShellEnd {
        while let Some(message) = from.next().await {
            match message {
                FromViewer::Typed(bytes) => {
                    self.active.note();
                    let interrupt = bytes == CONTROL_C;
                    if interrupt {
                        // Where the viewer keeps up, there is nothing to skip.
                        if self.window.is_full() {
                            self.interrupted.note();
                        }
                        // As a terminal does: what was typed before and not read yet is void.
                        let void = self.typed.clear();
                        if void > 0 && self.tell(ToViewer::Taken(void)).await.is_err() {
                            return ShellEnd::Left;
                        }
                    }
                    if let Err(TooMuch) = self.typed.push(bytes) {
                        return ShellEnd::TooMuch;
                    }
                }
                FromViewer::Resized(size) => {
                    self.size.send_replace(Some(size));
                }
                FromViewer::Taken(bytes) => self.window.taken(bytes),
            }
        }
        ShellEnd::Left
    }

    /// Gives the shell what was typed.
    async fn type_in(&self, input: &ExecInput) -> ShellEnd {
        let mut taken = 0;
        loop {
            let bytes = self.typed.next().await;
            taken += bytes.len();
            if input.write(bytes).await.is_err() {
                // The output says why.
                return std::future::pending().await;
            }
            if taken >= STEP {
                if self.tell(ToViewer::Taken(taken)).await.is_err() {
                    return ShellEnd::Left;
                }
                taken = 0;
            }
        }
    }

    /// Tells the shell how large the terminal is; of sizes that come fast only the last.
    async fn resize(&self, input: &ExecInput) -> ShellEnd {
        let mut sizes = self.size.subscribe();
        loop {
            // The sender is part of `self`.
            let _ = sizes.changed().await;
            let size = *sizes.borrow_and_update();
            if let Some(size) = size
                && input.resize(size).await.is_err()
            {
                return std::future::pending().await;
            }
            tokio::time::sleep(RESIZE_PAUSE).await;
        }
    }

    async fn keep_alive(&self) -> ShellEnd {
        loop {
            tokio::time::sleep(ALIVE).await;
            if self.tell(ToViewer::Alive).await.is_err() {
                return ShellEnd::Left;
            }
        }
    }

    /// Shows what the shell prints.
    async fn print(&self, mut output: ExecOutput) -> ShellEnd {
        loop {
            let interrupted = tokio::select! {
                biased;
                // First, since a viewer may make room in the same moment.
                () = self.interrupted.take() => true,
                () = self.window.room() => false,
            };
            if interrupted {
                match self.skip(&mut output).await {
                    None => continue,
                    Some(end) => return end,
                }
            }
            let event = match output.next().await {
                Ok(event) => event,
                Err(e) => return ended(e),
            };
            let bytes = match event {
                Some(ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes)) => bytes,
                Some(ExecEvent::Exited(code)) => return ShellEnd::Exited(code),
                None => return ShellEnd::Broken("it says no more".to_owned()),
            };
            self.active.note();
            if self.show(bytes).await.is_err() {
                return ShellEnd::Left;
            }
        }
    }

    /// Skips what is under way of a flood that was interrupted and that the viewer cannot take as
    /// fast as it comes; shows its end. A program that does not heed Ctrl-C is then waited for
    /// again.
    async fn skip(&self, output: &mut ExecOutput) -> Option<ShellEnd> {
        let mut tail = Tail::default();
        let until = Instant::now() + SKIPPING;
        let end = loop {
            if Instant::now() > until {
                break None;
            }
            match tokio::time::timeout(SILENCE, output.next()).await {
                Ok(Ok(Some(ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes)))) => {
                    tail.push(&bytes);
                }
                Ok(Ok(Some(ExecEvent::Exited(code)))) => break Some(ShellEnd::Exited(code)),
                Ok(Ok(None)) => break Some(ShellEnd::Broken("it says no more".to_owned())),
                Ok(Err(e)) => break Some(ended(e)),
                Err(_) => break None,
            }
        };
        self.window.room().await;
        if self.show(tail.shown()).await.is_err() {
            return Some(ShellEnd::Left);
        }
        end
    }

    async fn show(&self, bytes: Bytes) -> Result<(), O::Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.window.sent(bytes.len());
        self.tell(ToViewer::Output(bytes)).await
    }

    async fn tell(&self, message: ToViewer) -> Result<(), O::Error> {
        self.to.lock().await.send(message).await
    }
}

fn ended(error: ExecError) -> ShellEnd {
    match error {
        ExecError::NotRun { message, .. } => ShellEnd::NotRun(message),
        error => ShellEnd::Broken(chain(&error)),
    }
}
