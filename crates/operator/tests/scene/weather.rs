//! An API server that refuses some of the calls, and counts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::{Either, Ready, ready};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::{Body, DynBody};
use tower::{Layer, Service};

/// Refuses so many of a hundred calls, evenly.
#[derive(Clone, Default)]
pub struct Weather {
    refused_percent: u32,
    owed: Arc<AtomicU32>,
    calls: Arc<AtomicUsize>,
}

impl Weather {
    pub fn new(refused_percent: u32) -> Self {
        Self {
            refused_percent,
            ..Self::default()
        }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn refuses(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let before = self.owed.fetch_add(self.refused_percent, Ordering::SeqCst);
        before / 100 != (before + self.refused_percent) / 100
    }
}

impl<S> Layer<S> for Weather {
    type Service = Weathered<S>;
    fn layer(&self, inner: S) -> Weathered<S> {
        Weathered {
            weather: self.clone(),
            inner,
        }
    }
}

#[derive(Clone)]
pub struct Weathered<S> {
    weather: Weather,
    inner: S,
}

impl<S> Service<Request<Body>> for Weathered<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Box<DynBody>>, S::Error>>, S::Future>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.weather.refuses() {
            return Either::Right(self.inner.call(request));
        }
        let status = if self.weather.calls().is_multiple_of(2) {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::TOO_MANY_REQUESTS
        };
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "not now", "reason": "ServiceUnavailable", "code": status.as_u16()
        });
        let body = Full::new(Bytes::from(body.to_string())).map_err(tower::BoxError::from);
        let mut response = Response::new(Box::new(body) as Box<DynBody>);
        *response.status_mut() = status;
        Either::Left(ready(Ok(response)))
    }
}
