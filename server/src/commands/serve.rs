//! `catalyst serve`: the dashboard and the webhook, and whatever else runs in this process.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::serve::ListenerExt;
use catalyst_localkube::LocalKube;
use catalyst_operator::WebSide;
use catalyst_previews::{PreviewSettings, Previews};
use clap::Args;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    http::{
        self, AppState, credentials,
        guard::Origins,
        inside::{self, Part},
        limits::SignInLimits,
    },
    settings::{
        Common, GitHubSettings, Keeping, PreviewRouting, SecretSettings, SettingsError,
        ShellSettings,
    },
    wiring,
};

/// Settings of the server.
#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    github: GitHubSettings,
    #[command(flatten)]
    routing: PreviewRouting,
    #[command(flatten)]
    shells: ShellSettings,
    #[command(flatten)]
    secrets: SecretSettings,
    #[command(flatten)]
    keeping: Keeping,

    /// Address of a second listener, which answers requests for Git credentials and nothing else:
    /// pods of previews may reach it, and not the dashboard [default: with the embedded cluster a
    /// free port of this machine, else none].
    #[arg(long, env = "CATALYST_CREDENTIALS_LISTEN")]
    credentials_listen: Option<SocketAddr>,

    /// Run the operator in this process too. With Kubernetes it then takes part in the election
    /// of a leader, next to any `catalyst operator` [default: with the embedded cluster only].
    #[arg(long, env = "CATALYST_RUN_OPERATOR", num_args = 0..=1, default_missing_value = "true")]
    run_operator: Option<bool>,

    /// The networks of the proxies between people and Catalyst, as in `10.0.0.0/8 fd00::/8`: what they
    /// say about where a request comes from (X-Forwarded-For) is believed, and attempts to sign in are
    /// counted by it.
    #[arg(long, env = "CATALYST_TRUSTED_PROXIES", value_delimiter = ' ')]
    trusted_proxies: Vec<ipnet::IpNet>,
}

impl Serve {
    /// Runs until it is asked to stop; ends in order: no new requests, open ones finished, streams
    /// told, then workers, operator and cluster.
    pub async fn run(self, common: Common) -> anyhow::Result<()> {
        let local = common.local();
        if common.allow_local_repositories && !local {
            return Err(SettingsError::LocalRepositories.into());
        }
        let data = wiring::data_folder(&common)?;
        let keyring = wiring::keyring(&self.secrets, local.then_some(data.as_path()))?;
        let account = wiring::operator_account(&self.secrets, &self.routing);
        let secrets = wiring::webhook_secrets(&self.github, local.then_some(data.as_path()))?;
        let github = wiring::github(&common, &self.github)?;
        let mut operator_settings = wiring::operator_settings(&common, &self.routing, local)?;
        let sign_in = wiring::sign_in(&common, &self.github)?;
        let store = wiring::open_store(&common).await?;
        let listener = tokio::net::TcpListener::bind(common.listen)
            .await
            .with_context(|| format!("cannot listen on {} (CATALYST_LISTEN)", common.listen))?;
        let port = listener.local_addr()?.port();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let credentials = match self.credentials_listen.or(local.then_some(free)) {
            Some(address) => {
                let listening = tokio::net::TcpListener::bind(address).await;
                Some(listening.with_context(|| {
                    format!("cannot listen on {address} (CATALYST_CREDENTIALS_LISTEN)")
                })?)
            }
            None => None,
        };
        // Keystrokes and what they print are small, and nobody wants to wait for more of them.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "a connection answers later than it could");
            }
        });

        // Two stages: the door closes first, what stands behind it afterwards.
        let closing = CancellationToken::new();
        let stopping = CancellationToken::new();
        wiring::stop_on_signals(closing.clone());

        let embedded = if local {
            let mut config = wiring::embedded_cluster(&common, &self.routing, &data);
            if let Some(listener) = &credentials {
                let address = listener.local_addr()?;
                wiring::open_credentials(address, &mut config, &mut operator_settings)?;
            }
            Some(
                LocalKube::start(config)
                    .await
                    .map_err(wiring::explain_start)?,
            )
        } else {
            None
        };
        let kubeconfig = match &embedded {
            Some(it) => Some(wiring::write_kubeconfig(&data, &it.kubeconfig())?),
            None => None,
        };
        let clusters = wiring::clusters(&common, kubeconfig).await?;
        // The one that this process's own operator works in, if it has one.
        let cluster = clusters.default_cluster().clone();
        if local {
            cluster.install_crds().await?;
            // The same door as in a Kubernetes, with the same proof.
            let token = wiring::own_account(&cluster, &account).await?;
            let url = format!("http://127.0.0.1:{port}").parse()?;
            operator_settings.web = Some(WebSide::new(&url, token)?);
        }

        let notices = if local {
            wiring::notices(&cluster).await?
        } else {
            Vec::new()
        };
        let settings = PreviewSettings {
            keyring,
            shells: self.shells.limits(),
            operator_account: Some(account),
            // The embedded cluster's folder belongs to one process at a time; another database may
            // be shared with one that has a folder of its own.
            alone: local && common.has_own_database(),
            ..wiring::preview_settings(&common, &self.github, &self.secrets, notices)
        };
        let settings = self.keeping.apply(settings);
        let previews = Previews::new(store.clone(), clusters.clone(), github, settings);
        previews.open_secrets().await?;
        let mut background = JoinSet::new();
        match (self.run_operator.unwrap_or(local), local) {
            (false, _) => {}
            // Nobody else can be there.
            (true, true) => {
                let running =
                    catalyst_operator::run(cluster.client(), operator_settings, stopping.clone());
                background.spawn(running);
            }
            (true, false) => {
                let election = wiring::election(&cluster, &self.routing);
                let running = wiring::run_elected(election, operator_settings, stopping.clone());
                background.spawn(running);
            }
        }
        let credentials =
            credentials.map(|listener| credentials::serve(listener, previews.clone()));
        let inside = match common.metrics_listen {
            Some(address) => {
                let part = Part::Web(previews.clone(), store.clone());
                Some(inside::listen(address, part).await?)
            }
            None => None,
        };
        {
            let (previews, stopping) = (previews.clone(), stopping.clone());
            background.spawn(async move {
                previews.run(stopping).await;
            });
        }

        let sessions = wiring::sessions(&store)?;
        let public_url = common.public_url();
        let site = http::site_folder();
        anyhow::ensure!(
            site.join("pkg").is_dir(),
            "the pages' files are missing: there is no {}/pkg (build with `cargo xtask build`)",
            site.display()
        );
        let state = AppState {
            previews,
            store: store.clone(),
            webhook_secrets: Arc::new(secrets),
            origins: Origins::new(&public_url, port),
            public_url: public_url.clone(),
            sign_in,
            limits: Arc::new(SignInLimits::new(self.trusted_proxies)),
            leptos: http::leptos_options(&site, common.listen),
            shutdown: closing.clone(),
        };
        background.spawn({
            let (sessions, stopping) = (sessions.clone(), stopping.clone());
            async move {
                stopping
                    .run_until_cancelled_owned(http::session::delete_ended(sessions))
                    .await;
            }
        });
        let app = http::router(state, sessions, public_url.starts_with("https://"));
        let names = clusters.names().collect::<Vec<_>>().join(", ");
        tracing::info!(url = %public_url, clusters = names, default = cluster.name(), data = %data.display(), "Catalyst is listening");
        if local {
            let link = wiring::sign_in_link(&store, &common).await?;
            tracing::info!("sign in once with {link}");
        }

        let serving = axum::serve(
            listener,
            app.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(closing.clone().cancelled_owned());
        let served = tokio::select! {
            served = serving => served.context("the HTTP server stopped"),
            // A part that the rest cannot do without has ended: stop, and let whoever runs us
            // start us anew.
            Some(ended) = background.join_next() => {
                ended.context("a background task panicked").and_then(|()| {
                    anyhow::ensure!(closing.is_cancelled(), "a background task ended by itself");
                    Ok(())
                })
            }
        };
        stopping.cancel();
        let drained = async { while background.join_next().await.is_some() {} };
        if tokio::time::timeout(wiring::PATIENCE, drained)
            .await
            .is_err()
        {
            tracing::warn!("some work did not end in time; it is taken up at the next start");
        }
        if let Some(embedded) = embedded {
            embedded.shutdown().await;
        }
        drop(credentials);
        // Probes are answered to the very end.
        drop(inside);
        served
    }
}
