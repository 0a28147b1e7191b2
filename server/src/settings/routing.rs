//! Where previews are reached, what they run in and where they may go.

use std::path::PathBuf;

use catalyst_operator::Images;
use clap::Args;
use url::Url;

use super::BuildEngine;

/// Where previews answer, and what they may reach.
#[derive(Debug, Clone, Args)]
pub struct PreviewRouting {
    /// The port that the embedded cluster serves previews on, and that local URLs name.
    #[arg(long, env = "INGRESS_PORT", default_value_t = 8080)]
    pub ingress_port: u16,

    /// The domain below which each preview gets a host name.
    #[arg(long, env = "PREVIEW_DOMAIN", default_value = "preview.catalyst.dev")]
    pub preview_domain: String,

    /// Give previews URLs of the form http://NAMESPACE.localhost:PORT/. Always so with the
    /// embedded cluster.
    #[arg(long, env = "LOCAL_PREVIEW_ROUTING", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub local_preview_routing: bool,

    /// The namespace of the ingress controller, which alone may reach previews from outside
    /// [default: POD_NAMESPACE, then ingress-nginx].
    #[arg(long, env = "INGRESS_NAMESPACE")]
    pub ingress_namespace: Option<String>,

    /// The namespace that Catalyst itself runs in, where operators elect their leader; set by the
    /// chart [default: catalyst-system].
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,

    /// The pod that this runs in; set by the chart. The operator tries out from there whether the
    /// cluster enforces NetworkPolicy.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,

    /// The class of the Ingresses that are made.
    #[arg(long, env = "CATALYST_INGRESS_CLASS", default_value = "nginx")]
    pub ingress_class: String,

    /// Where the container that clones a private repository gets credentials, as pods reach it: the
    /// listener of CATALYST_CREDENTIALS_LISTEN. Set by the chart, and by itself with the embedded
    /// cluster [default: none, and only public repositories can be cloned].
    #[arg(long, env = "CATALYST_CREDENTIALS_URL")]
    pub credentials_url: Option<Url>,

    /// Where the operator reaches the web side, which hands it previews' secrets; set by the chart,
    /// and by itself with the embedded cluster [default: none, and previews get no secrets].
    #[arg(long, env = "CATALYST_INTERNAL_URL")]
    pub internal_url: Option<http::Uri>,

    /// The file with the operator's own token for that.
    #[arg(
        long,
        env = "CATALYST_OPERATOR_TOKEN_FILE",
        default_value = "/var/run/secrets/catalyst.dev/web/token"
    )]
    pub operator_token_file: PathBuf,

    /// A file of certificates (PEM) that clones trust instead of those of their image, for a GitHub
    /// Enterprise Server with one of its own.
    #[arg(long, env = "CATALYST_GIT_CERTIFICATES")]
    pub git_certificates: Option<PathBuf>,

    /// The image that fetches the source and reports what it holds; it needs git, and sh, awk, find,
    /// sort, gzip and base64, and for private repositories curl or wget.
    #[arg(long, env = "GIT_CLONE_IMAGE", default_value = "alpine/git:2.45.2")]
    pub git_clone_image: String,

    /// The image in which charts are rendered; it needs helm 3, and sh, awk, find, gzip, base64, cmp
    /// and timeout.
    #[arg(
        long,
        env = "CATALYST_HELM_IMAGE",
        default_value = "alpine/helm:3.17.3"
    )]
    pub helm_image: String,

    /// Images that stand in for those that detection and repositories name, as in
    /// `node=registry.example.com/node python=registry.example.com/tools:3 *=mirror.example.com/library/`:
    /// with the detected tag where they have none, below what ends with a slash.
    #[arg(
        long,
        env = "CATALYST_IMAGES",
        default_value = "",
        hide_default_value = true
    )]
    pub images: Images,

    /// Where images of repositories are pushed to and pulled from: a host and port, and perhaps a
    /// path, as in `ghcr.io/acme`. Without it no images are built.
    #[arg(long, env = "CATALYST_BUILD_REGISTRY")]
    pub build_registry: Option<String>,

    /// The registry speaks plain HTTP.
    #[arg(long, env = "CATALYST_BUILD_REGISTRY_INSECURE")]
    pub build_registry_insecure: bool,

    /// What builds images: `kaniko`, in the build's own pod, or `buildkit`, a daemon.
    #[arg(long, env = "CATALYST_BUILD_ENGINE", default_value = "kaniko")]
    pub build_engine: BuildEngine,

    /// Where BuildKit's daemon answers, as in `tcp://buildkitd.builds.svc:1234`.
    #[arg(long, env = "CATALYST_BUILDKIT_ADDRESS")]
    pub buildkit_address: Option<Url>,

    /// A folder with `ca.pem`, and `cert.pem` and `key.pem`, by which BuildKit's daemon and its clients
    /// know each other.
    #[arg(long, env = "CATALYST_BUILDKIT_CERTIFICATES")]
    pub buildkit_certificates: Option<PathBuf>,

    /// The image of the container that builds, or that talks to what builds. The engine's own
    /// where none is named.
    #[arg(long, env = "CATALYST_BUILD_IMAGE")]
    pub build_image: Option<String>,

    /// Minutes after which a deployment that is not ready is given up, its build included.
    #[arg(long, env = "CATALYST_DEPLOY_DEADLINE_MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=240))]
    pub deploy_deadline_minutes: u16,

    /// What previews may reach besides HTTPS on the public internet, as in
    /// `10.1.2.0/24:5432,6379 192.0.2.7/32:80`. Private, link-local and metadata addresses stay
    /// closed unless they are named here.
    #[arg(long, env = "CATALYST_PREVIEW_EGRESS", value_delimiter = ' ')]
    pub preview_egress: Vec<String>,
}

impl PreviewRouting {
    /// The namespace that Catalyst itself runs in, where that is said.
    #[must_use]
    pub fn own_namespace(&self) -> Option<&str> {
        self.pod_namespace
            .as_deref()
            .filter(|name| !name.is_empty())
    }
}
