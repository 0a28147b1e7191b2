//! `catalyst validate`: deploys pairs of a Project and an Environment, waits until each is ready or has
//! failed, and removes them again.

#![allow(clippy::print_stdout, reason = "a command's output")]

mod pairs;
mod progress;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::wiring;
use pairs::{Pair, PairError, Place};
use progress::NotValid;
use stage::Stage;

/// The field manager, and the value of the label by which its objects are known: nothing else is
/// changed or removed.
const MANAGER: &str = "catalyst-validate";

/// What to try out.
#[derive(Args)]
pub struct Validate {
    /// Which pairs [default: all].
    names: Vec<String>,
    /// The repository that the pairs are of, as `git clone` takes it: one that holds Catalyst, for
    /// Catalyst's own pairs [default: what each pair says].
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// The repository's branch, or a commit of it (40 hexadecimal digits) [default: the branch that
    /// each pair names].
    #[arg(long, value_name = "BRANCH|COMMIT")]
    revision: Option<String>,
    /// A folder of pairs instead of Catalyst's own: each NAME.yaml holds a Project and an Environment.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Seconds after which what is not ready is given up.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Leave what was made, to have a look at it. The next run without this removes it.
    #[arg(long)]
    keep: bool,
}

impl Validate {
    /// Tries them out, all at once; fails unless all are ready. Ctrl-C ends it earlier, and removes
    /// what was made all the same.
    pub async fn run(self) -> anyhow::Result<()> {
        let pairs = self.pairs()?;
        let stage = Stage::new(wiring::default_cluster().await?, pairs);
        let interrupted = CancellationToken::new();
        wiring::stop_on_signals(interrupted.clone());
        stage.clear().await?;
        let trying = stage.try_out(Duration::from_secs(self.timeout));
        let verdict = match interrupted.run_until_cancelled(trying).await {
            Some(outcomes) => outcomes.and_then(|outcomes| {
                println!("\n{}", progress::table(&outcomes));
                Ok(progress::verdict(&outcomes)?)
            }),
            None => Err(NotValid::Interrupted.into()),
        };
        if self.keep {
            println!("What was made stays until the next run without --keep: {stage}");
            return verdict;
        }
        println!("Being removed: {stage}");
        match (stage.remove().await, verdict) {
            (Ok(()), verdict) => verdict,
            (removed, Ok(())) => removed,
            (Err(left), Err(verdict)) => Err(verdict.context(format!("{left:#}"))),
        }
    }

    /// The pairs that are meant, where they are meant to be.
    fn pairs(&self) -> Result<Vec<Pair>, PairError> {
        let all = match &self.folder {
            Some(folder) => pairs::of_folder(folder)?,
            None => pairs::own()?,
        };
        let place = Place {
            repository: self.repository.clone(),
            revision: self.revision.clone(),
        };
        let attempt = format!("{MANAGER}-{:08x}", rand::random::<u32>());
        pairs::chosen(all, &self.names)?
            .into_iter()
            .map(|pair| pair.placed(&place, &attempt))
            .collect()
    }
}
