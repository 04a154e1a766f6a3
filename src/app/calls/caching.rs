//! When two calls are equal: the key contains everything that could change the answer.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use skitai_actors::Outcome;
use skitai_actors::cache::{CacheKey, KeyBuilder, Store};
use skitai_actors::http::{Decode, Request};
use skitai_actors::spec::Spread;
use skitai_wire::Value;

use crate::app::services::Services;
use crate::app::was::Was;

/// The entry of one call in the result cache.
pub(crate) struct Caching {
    services: Arc<Services>,
    /// Made at the first lookup. Most calls of a site are never looked up, and a key must read the whole body, which
    /// may be large.
    key: LazyLock<CacheKey, Box<dyn FnOnce() -> CacheKey + Send>>,
}

impl std::fmt::Debug for Caching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caching").finish_non_exhaustive()
    }
}

impl Caching {
    /// Returns `None` if the site keeps no results.
    pub(crate) fn new(was: &Was, key: impl FnOnce() -> CacheKey + Send + 'static) -> Option<Caching> {
        let services = was.services().clone();
        (!services.results.is_off()).then(|| Caching { services, key: LazyLock::new(Box::new(key)) })
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.services.results
    }

    /// The key of the call.
    pub(super) fn key(&self) -> CacheKey {
        *self.key
    }

    /// Keeps the outcomes, if they are complete and good.
    pub(super) fn keep(&self, outcomes: &[Outcome], ttl: Duration) {
        if let Err(why) = self.store().put(self.key(), outcomes.into(), ttl) {
            tracing::debug!("not cached: {why:?}");
        }
    }
}

/// The key of a request to a cluster or a URL: path, arguments (the body), login and headers are in the request.
pub(super) fn request_key(spread: Spread, target: &str, request: &Request) -> CacheKey {
    let mut key = KeyBuilder::new(if spread == Spread::All { "map" } else { "lb" })
        .target(target)
        .other("method", request.method.as_str())
        .path(&request.path)
        .arguments(request.question());
    for (name, value) in &request.headers {
        key = key.header(name, value);
    }
    // The caller's key chooses the member that `lb` asks.
    if let Some(chosen) = request.key.as_deref().filter(|_| spread == Spread::One) {
        key = key.other("key", chosen);
    }
    // The data of the same answer is a JSON value, or the text of a page.
    if request.decode == Decode::Rest {
        key = key.other("decode", "json");
    }
    if let Some(largest) = request.max_answer {
        key = key.other("max_answer", &largest.to_string());
    }
    key.build()
}

/// The key of a statement. `user` matters for a database given in the code; a cluster's user is in its configuration.
pub(crate) fn statement_key(spread: Spread, target: &str, user: &str, sql: &str, params: &[Value]) -> CacheKey {
    KeyBuilder::new(if spread == Spread::All { "dmap" } else { "dlb" })
        .target(target)
        .user(user)
        .arguments(sql.as_bytes())
        .values(params)
        .build()
}

#[cfg(test)]
mod tests {
    use skitai_actors::http::Method;

    use super::*;

    #[test]
    fn calls_that_may_have_other_answers_have_other_keys() {
        let one = |request: &Request| request_key(Spread::One, "c", request);
        let call = || Request::xmlrpc("/RPC2", "the same body");
        assert_eq!(one(&call()), one(&call()));
        // With `balance = hash` the caller's key chooses the member that `lb` asks; `map` asks all of them.
        let [a, b] = ["a", "b"].map(|key| call().key(key));
        assert!(one(&a) != one(&b) && one(&a) != one(&call()));
        assert_eq!(request_key(Spread::All, "c", &a), request_key(Spread::All, "c", &b));
        // The same request, whose answer is read as JSON once and as a page once.
        let (data, page) = (Request::rest(Method::Get, "/x", None), Request::get("/x"));
        assert_ne!(one(&data), one(&page.header("accept", "application/json")));
    }
}
