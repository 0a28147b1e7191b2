//! The embedded cluster alone, to try clients such as kubectl and helm against:
//!
//! ```text
//! cargo run --package catalyst-localkube --example embedded_cluster -- FOLDER
//! kubectl --kubeconfig FOLDER/kubeconfig get namespaces
//! ```
//!
//! It runs until its standard input ends or it is interrupted.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use catalyst_localkube::{LocalKube, LocalKubeConfig};
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("name a folder for the cluster's data")?;
    let mut config = LocalKubeConfig::new(&folder);
    config.allow_weak_isolation = true;
    let cluster = LocalKube::start(config).await?;
    // It holds the administrator's token.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join("kubeconfig"))?;
    file.write_all(cluster.kubeconfig().to_string().as_bytes())?;
    let mut ends = tokio::io::stdin();
    let mut buffer = [0; 64];
    let read = async { while matches!(ends.read(&mut buffer).await, Ok(1..)) {} };
    tokio::select! {
        () = read => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    cluster.shutdown().await;
    Ok(())
}
