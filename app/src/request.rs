//! What the pages read from the request they are rendered for, and what they set on its response.

#[cfg(feature = "ssr")]
use {
    http::{StatusCode, header, request::Parts},
    leptos::prelude::use_context,
    leptos_axum::ResponseOptions,
};

/// Sets the status of the page that is being rendered; without effect in the browser.
pub(crate) fn set_page_status(status: u16) {
    #[cfg(feature = "ssr")]
    if let (Some(response), Ok(status)) = (
        use_context::<ResponseOptions>(),
        StatusCode::from_u16(status),
    ) {
        response.set_status(status);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = status;
}

/// Sets the status of a server function's own response. While a page is rendered, the functions
/// it calls leave its status alone; and a form that was posted without JavaScript is answered
/// with a redirect back, whatever came of it.
#[cfg(feature = "ssr")]
pub(crate) fn set_status_of_call(status: u16) {
    let called = use_context::<Parts>().is_some_and(|request| {
        request.uri.path().starts_with("/api/fn/") && !accepts_html(&request)
    });
    if called {
        set_page_status(status);
    }
}

#[cfg(feature = "ssr")]
fn accepts_html(request: &Parts) -> bool {
    let accept = request.headers.get(header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|a| a.contains("text/html"))
}

/// A cookie of the request.
#[cfg(feature = "ssr")]
pub(crate) fn cookie(name: &str) -> Option<String> {
    let request = use_context::<Parts>()?;
    let cookies = request.headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}
