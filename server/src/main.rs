//! The `catalyst` binary: configuration, sign-in, HTTP routes, wiring, commands.

mod commands;
mod http;
mod settings;
mod wiring;

use clap::{Parser, Subcommand};

use commands::{
    demo::Demo,
    preview::PreviewCommand,
    project::ProjectCommand,
    render::{Detect, Render},
    serve::Serve,
    token::TokenCommand,
    validate::Validate,
};
use settings::{Common, LogFormat};

/// Every pull request gets its own running, isolated preview.
#[derive(Parser)]
#[command(name = "catalyst", version, about, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the dashboard and the webhook; without Kubernetes, run the embedded cluster and the
    /// operator too.
    Serve(Serve),
    /// Run the operator alone, against Kubernetes.
    Operator(settings::PreviewRouting),
    /// Print the custom resource definitions as YAML.
    Crds,
    /// Make and list projects.
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Make tokens, with which agents and scripts act for a person.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make, list and keep previews that belong to no pull request.
    #[command(subcommand)]
    Preview(PreviewCommand),
    /// Print a new one-time link that signs in to the dashboard.
    SignIn,
    /// Remove all previews, Projects and namespaces that Catalyst made in a Kubernetes; the chart
    /// runs this before it is uninstalled.
    Uninstall {
        /// The Deployment of the web side, NAMESPACE/NAME, to be stopped first.
        #[arg(long)]
        web: Option<String>,
    },
    /// Try to reach an address from a pod that a NetworkPolicy cuts off, or does not; the operator
    /// runs this to find out whether the cluster enforces policies.
    #[command(hide = true)]
    NetworkProbe {
        /// Address and port.
        target: std::net::SocketAddr,
    },
    /// Tell what a repository is and how it is run.
    Detect(Detect),
    /// Print the Kubernetes objects that a repository, or a file of it, would become.
    Render(Render),
    /// Deploy what Catalyst is held to, its own chart, a Rails application by its compose file and a
    /// Next.js application without configuration, in the Kubernetes of KUBECONFIG; wait until all are
    /// ready, and remove them.
    Validate(Validate),
    /// Play a pull request of a small repository, made for this, through the webhook.
    Demo(Demo),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    log_to_stderr(
        cli.common.log_format,
        matches!(cli.command, Command::Serve(_) | Command::Operator(_)),
    );
    // Two crates of ours bring rustls; this names the implementation that both are to use. It
    // fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match cli.command {
        Command::Serve(serve) => serve.run(cli.common).await,
        Command::Operator(routing) => commands::operator::run(cli.common, routing).await,
        Command::Crds => commands::crds(),
        Command::Project(command) => command.run(cli.common).await,
        Command::Token(command) => command.run(cli.common).await,
        Command::Preview(command) => command.run(cli.common).await,
        Command::SignIn => commands::sign_in(cli.common).await,
        Command::Uninstall { web } => commands::uninstall::run(web.as_deref()).await,
        Command::NetworkProbe { target } => {
            use catalyst_operator::network::{CUT_OFF, REACHED, reaches};
            let reached = reaches(target).await;
            return std::process::ExitCode::from(if reached { REACHED } else { CUT_OFF });
        }
        Command::Detect(detect) => detect.run(),
        Command::Render(render) => render.run(),
        Command::Validate(validate) => validate.run().await,
        Command::Demo(demo) => demo.run(cli.common).await,
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            #[allow(clippy::print_stderr, reason = "the command line's answer")]
            {
                eprintln!("error: {}", http::errors::chain(error.as_ref()));
            }
            std::process::ExitCode::FAILURE
        }
    }
}

/// Logs to standard error: everything of ours from `info` for the servers, warnings for commands,
/// unless RUST_LOG says otherwise.
fn log_to_stderr(format: LogFormat, server: bool) {
    use tracing_subscriber::EnvFilter;
    let default = if server {
        "info,kube=warn,hyper=warn,tower_http=warn,sqlx=warn,octocrab=off"
    } else {
        "warn"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .init(),
    }
}
