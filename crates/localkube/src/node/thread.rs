//! Threads of their own for work that is bound to a thread.
//!
//! Two things in Linux belong to a thread and not to a process: the network namespace that a
//! socket is made in, and the parent whose death takes a child process along
//! (`PR_SET_PDEATHSIG`). The workers of an async runtime come and go, so each of these two jobs
//! has one thread that lives as long as the node.

use std::sync::mpsc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that runs what it is given, one after the other. It ends when the last handle goes.
#[derive(Clone)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Start the thread; jobs run inside the current async runtime.
    pub fn start(name: &str) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _inside = runtime.enter();
                while let Ok(job) = queue.recv() {
                    job();
                }
            })?;
        Ok(Self { jobs })
    }

    /// Run something on the thread and wait for what it returns. It must not block for long.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> std::io::Result<T> {
        let (answer, answered) = oneshot::channel();
        let gone = || std::io::Error::other("the node's worker thread has ended");
        self.jobs
            .send(Box::new(move || {
                // The one who asked may have stopped waiting; that is theirs to decide.
                let _ = answer.send(job());
            }))
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
