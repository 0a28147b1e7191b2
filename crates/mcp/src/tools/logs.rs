//! `get_preview_logs`.

use std::{collections::VecDeque, time::Duration};

use catalyst_model::views::LogQuery;
use catalyst_previews::{Actor, Previews};
use futures::StreamExt;

use crate::{answer::Refusal, input::WhichLogs, views::Logs};

/// How long lines are waited for that are already written.
const PATIENCE: Duration = Duration::from_secs(10);

/// More lines than this are not for an agent.
const MOST_LINES: u32 = 10_000;

/// A line is cut here.
const LONGEST_LINE: usize = 16 * 1024;

/// The newest so many bytes are answered.
const LARGEST: usize = 512 * 1024;

pub async fn read(previews: &Previews, actor: &Actor, asked: WhichLogs) -> Result<Logs, Refusal> {
    if !(1..=MOST_LINES).contains(&asked.tail_lines) {
        return Err(Refusal::Input(format!(
            "tailLines: expected 1 to {MOST_LINES}"
        )));
    }
    let query = LogQuery {
        pod: asked.pod.clone(),
        container: asked.container.clone(),
        tail_lines: asked.tail_lines,
        timestamps: asked.timestamps,
        follow: false,
        previous: asked.previous,
        since_seconds: None,
    };
    let mut stream = previews.logs(actor, asked.one()?, &query).await?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut kept = Kept::default();
    while let Ok(Some(line)) = tokio::time::timeout_at(deadline, stream.next()).await {
        let line = line?;
        let at = line.at.filter(|_| asked.timestamps);
        kept.push(match at {
            Some(at) => format!("{} {}", at.to_rfc3339(), line.text),
            None => line.text,
        });
    }
    Ok(Logs {
        success: true,
        lines: kept.lines.len(),
        truncated: kept.truncated,
        logs: Vec::from(kept.lines).join("\n"),
    })
}

/// The newest lines that there is room for.
#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    truncated: bool,
}

impl Kept {
    fn push(&mut self, mut line: String) {
        if line.len() > LONGEST_LINE {
            line.truncate(line.floor_char_boundary(LONGEST_LINE));
            self.truncated = true;
        }
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > LARGEST
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len() + 1;
            self.truncated = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_it_is_said_that_others_are_not() {
        let mut kept = Kept::default();
        kept.push("short".into());
        assert!(!kept.truncated);
        for n in 0..100 {
            kept.push(format!("{n} {}", "é".repeat(10_000)));
        }
        assert!(kept.truncated && kept.bytes <= LARGEST);
        let last = kept.lines.back().map(String::as_str).unwrap_or_default();
        assert!(last.starts_with("99 ") && last.len() <= LONGEST_LINE);
    }
}
