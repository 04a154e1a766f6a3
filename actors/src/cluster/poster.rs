//! Posts JSON to one URL by the leg that asks members: for a collector of traces, which is no member of a cluster.
//!
//! It lives on one thread. Nothing is retried here: the caller knows what may be sent twice.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::url::Url;
use crate::http::{Endpoint, Method, Origin, OriginLimits, PreparedRequest, Request, TlsTrust, unrecorded, wait_of};
use crate::outcome::{Outcome, deadline};

/// One post is under way at a time.
const CONNECTIONS: usize = 1;
/// The largest answer that is read, in bytes: a collector has little to say.
const LARGEST: usize = 64 * 1024;

/// Posts to one URL.
pub struct Poster {
    origin: Origin,
    url: Url,
    node: Arc<str>,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

/// What came of a post.
#[derive(Debug)]
pub struct Posted {
    /// What came of it.
    pub outcome: Outcome,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl fmt::Debug for Poster {
    /// Without the headers, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Checks that a text is a URL that can be posted to. The error says what is wrong and repeats no password.
///
/// # Errors
/// If it is none.
pub fn check_url(text: &str) -> Result<(), String> {
    Poster::new(text, Vec::new(), Duration::ZERO).map(drop)
}

impl Poster {
    /// For this URL, `http` or `https`; a post and its answer may take `timeout`.
    ///
    /// # Errors
    /// If the URL is none, or its host cannot be named in a request.
    pub fn new(url: &str, headers: Vec<(String, String)>, timeout: Duration) -> Result<Poster, String> {
        let url = Url::parse(url)?;
        let trust = url.tls.then(TlsTrust::web);
        let endpoint = Endpoint { trust: trust.as_ref(), host: &url.host, port: url.port, address: None };
        let limits = OriginLimits { connect_timeout: timeout, connections: CONNECTIONS, max_answer: LARGEST };
        let origin = Origin::member(endpoint, limits).map_err(|why| why.to_string())?;
        Ok(Poster { origin, node: url.node(), url, headers, timeout })
    }

    /// Posts a JSON document.
    pub async fn post(&self, document: Vec<u8>) -> Posted {
        let mut request = Request::rest(Method::Post, self.url.path.clone(), Some(document));
        if let Some((user, password)) = &self.url.login {
            request = request.login(user, password);
        }
        request.headers.extend(self.headers.iter().cloned());
        let outcome = match PreparedRequest::new(request) {
            Ok(request) => {
                let progress = unrecorded();
                let asked = self.origin.ask(&request, &progress, Instant::now(), &self.node);
                let answered = tokio::time::timeout(self.timeout, asked).await;
                answered.unwrap_or_else(|_| deadline::member_timeout(self.timeout).outcome(self.node.clone()))
            }
            Err(why) => Outcome::failed(self.node.clone(), crate::outcome::Reason::Unsendable, why.to_string()),
        };
        let retry_after = outcome.headers.iter().find(|header| header.0 == "retry-after");
        let retry_after = retry_after.and_then(|(_, value)| wait_of(value, SystemTime::now()));
        Posted { outcome, retry_after }
    }
}
