//! What is to be expected of each endpoint. `$preview`, `$namespace`, `$team`, `$project`, … in an
//! example become those of the team that a stranger is not in; see [`super::world::World::filled`]
//! for all of them.

/// Whom an endpoint answers, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, also signed out. Nothing of a team is in the answer.
    Anyone,
    /// Whoever proves it otherwise than by a session: 401 without that.
    Proof,
    /// Whoever is signed in, with what they may see and nothing else.
    Own,
    /// Something named by its id: 404 or 403 for those who may not see it, as for an unknown id.
    Foreign,
    /// Operators; 403 for all others.
    Operators,
}

/// What is to be expected of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// `ANY` where the router leaves it to a service; then it is tried with POST.
    pub method: &'static str,
    /// As the router or the registry has it.
    pub path: &'static str,
    pub access: Access,
    /// Path and query of an example; empty: the path.
    pub example: &'static str,
    /// The form of an example.
    pub form: &'static str,
    /// What those who may see something find in the answer.
    pub shows: &'static str,
    /// Ask for a WebSocket.
    pub socket: bool,
}

impl Rule {
    /// `METHOD path`.
    pub fn endpoint(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    const fn with_form(self, form: &'static str) -> Self {
        Self { form, ..self }
    }

    const fn showing(self, shows: &'static str) -> Self {
        Self { shows, ..self }
    }

    /// For `/api/ws/…`.
    const fn over_a_socket(self) -> Self {
        Self {
            socket: true,
            ..self
        }
    }
}

const fn rule(
    method: &'static str,
    path: &'static str,
    access: Access,
    example: &'static str,
) -> Rule {
    Rule {
        method,
        path,
        access,
        example,
        form: "",
        shows: "",
        socket: false,
    }
}

const fn anyone(method: &'static str, path: &'static str) -> Rule {
    rule(method, path, Access::Anyone, "")
}

const fn proof(method: &'static str, path: &'static str) -> Rule {
    rule(method, path, Access::Proof, "")
}

const fn own(method: &'static str, path: &'static str) -> Rule {
    rule(method, path, Access::Own, "")
}

const fn operators(method: &'static str, path: &'static str) -> Rule {
    rule(method, path, Access::Operators, "")
}

const fn foreign(method: &'static str, path: &'static str, example: &'static str) -> Rule {
    rule(method, path, Access::Foreign, example)
}

/// HTTP routes, streams, sockets and pages, as the router names them.
pub const ROUTES: &[Rule] = &[
    // Machines.
    proof("POST", "/api/github/webhook"),
    rule(
        "GET",
        "/api/git-token/{installation}",
        Access::Proof,
        "/api/git-token/1",
    ),
    proof("GET", "/api/internal/secrets/{environment}"),
    // The tools of agents have rules of their own in `agents`; this is about no token.
    proof("ANY", "/api/mcp"),
    anyone("GET", "/api/health/liveness"),
    anyone("GET", "/api/health/readiness"),
    // Signing in and out.
    anyone("GET", "/"),
    anyone("GET", "/sign-in"),
    anyone("POST", "/sign-in").with_form("token=0"),
    anyone("POST", "/sign-out"),
    anyone("GET", "/sign-in/github"),
    anyone("GET", "/api/github/callback"),
    // Server functions have rules of their own below; this is about one that does not exist.
    anyone("GET", "/api/fn/{*name}"),
    anyone("POST", "/api/fn/{*name}"),
    // Streams.
    own("GET", "/api/preview-environments/stream"),
    foreign(
        "GET",
        "/api/preview-environments/{id}/stream",
        "/api/preview-environments/$preview/stream",
    ),
    foreign(
        "GET",
        "/api/preview-environments/{id}/logs",
        "/api/preview-environments/$preview/logs",
    ),
    foreign(
        "GET",
        "/api/ws/exec/{namespace}/{pod}",
        "/api/ws/exec/$namespace/web-1",
    )
    .over_a_socket(),
    foreign(
        "GET",
        "/api/environments/{namespace}/status",
        "/api/environments/$namespace/status",
    ),
    foreign(
        "GET",
        "/api/environments/{namespace}/pods",
        "/api/environments/$namespace/pods",
    ),
    // Pages.
    own("GET", "/preview-environments").showing("$repository"),
    own("GET", "/platform/environments").showing("$repository"),
    own("GET", "/preview-environments/new").showing("$team"),
    foreign(
        "GET",
        "/preview-environments/{id}",
        "/preview-environments/$preview",
    ),
    foreign(
        "GET",
        "/preview-environments/{id}/delete",
        "/preview-environments/$namespace/delete",
    ),
    own("GET", "/projects").showing("$repository"),
    own("GET", "/projects/new"),
    foreign(
        "GET",
        "/projects/{slug}/platform",
        "/projects/$team-$project/platform",
    ),
    foreign(
        "GET",
        "/projects/{slug}/env/{env}",
        "/projects/$team-$project/env/$environment",
    ),
    own("GET", "/deliveries").showing("$delivery"),
    operators("GET", "/overview"),
    own("GET", "/teams").showing("$team"),
    foreign("GET", "/teams/{name}", "/teams/$team"),
    own("GET", "/tokens"),
    foreign("POST", "/tokens", "").with_form("name=x&scope=read&days=7&team=$team"),
];

/// Server functions, by their endpoint below `/api/fn/`.
pub const FUNCTIONS: &[Rule] = &[
    rule("GET", "previews", Access::Own, "?filter[limit]=10").showing("$preview"),
    foreign("GET", "preview", "?id=$preview"),
    foreign("GET", "preview-logs", "?id=$preview&query[tailLines]=1"),
    foreign("POST", "create-preview", "")
        .with_form("of=$team/$project/$repository&what=branch&branch=main"),
    foreign("POST", "extend-preview", "").with_form("id=$preview"),
    foreign("POST", "retry-preview", "").with_form("id=$preview"),
    foreign("POST", "delete-preview", "").with_form("id=$preview"),
    foreign("POST", "approve-preview", "").with_form("id=$preview&commit=$commit"),
    foreign("POST", "retry-cleanup", "").with_form("id=$preview"),
    own("GET", "projects").showing("$repository"),
    operators("POST", "create-project")
        .with_form("repository=anemone/herbs&team=anemone&name=herbs&preset=custom&branch="),
    foreign("GET", "platform", "?slug=$team-$project"),
    foreign(
        "GET",
        "environment",
        "?slug=$team-$project&name=$environment",
    ),
    foreign("POST", "override-run", "").with_form("slug=$team-$project&command=&port=&path="),
    foreign("POST", "write-secret", "")
        .with_form("slug=$team-$project&level=project&of=&name=KEY&value=x&description="),
    foreign("POST", "remove-secret", "")
        .with_form("slug=$team-$project&level=project&of=&name=KEY"),
    rule("GET", "deliveries", Access::Own, "?limit=10").showing("$delivery"),
    operators("GET", "operations"),
    own("GET", "teams").showing("$team"),
    foreign("GET", "team", "?name=$team"),
    operators("POST", "create-team").with_form("name=gentian"),
    foreign("POST", "add-member", "").with_form("team=$team&login=olga&role=member"),
    foreign("POST", "change-role", "").with_form("team=$team&user=$user&role=admin"),
    foreign("POST", "remove-member", "").with_form("team=$team&user=$user"),
    own("GET", "tokens").showing("$token"),
    foreign("POST", "revoke-token", "").with_form("id=$token"),
];
