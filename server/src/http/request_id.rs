//! The id of a request: one word that its log lines, and those of all that it leads to, have in
//! common.

use axum::{extract::Request, middleware::Next, response::Response};
use http::HeaderMap;

const HEADER: &str = "x-request-id";
const LONGEST: usize = 64;

/// Takes away an id that is not a plain word, so that nobody writes their own lines into the log
/// or their own text into annotations. One is made up then.
pub async fn plain_only(mut request: Request, next: Next) -> Response {
    if of(request.headers()).is_none() {
        request.headers_mut().remove(HEADER);
    }
    next.run(request).await
}

/// Has what the request leads to carry its id.
pub async fn carry(request: Request, next: Next) -> Response {
    let id = of(request.headers()).map(str::to_owned);
    catalyst_previews::for_request(id, next.run(request)).await
}

/// The id, where it is a plain word and the only one.
pub fn of(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(HEADER).iter();
    let id = all.next()?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let good = !id.is_empty() && id.len() <= LONGEST && id.bytes().all(plain);
    (good && all.next().is_none()).then_some(id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_plain_word() {
        let id = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(HEADER, text.parse().unwrap());
            of(&headers).map(str::to_owned)
        };
        assert_eq!(
            id("6ec5b6a6-8f6e.x_1").as_deref(),
            Some("6ec5b6a6-8f6e.x_1")
        );
        for bad in [
            "",
            "a b",
            "a\tb",
            "{\"level\":\"ERROR\"}",
            "a,b",
            &"x".repeat(65),
        ] {
            assert_eq!(id(bad), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(HEADER, "a".parse().unwrap());
        twice.append(HEADER, "b".parse().unwrap());
        assert_eq!(of(&twice), None);
    }
}
