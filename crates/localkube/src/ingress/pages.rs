//! What people see where no pod answers. Pages need nothing from elsewhere and run no script.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::body::{self, Body};

/// Seconds after which a page that waits looks again.
const AGAIN: u32 = 2;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;\
font:1rem/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}\
main{max-width:34rem;padding:2rem}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
p{margin:0 0 .75rem;opacity:.8}\
code{font:.95em ui-monospace,monospace;overflow-wrap:anywhere}";

/// 404: no Ingress names this host.
pub(super) fn unknown_host(host: &str) -> Response<Body> {
    page(
        StatusCode::NOT_FOUND,
        "No preview answers here",
        &format!(
            "<p>There is no preview at <code>{}</code>.</p><p>It may have been removed when its pull request was closed.</p>",
            escape(host)
        ),
    )
}

/// 404: the host is known, and no path of it leads anywhere for this request.
pub(super) fn unknown_path(host: &str, path: &str) -> Response<Body> {
    page(
        StatusCode::NOT_FOUND,
        "Nothing answers at this path",
        &format!(
            "<p>The preview at <code>{}</code> does not serve <code>{}</code>.</p>",
            escape(host),
            escape(path)
        ),
    )
}

/// 503: no pod is ready. The page looks again by itself.
pub(super) fn starting(host: &str) -> Response<Body> {
    waiting(&format!(
        "<p>Nothing is ready yet behind <code>{}</code>. This page looks again by itself.</p>",
        escape(host)
    ))
}

/// 503: a pod runs, and nothing in it listens on its port. A pod without a readiness probe counts
/// as ready before its program listens, so this too is mostly a start. The page looks again.
pub(super) fn not_listening(host: &str, port: u16) -> Response<Body> {
    waiting(&format!(
        "<p>It runs, but nothing listens on port {port} behind <code>{}</code> yet. \
         This page looks again by itself.</p>",
        escape(host)
    ))
}

fn waiting(text: &str) -> Response<Body> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = page(status, "The preview is starting", text);
    let again = HeaderValue::from(AGAIN);
    response.headers_mut().insert(RETRY_AFTER, again);
    response
}

/// 502: a pod is ready, and did not answer.
pub(super) fn no_answer(host: &str) -> Response<Body> {
    page(
        StatusCode::BAD_GATEWAY,
        "The preview did not answer",
        &format!(
            "<p>Something runs behind <code>{}</code>, but it closed the connection without an answer. Its log may say why.</p>",
            escape(host)
        ),
    )
}

/// 403: a NetworkPolicy keeps the ingress out.
pub(super) fn kept_out(host: &str) -> Response<Body> {
    page(
        StatusCode::FORBIDDEN,
        "A network policy keeps visitors out",
        &format!(
            "<p>The pods behind <code>{}</code> do not admit connections from the ingress.</p>",
            escape(host)
        ),
    )
}

/// 400: what was sent is no request that can be passed on.
pub(super) fn bad_request() -> Response<Body> {
    page(
        StatusCode::BAD_REQUEST,
        "This is not a valid request",
        "<p>It names no host.</p>",
    )
}

fn page(status: StatusCode, title: &str, text: &str) -> Response<Body> {
    let refresh = if status == StatusCode::SERVICE_UNAVAILABLE {
        format!("<meta http-equiv=\"refresh\" content=\"{AGAIN}\">")
    } else {
        String::new()
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\">{refresh}\
         <title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{text}</main></body></html>\n"
    );
    let mut response = Response::new(body::text(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
        ),
    );
    response
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(
            escape("<b a=\"1\" c='2'>&"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;"
        );
    }
}
