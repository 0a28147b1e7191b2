//! The file behind the store: a log of writes, shortened now and then to a snapshot.
//!
//! Each write is one line of JSON, handed to the operating system before it is acknowledged, so a
//! killed process loses nothing; the disk is told to flush some milliseconds later, so a power
//! failure may lose the last moments. `N.snapshot` holds everything up to the start of `N.log`.
//! Files have mode 0600: they hold Secrets.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Error, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A log shorter than this is never replaced by a snapshot.
const SHORTEST: u64 = 8 << 20;
/// How long writes gather before the disk is told to flush.
const FLUSH_DELAY: Duration = Duration::from_millis(20);

/// One line: an object as it was written, or (without one) its removal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record<V> {
    /// Revision of the store after it.
    pub revision: u64,
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub object: Option<V>,
}

/// A log that is being written.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    number: u64,
    file: File,
    length: u64,
    /// Length of the log at which a snapshot is due.
    due: u64,
    worker: Worker,
    /// Held for as long as the log is open: fields go in this order, so until the worker is done.
    _lock: File,
}

/// The log's own thread. Dropping it waits until all that it was given is done: whoever opens the
/// log next must not see files go.
#[derive(Debug)]
struct Worker {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> std::io::Result<Self> {
        let (work, todo) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("objects-log".to_owned())
            .spawn(move || run(&todo))?;
        Ok(Self {
            work: Some(work),
            thread: Some(thread),
        })
    }

    fn give(&self, work: Work) -> std::io::Result<()> {
        let sent = self.work.as_ref().map(|open| open.send(work));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::other("the log's thread has ended")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's thread panicked; the log itself is whole");
        }
    }
}

/// What the log's own thread does, so that no request waits for a disk.
enum Work {
    Flush(File),
    Snapshot {
        directory: PathBuf,
        number: u64,
        records: Vec<Record<Arc<Value>>>,
    },
}

/// All that was found on disk.
pub(super) struct Found {
    pub log: Log,
    pub records: Vec<Record<Value>>,
}

fn at(path: &Path) -> impl FnOnce(Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::new(error.kind(), format!("{path}: {error}"))
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)
        .map_err(at(path))
}

impl Log {
    /// Open the log of a directory and read what it holds.
    pub fn open(directory: &Path) -> std::io::Result<Found> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(at(directory))?;
        let lock = open(&directory.join("lock"))?;
        lock.try_lock().map_err(|_| {
            Error::new(
                ErrorKind::WouldBlock,
                format!("{} is in use by another process", directory.display()),
            )
        })?;
        let (mut logs, mut snapshots) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            match name
                .split_once('.')
                .map(|(number, kind)| (number.parse::<u64>(), kind))
            {
                Some((Ok(number), "log")) => logs.push(number),
                Some((Ok(number), "snapshot")) => snapshots.push(number),
                _ => {}
            }
        }
        logs.sort_unstable();
        let snapshot = snapshots.into_iter().max().unwrap_or(0);
        let mut records = Vec::new();
        if snapshot > 0 {
            read(
                &directory.join(format!("{snapshot}.snapshot")),
                &mut records,
            )?;
        }
        for number in logs.iter().filter(|number| **number >= snapshot) {
            read(&directory.join(format!("{number}.log")), &mut records)?;
        }
        let number = logs.last().copied().unwrap_or(0).max(snapshot).max(1);
        let file = open(&directory.join(format!("{number}.log")))?;
        let length = file.metadata()?.len();
        let log = Self {
            directory: directory.to_owned(),
            number,
            file,
            length,
            due: SHORTEST.max(length),
            worker: Worker::start()?,
            _lock: lock,
        };
        Ok(Found { log, records })
    }

    /// Write one line. Where that fails the file is as it was.
    pub fn append(&mut self, record: &Record<&Value>) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // Half a line would hide every later one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        self.worker.give(Work::Flush(self.file.try_clone()?))
    }

    /// Whether the log has grown so long that a snapshot is due.
    pub fn is_long(&self) -> bool {
        self.length >= self.due
    }

    /// Begin a new log, and have everything that is there now written to a snapshot.
    pub fn shorten(&mut self, records: Vec<Record<Arc<Value>>>) -> std::io::Result<()> {
        let number = self.number + 1;
        self.file = open(&self.directory.join(format!("{number}.log")))?;
        self.number = number;
        // Replaced again when as much has been written as the snapshot holds.
        self.due = SHORTEST.max(self.length / 2);
        self.length = 0;
        let directory = self.directory.clone();
        self.worker.give(Work::Snapshot {
            directory,
            number,
            records,
        })
    }
}

fn read(path: &Path, records: &mut Vec<Record<Value>>) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(at(path))?;
    let mut reader = BufReader::new(&file);
    let mut good = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            // The process ended in the middle of this write, which nobody was told of.
            tracing::warn!(path = %path.display(), "dropped an incomplete last line");
            return file.set_len(good);
        }
        let record = serde_json::from_slice(&line).map_err(|error| {
            let message = format!("{} is damaged at byte {good}: {error}", path.display());
            Error::new(ErrorKind::InvalidData, message)
        })?;
        records.push(record);
        good += read as u64;
    }
}

fn run(todo: &mpsc::Receiver<Work>) {
    while let Ok(work) = todo.recv() {
        match work {
            Work::Snapshot {
                directory,
                number,
                records,
            } => {
                if let Err(error) = snapshot(&directory, number, &records) {
                    tracing::error!(%error, "a snapshot of the objects could not be written; the log goes on");
                }
            }
            Work::Flush(mut file) => {
                std::thread::sleep(FLUSH_DELAY);
                let mut next = None;
                for work in todo.try_iter() {
                    match work {
                        Work::Flush(newer) => file = newer,
                        Work::Snapshot { .. } => {
                            next = Some(work);
                            break;
                        }
                    }
                }
                if let Err(error) = file.sync_data() {
                    tracing::error!(%error, "the objects could not be flushed to disk");
                }
                if let Some(Work::Snapshot {
                    directory,
                    number,
                    records,
                }) = next
                    && let Err(error) = snapshot(&directory, number, &records)
                {
                    tracing::error!(%error, "a snapshot of the objects could not be written; the log goes on");
                }
            }
        }
    }
}

fn snapshot(directory: &Path, number: u64, records: &[Record<Arc<Value>>]) -> std::io::Result<()> {
    let unfinished = directory.join("snapshot.unfinished");
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    let mut writer = BufWriter::new(file);
    for record in records {
        let record = Record {
            revision: record.revision,
            resource: record.resource.clone(),
            namespace: record.namespace.clone(),
            name: record.name.clone(),
            object: record.object.as_deref(),
        };
        serde_json::to_writer(&mut writer, &record)?;
        writer.write_all(b"\n")?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    std::fs::rename(&unfinished, directory.join(format!("{number}.snapshot")))?;
    File::open(directory)?.sync_all()?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let old = name
            .split_once('.')
            .and_then(|(old, _)| old.parse::<u64>().ok())
            .is_some_and(|old| old < number);
        if old {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
