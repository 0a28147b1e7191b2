//! Container logs on disk, in the format of the container runtime interface: each line is
//! `<RFC 3339 time> <stdout|stderr> <F|P> <bytes>`, where `P` marks a line that goes on in the
//! next record. Files are turned over at 10 MiB and one older file is kept.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{mpsc, watch};

use crate::node_api::LogOptions;

/// A file is turned over at this size.
const TURN_OVER: u64 = 10 * 1024 * 1024;
/// Longer lines are split into records of this size.
const RECORD: usize = 16 * 1024;

/// About how much is handed to a reader at once.
const CHUNK: usize = 64 * 1024;

/// Which of a process's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

impl Output {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The log of one instance of a container, while it is written.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: Mutex<Writing>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct Writing {
    file: File,
    size: u64,
}

/// How far a log is: what those who follow it wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    written: u64,
    turned_over: u64,
    closed: bool,
}

impl Log {
    /// Begin a log.
    pub fn create(path: &Path) -> io::Result<Arc<Self>> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Arc::new(Self {
            path: path.to_owned(),
            file: Mutex::new(Writing { file, size }),
            progress: watch::Sender::new(Progress::default()),
        }))
    }

    /// Write what a process puts out until it closes its end.
    pub async fn copy(&self, output: Output, mut from: impl AsyncRead + Unpin) {
        let mut pending: Vec<u8> = Vec::new();
        let mut buffer = vec![0; RECORD];
        loop {
            let read = match from.read(&mut buffer).await {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => {
                    tracing::debug!(%error, "a container's output ended");
                    break;
                }
            };
            pending.extend_from_slice(&buffer[..read]);
            self.write_records(output, &mut pending, false);
        }
        self.write_records(output, &mut pending, true);
    }

    /// Write the whole records of `pending` and leave the rest there.
    fn write_records(&self, output: Output, pending: &mut Vec<u8>, all: bool) {
        let mut records = Vec::new();
        let mut start = 0;
        while start < pending.len() {
            let rest = &pending[start..];
            let window = &rest[..rest.len().min(RECORD)];
            let (length, tag, skip) = match window.iter().position(|&byte| byte == b'\n') {
                Some(end) => (end, "F", 1),
                None if rest.len() >= RECORD => (RECORD, "P", 0),
                None if all => (rest.len(), "P", 0),
                None => break,
            };
            let head = format!("{} {} {tag} ", now(), output.name());
            records.extend_from_slice(head.as_bytes());
            records.extend_from_slice(&rest[..length]);
            records.push(b'\n');
            start += length + skip;
        }
        pending.drain(..start);
        if !records.is_empty()
            && let Err(error) = self.append(&records)
        {
            tracing::error!(%error, path = %self.path.display(), "a container's log cannot be written");
        }
    }

    fn append(&self, records: &[u8]) -> io::Result<()> {
        let mut writing = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if writing.size >= TURN_OVER {
            std::fs::rename(&self.path, older(&self.path))?;
            writing.file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            writing.size = 0;
            self.progress
                .send_modify(|progress| progress.turned_over += 1);
        }
        writing.file.write_all(records)?;
        let length = records.len() as u64;
        writing.size += length;
        drop(writing);
        self.progress
            .send_modify(|progress| progress.written += length);
        Ok(())
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.progress.send_modify(|progress| progress.closed = true);
    }
}

fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// Remove a log with its older file.
pub(crate) fn remove(path: &Path) {
    for file in [path.to_owned(), older(path)] {
        // The older file is rarely there.
        let _ = std::fs::remove_file(file);
    }
}

/// The last part of a log, at most so many lines and bytes, for `terminationMessagePolicy`.
pub(crate) fn tail(path: &Path, lines: usize, bytes: usize) -> String {
    let options = LogOptions {
        tail_lines: Some(lines),
        ..LogOptions::default()
    };
    let mut text = Vec::new();
    let Ok(mut reader) = Reader::open(path, &options) else {
        return String::new();
    };
    while let Ok(Some(chunk)) = reader.next_chunk() {
        text.extend_from_slice(&chunk);
    }
    let start = text.len().saturating_sub(bytes);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

/// Read a log in the background: what is there, then (with `follow`) what is written until the
/// log is closed. `log` is the one being written, if it is.
pub(crate) fn read(
    path: PathBuf,
    log: Option<Arc<Log>>,
    options: LogOptions,
) -> io::Result<mpsc::Receiver<io::Result<Bytes>>> {
    let progress = log.map(|log| log.progress.subscribe());
    let reader = Reader::open(&path, &options)?;
    let (send, receive) = mpsc::channel(16);
    tokio::spawn(async move {
        let follow = progress.filter(|_| options.follow);
        if let Err(error) = copy_out(reader, &path, follow, &send).await {
            // A reader that has gone needs no word.
            let _ = send.send(Err(error)).await;
        }
    });
    Ok(receive)
}

type Chunks = mpsc::Sender<io::Result<Bytes>>;

async fn copy_out(
    mut reader: Reader,
    path: &Path,
    mut follow: Option<watch::Receiver<Progress>>,
    send: &Chunks,
) -> io::Result<()> {
    loop {
        let at = follow
            .as_mut()
            .map(|progress| *progress.borrow_and_update());
        if !send_present(&mut reader, send).await? {
            return Ok(());
        }
        let (Some(progress), Some(at)) = (&mut follow, at) else {
            return Ok(());
        };
        if at.closed {
            return Ok(());
        }
        tokio::select! {
            changed = progress.changed() => if changed.is_err() { return Ok(()) },
            () = send.closed() => return Ok(()),
        }
        if progress.borrow().turned_over != at.turned_over {
            // The rest of the old file first; this reader still has it open.
            if !send_present(&mut reader, send).await? {
                return Ok(());
            }
            reader.reopen(path)?;
        }
    }
}

/// Send everything up to the present end. False where the reader has gone or has enough.
async fn send_present(reader: &mut Reader, send: &Chunks) -> io::Result<bool> {
    while let Some(chunk) = reader.next_chunk()? {
        if send.send(Ok(chunk)).await.is_err() {
            return Ok(false);
        }
    }
    Ok(reader.left != Some(0))
}

struct Reader {
    files: Vec<BufReader<File>>,
    since: Option<jiff::Timestamp>,
    timestamps: bool,
    skip: usize,
    left: Option<usize>,
    /// Whether the last record left its line open.
    inside_line: bool,
}

impl Reader {
    fn open(path: &Path, options: &LogOptions) -> io::Result<Self> {
        let mut files = Vec::new();
        // The file in use comes first here and last there, so that one that is turned over in
        // between is read twice at worst, never missed.
        let current = File::open(path)?;
        if let Ok(file) = File::open(older(path)) {
            files.push(BufReader::new(file));
        }
        files.push(BufReader::new(current));
        let mut reader = Self {
            files,
            since: options.since,
            timestamps: options.timestamps,
            skip: 0,
            left: options.limit_bytes,
            inside_line: false,
        };
        if let Some(tail) = options.tail_lines {
            let mut lines = 0;
            let mut count = |_: &Record<'_>, ends: bool| {
                lines += usize::from(ends);
                true
            };
            reader.records(&mut count)?;
            lines += usize::from(reader.inside_line);
            reader.inside_line = false;
            for file in &mut reader.files {
                file.seek(SeekFrom::Start(0))?;
            }
            reader.skip = lines.saturating_sub(tail);
        }
        Ok(reader)
    }

    fn reopen(&mut self, path: &Path) -> io::Result<()> {
        self.files = vec![BufReader::new(File::open(path)?)];
        Ok(())
    }

    /// The next part of what is asked for; none at the present end.
    fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let timestamps = self.timestamps;
        let mut skip = self.skip;
        let mut line_open = self.inside_line;
        let mut chunk: Vec<u8> = Vec::new();
        let enough = self.left.unwrap_or(CHUNK).min(CHUNK);
        if enough == 0 {
            return Ok(None);
        }
        self.records(&mut |record, ends| {
            let starts = !line_open;
            line_open = !ends;
            if skip > 0 {
                skip -= usize::from(ends);
                return true;
            }
            if timestamps && starts {
                chunk.extend_from_slice(record.time);
                chunk.push(b' ');
            }
            chunk.extend_from_slice(record.content);
            if ends {
                chunk.push(b'\n');
            }
            chunk.len() < enough
        })?;
        self.skip = skip;
        if let Some(left) = &mut self.left {
            chunk.truncate(*left);
            *left -= chunk.len();
        }
        Ok((!chunk.is_empty()).then(|| chunk.into()))
    }

    /// Call `each` with every record from here to the end and whether it ends its line. A record
    /// that is still being written is left for later.
    fn records(&mut self, each: &mut dyn FnMut(&Record<'_>, bool) -> bool) -> io::Result<()> {
        for file in &mut self.files {
            loop {
                let mut bytes = Vec::new();
                let read = file
                    .by_ref()
                    .take(2 * RECORD as u64)
                    .read_until(b'\n', &mut bytes)?;
                if bytes.pop() != Some(b'\n') {
                    file.seek_relative(-i64::try_from(read).unwrap_or(0))?;
                    break;
                }
                let Some(record) = Record::parse(&bytes) else {
                    continue;
                };
                if self
                    .since
                    .is_some_and(|since| record.at().is_some_and(|at| at < since))
                {
                    continue;
                }
                self.inside_line = !record.full;
                if !each(&record, record.full) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

struct Record<'a> {
    time: &'a [u8],
    full: bool,
    content: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut parts = bytes.splitn(4, |&byte| byte == b' ');
        let (time, _output, tag, content) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            time,
            full: tag == b"F",
            content,
        })
    }

    fn at(&self) -> Option<jiff::Timestamp> {
        std::str::from_utf8(self.time).ok()?.parse().ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn written(folder: &Path, content: &[u8]) -> (PathBuf, Arc<Log>) {
        let path = folder.join("0.log");
        let log = Log::create(&path).unwrap();
        log.copy(Output::Stdout, content).await;
        (path, log)
    }

    async fn all(path: &Path, log: Option<Arc<Log>>, options: LogOptions) -> Vec<u8> {
        let mut chunks = read(path.to_owned(), log, options).unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        bytes
    }

    #[tokio::test]
    async fn what_a_process_writes_is_read_back_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let mut content = b"one\n\n\xff\x00two\r\n".to_vec();
        content.extend(vec![b'x'; 3 * RECORD + 7]);
        content.extend(b"\nunfinished");
        let (path, _log) = written(folder.path(), &content).await;
        assert_eq!(all(&path, None, LogOptions::default()).await, content);
    }

    #[tokio::test]
    async fn a_tail_counts_lines_and_not_records() {
        let folder = tempfile::tempdir().unwrap();
        let mut content = b"first\n".to_vec();
        content.extend(vec![b'x'; 2 * RECORD + 1]);
        content.extend(b"\nlast\n");
        let (path, _log) = written(folder.path(), &content).await;
        let options = |tail| LogOptions {
            tail_lines: Some(tail),
            ..LogOptions::default()
        };
        assert_eq!(all(&path, None, options(1)).await, b"last\n");
        assert_eq!(all(&path, None, options(2)).await, &content[6..]);
        assert_eq!(all(&path, None, options(0)).await, b"");
    }

    #[tokio::test]
    async fn a_limit_ends_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _log) = written(folder.path(), b"one\ntwo\n").await;
        let options = LogOptions {
            limit_bytes: Some(5),
            ..LogOptions::default()
        };
        assert_eq!(all(&path, None, options).await, b"one\nt");
    }

    #[tokio::test]
    async fn timestamps_precede_lines_and_since_leaves_older_ones_out() {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = written(folder.path(), b"old\n").await;
        let since = jiff::Timestamp::now();
        log.copy(Output::Stderr, &b"new\n"[..]).await;
        let options = LogOptions {
            since: Some(since),
            timestamps: true,
            ..LogOptions::default()
        };
        let text = String::from_utf8(all(&path, None, options).await).unwrap();
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().unwrap() >= since);
        assert_eq!(rest, "new\n");
    }

    #[tokio::test]
    async fn following_misses_nothing_when_the_file_turns_over_and_ends_with_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = written(folder.path(), b"0\n").await;
        let options = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        let follower = tokio::spawn({
            let (path, log) = (path.clone(), log.clone());
            async move { all(&path, Some(log), options).await }
        });
        let line = [vec![b'y'; 1000], b"\n".to_vec()].concat();
        let many = line.repeat(12_000);
        log.copy(Output::Stdout, &many[..]).await;
        log.close();
        let read = follower.await.unwrap();
        assert_eq!(read.len(), 2 + many.len());
        assert!(older(&path).exists());
    }
}
