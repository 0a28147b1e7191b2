//! A TCP proxy that can break what goes through it, in the ways that networks do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Fine,
    /// Open connections stay open, and nothing passes any more, in either direction.
    BlackHole,
    /// Open connections are ended, and new ones too.
    Broken,
}

/// A proxy on a port of its own, until it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to this address, in fine weather.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, state) = watch::channel(Weather::Fine);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = state.clone();
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        carry(client, server, state).await;
                    }
                });
            }
        });
        Self {
            address,
            weather,
            task,
        }
    }

    /// From now on, for open connections too.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: TcpStream, mut state: watch::Receiver<Weather>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let now = *state.borrow_and_update();
        match now {
            Weather::Broken => return,
            // What was swallowed once never arrives: the connection is dead for good.
            Weather::BlackHole => std::future::pending().await,
            Weather::Fine => {}
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            read = from_client.read(&mut up) => match read {
                Ok(read) if read > 0 => if to_server.write_all(&up[..read]).await.is_err() { return },
                _ => return,
            },
            read = from_server.read(&mut down) => match read {
                Ok(read) if read > 0 => if to_client.write_all(&down[..read]).await.is_err() { return },
                _ => return,
            },
        }
    }
}
