//! A checkout as an inspection in the cluster reports it.
//!
//! The report comes out of a pod that holds a stranger's files, by way of a log: nothing in it is
//! believed but its form. It is bounded before and after it is decompressed, and becomes a
//! [`Folder`], which no path leads out of.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use catalyst_model::ids::CommitSha;
use flate2::read::GzDecoder;

use crate::folder::{Entry, Folder, MAX_FILE, MAX_TOTAL};

/// The report's first line.
pub const HEADER: &str = "catalyst-inspection 2";
/// Bytes of a report, as a log holds it, that are read at most.
pub const MAX_REPORT: usize = 1_200_000;
/// Bytes that it may have once decompressed: contents, and names.
const MAX_CONTENT: u64 = (MAX_TOTAL + 6 * 1024 * 1024) as u64;
/// Files in a report.
const MAX_FILES: usize = 20_000;

/// What an inspection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The commit that was looked at.
    pub commit: CommitSha,
    /// Its files, as far as they were reported.
    pub folder: Folder,
}

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It does not begin like one.
    #[error("the inspection reported nothing that can be understood")]
    Unknown,
    /// It has a beginning, and no end.
    #[error("the inspection's report is incomplete")]
    Incomplete,
    /// Its content is not what it should be.
    #[error("the inspection's report is damaged: {0}")]
    Damaged(&'static str),
    /// There is no commit.
    #[error("the inspection did not say which commit it looked at")]
    NoCommit,
}

/// The compressed part of a report in a log, which is what is kept of it.
///
/// # Errors
/// If the log holds no complete report.
pub fn packed(log: &str) -> Result<Vec<u8>, BundleError> {
    let report = log
        .find(HEADER)
        .and_then(|at| log[at..].strip_prefix(HEADER))
        .ok_or(BundleError::Unknown)?;
    if report.len() > MAX_REPORT {
        return Err(BundleError::Damaged("it is too large"));
    }
    let mut text = String::with_capacity(report.len());
    for line in report.lines().map(str::trim) {
        if line == "end" {
            return STANDARD
                .decode(text)
                .map_err(|_| BundleError::Damaged("it is not base64"));
        }
        text.push_str(line);
    }
    Err(BundleError::Incomplete)
}

impl Bundle {
    /// Reads what [`packed`] found.
    ///
    /// # Errors
    /// If it is damaged, or names no commit.
    pub fn unpack(packed: &[u8]) -> Result<Self, BundleError> {
        let mut content = Vec::new();
        GzDecoder::new(packed)
            .take(MAX_CONTENT + 1)
            .read_to_end(&mut content)
            .map_err(|_| BundleError::Damaged("it is not compressed as it should be"))?;
        if content.len() as u64 > MAX_CONTENT {
            return Err(BundleError::Damaged("it is too large"));
        }
        let mut folder = Folder::default();
        let mut commit = None;
        let mut rest = &content[..];
        let mut left = MAX_TOTAL;
        while !rest.is_empty() {
            let end = rest
                .iter()
                .position(|&b| b == b'\n')
                .ok_or(BundleError::Incomplete)?;
            let line = std::str::from_utf8(&rest[..end]);
            rest = &rest[end + 1..];
            let (word, value) = match line.map(|line| line.split_once(' ')) {
                Ok(Some(pair)) => pair,
                // A name that is no UTF-8 cannot be named by what is read.
                _ => continue,
            };
            if folder.len() > MAX_FILES {
                return Err(BundleError::Damaged("it names too many files"));
            }
            match word {
                "commit" => commit = value.parse().ok(),
                "name" => folder.insert(value, Entry::Unread),
                "link" => folder.insert(value, Entry::Link),
                "file" => {
                    let (size, path) = value
                        .split_once(' ')
                        .and_then(|(size, path)| Some((size.parse::<usize>().ok()?, path)))
                        .ok_or(BundleError::Damaged("a file has no size"))?;
                    if size > MAX_FILE || size > left || rest.len() <= size {
                        return Err(BundleError::Damaged("a file is larger than it may be"));
                    }
                    left -= size;
                    let entry = match std::str::from_utf8(&rest[..size]) {
                        Ok(text) if !text.contains('\0') => Entry::Text(text.to_owned()),
                        _ => Entry::Unread,
                    };
                    folder.insert(path, entry);
                    rest = &rest[size + 1..];
                }
                _ => return Err(BundleError::Damaged("a line says something unknown")),
            }
        }
        Ok(Self {
            commit: commit.ok_or(BundleError::NoCommit)?,
            folder,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn log(content: &[u8]) -> String {
        format!("{HEADER}\n{}\nend\n", STANDARD.encode(gzip(content)))
    }

    #[test]
    fn a_report_becomes_a_folder() {
        let content = format!(
            "commit {COMMIT}\nfile 5 a/b c.txt\nx\ny\nz\nname logo.png\nlink l\nfile 2 bin\n\x00\x01\n"
        );
        let bundle = Bundle::unpack(&packed(&log(content.as_bytes())).unwrap()).unwrap();
        assert_eq!(bundle.commit.as_str(), COMMIT);
        assert_eq!(bundle.folder.text("a/b c.txt").unwrap(), "x\ny\nz");
        assert!(bundle.folder.has("logo.png") && bundle.folder.has("l"));
        assert_eq!(bundle.folder.len(), 4);
    }

    #[test]
    fn paths_that_lead_out_are_left_out() {
        let content = format!(
            "commit {COMMIT}\nfile 1 ../../etc/passwd\nx\nfile 1 /etc/shadow\nx\nname ../x\nname a/../../x\nfile 1 ok\nx\n"
        );
        let bundle = Bundle::unpack(&gzip(content.as_bytes())).unwrap();
        assert_eq!(bundle.folder.len(), 1);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(matches!(
            packed("fatal: not a git repository"),
            Err(BundleError::Unknown)
        ));
        assert!(matches!(
            packed(&format!("{HEADER}\nAAAA\n")),
            Err(BundleError::Incomplete)
        ));
        assert!(matches!(
            packed(&format!("{HEADER}\n*\nend\n")),
            Err(BundleError::Damaged(_))
        ));
        for content in [
            "commit x\n".to_owned(),
            String::new(),
            format!("commit {COMMIT}\nfile 99 a\nx\n"),
            format!("commit {COMMIT}\nfile a\n"),
            format!("commit {COMMIT}\nfile 18446744073709551615 a\nx\n"),
            format!("commit {COMMIT}\nhello world\n"),
            format!("commit {COMMIT}"),
        ] {
            assert!(
                Bundle::unpack(&gzip(content.as_bytes())).is_err(),
                "{content}"
            );
        }
    }

    #[test]
    fn a_bomb_is_not_decompressed() {
        let bomb = gzip(&vec![b'a'; 64 * 1024 * 1024]);
        assert!(bomb.len() < MAX_REPORT);
        assert!(matches!(
            Bundle::unpack(&bomb),
            Err(BundleError::Damaged(_))
        ));
    }
}
