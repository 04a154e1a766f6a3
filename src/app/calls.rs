//! Calls to clusters and URLs: options first, then one verb that dispatches. For statements see [`sql`](super::sql).
//!
//! `was.map("mysearch/rpc2").filter(f).call("search", (keyword,))` hands the call to this thread's actor at once and
//! returns a [`Task`] to wait on. Nothing here does I/O.

mod along;
pub(crate) mod arrivals;
pub(crate) mod budget;
pub(crate) mod caching;
pub(crate) mod protocol;
pub(crate) mod results;
pub(crate) mod task;
pub(crate) mod tasks;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use skitai_actors::cluster::{self, Call, Cluster, Fetch, Roster};
use skitai_actors::http::{Method, Part, Request, next_id};
use skitai_actors::kit::{ActorRef, OnArrival, Rule};
use skitai_actors::spec::{Encoding, Spread};
use skitai_actors::{Outcome, Reason};
use skitai_wire::{jsonrpc, xmlrpc};

use self::along::timed;
use self::caching::{Caching, request_key};
use self::protocol::Protocol;
use self::task::Task;
use super::coverage::record::{WEB, unsent_name};
use super::trail::noted::What;
use super::was::Was;

enum Target {
    Cluster(Spread, ActorRef<Cluster>, Arc<Roster>),
    Url(String),
    Unusable(Box<Outcome>),
}

impl Target {
    fn shown(&self) -> Arc<str> {
        match self {
            Target::Cluster(.., roster) => format!("@{}", roster.spec().name).into(),
            Target::Url(url) => url.as_str().into(),
            Target::Unusable(outcome) => outcome.node.clone(),
        }
    }

    /// The name in the coverage of the request.
    fn name(&self) -> Arc<str> {
        match self {
            Target::Cluster(.., roster) => roster.spec().name.clone(),
            Target::Url(_) => WEB.clone(),
            Target::Unusable(outcome) => unsent_name(outcome, &WEB),
        }
    }
}

/// The options that calls and statements have in common, set before the verb.
#[derive(Default)]
pub(crate) struct Options {
    pub(super) on_arrival: Option<OnArrival<Outcome>>,
    pub(super) cache: Option<Duration>,
    pub(super) rule: Rule,
    /// What is asked, for the trail of the request; `None` if nobody wants it.
    pub(super) what: Option<What>,
}

impl Options {
    /// The name of an option that needs a finished answer, if one is set: streams of rows refuse it.
    pub(super) fn of_finished_answers(&self) -> Option<&'static str> {
        match self.rule {
            _ if self.on_arrival.is_some() => Some("filter(..)"),
            _ if self.cache.is_some() => Some("cache(..)"),
            Rule::First(_) => Some("first(..)"),
            Rule::Quorum(_) => Some("quorum(..)"),
            Rule::Fraction(_) => Some("fraction(..)"),
            Rule::All | Rule::AllOrError => None,
        }
    }
}

/// The completion rules, which calls and statements have in common. The default is to wait for every member.
macro_rules! completion_rules {
    () => {
        /// Waits for the first `k` good answers, then stops the others: their outcomes say `cancelled`. If fewer than
        /// `k` come, it waits for every member, and the good ones are the result.
        pub fn first(mut self, k: usize) -> Self {
            self.options.rule = Rule::First(k);
            self
        }

        /// Waits for `k` good answers, then stops the others. As soon as `k` can no longer be reached the wait ends,
        /// and `ok()` and `fetch()` return an error with every reason.
        pub fn quorum(mut self, k: usize) -> Self {
            self.options.rule = Rule::Quorum(k);
            self
        }

        /// Like [`quorum`](Self::quorum), for a fraction of the members from 0 to 1, rounded up: `0.5` is half of them.
        pub fn fraction(mut self, part: f64) -> Self {
            self.options.rule = Rule::Fraction(part);
            self
        }

        /// Every member or none: the first failure stops the others, and `ok()` and `fetch()` return an error with
        /// every reason.
        pub fn all_or_error(mut self) -> Self {
            self.options.rule = Rule::AllOrError;
            self
        }
    };
}
pub(super) use completion_rules;

/// A call to a cluster or a URL before its verb: [`call`](Calls::call), [`get`](Calls::get), [`post`](Calls::post).
#[must_use = "nothing is sent before a verb: .call(method, args), .get() or .post(form)"]
pub struct Calls {
    was: Was,
    target: Target,
    path: Option<String>,
    protocol: Protocol,
    login: Option<(String, String)>,
    headers: Vec<(String, String)>,
    max_answer: Option<usize>,
    encoding: Option<String>,
    idempotent: bool,
    key: Option<String>,
    options: Options,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The login is a secret and not shown.
        f.debug_struct("Calls").field("target", &self.target.shown()).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Calls {
    pub(super) fn cluster(was: &Was, spread: Spread, text: &str) -> Calls {
        let text = text.strip_prefix('@').unwrap_or(text);
        let (name, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let path = Some(path.to_owned()).filter(|path| !path.is_empty());
        let target = match was.services().cluster(name) {
            Some((actor, roster)) => Target::Cluster(spread, actor.clone(), roster.clone()),
            None => Target::Unusable(Box::new(undeclared(name, "members = host:port, …"))),
        };
        Calls::new(was, target, path)
    }

    pub(super) fn url(was: &Was, url: &str) -> Calls {
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| format!("/{path}"));
        Calls::new(was, Target::Url(url.to_owned()), path)
    }

    fn new(was: &Was, target: Target, path: Option<String>) -> Calls {
        let protocol = path.as_deref().and_then(Protocol::of_path).unwrap_or(Protocol::XmlRpc);
        Calls {
            was: was.clone(),
            target,
            path,
            protocol,
            login: None,
            headers: Vec::new(),
            idempotent: false,
            key: None,
            max_answer: None,
            encoding: None,
            options: Options::default(),
        }
    }

    /// Runs this closure on each outcome as it arrives, failures too, while other members are still working. A panic in
    /// it fails that one outcome.
    pub fn filter(mut self, filter: impl FnMut(&mut Outcome) + Send + 'static) -> Calls {
        self.options.on_arrival = Some(Box::new(filter));
        self
    }

    /// Keeps a complete, good answer for `ttl`. Equal calls in that time get it without I/O, and equal calls made while
    /// the first is in flight wait for its answer instead of being sent.
    pub fn cache(mut self, ttl: Duration) -> Calls {
        self.options.cache = Some(ttl);
        self
    }

    completion_rules!();

    /// Sends `Authorization: Basic` with each request.
    pub fn login(mut self, user: &str, password: &str) -> Calls {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Sends a header with each request. The server sets `host`, `connection`, `expect` and the headers that frame the
    /// body by itself: they are ignored here.
    pub fn header(mut self, name: &str, value: &str) -> Calls {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Accepts no answer of more bytes than this; the cluster's own limit (16 MiB by default) still applies.
    pub fn max_answer(mut self, bytes: usize) -> Calls {
        self.max_answer = Some(bytes);
        self
    }

    /// Sets the encoding of the answer, `gzip` or `identity`, whatever the cluster's configuration says (default:
    /// `identity`). A compressed answer is decompressed under the same size limit. Any other name makes the outcome
    /// `unsendable`.
    pub fn encoding(mut self, encoding: &str) -> Calls {
        self.encoding = Some(encoding.to_owned());
        self
    }

    /// Declares that calling twice does no harm. Only such calls are retried or hedged, if the cluster's configuration
    /// has `retries` or `hedge`. A plain GET is idempotent by itself.
    pub fn idempotent(mut self) -> Calls {
        self.idempotent = true;
        self
    }

    /// Sets the key by which `lb` chooses a member of a cluster with `balance = hash`: equal keys go to the same
    /// member. Default: the path and the arguments.
    pub fn key(mut self, key: impl Into<String>) -> Calls {
        self.key = Some(key.into());
        self
    }

    /// Uses this protocol, whatever the path ends with.
    pub fn protocol(mut self, protocol: Protocol) -> Calls {
        self.protocol = protocol;
        self
    }

    /// Calls a method, now. `params` is a tuple with one entry per parameter: `("Mozart",)`, `(1, 2)`, `()`; over
    /// JSON-RPC also a structure, whose fields are named parameters.
    pub fn call(mut self, method: &str, params: impl Serialize) -> Task {
        let path = self.path.take();
        let written = match self.protocol {
            Protocol::XmlRpc => {
                xmlrpc::write_call(method, &params).map(|body| Request::xmlrpc(path_or(path, "/RPC2"), body))
            }
            Protocol::JsonRpc => {
                let id = next_id();
                let written = jsonrpc::write_call(id, method, &params);
                written.map(|body| Request::jsonrpc(path_or(path, "/rpc3"), id, body))
            }
            Protocol::Rest => {
                return self.unsendable(format!(
                    "{method}: REST has no methods to call; use get, post_json, put, patch or delete"
                ));
            }
        };
        if self.was.trail.is_wanted() {
            self.options.what = Some(What::Method(method.into(), self.target.shown(), self.protocol));
        }
        match written {
            Ok(request) => self.send(request),
            Err(error) => self.unsendable(format!("{method}: {error}")),
        }
    }

    fn unsendable(self, why: String) -> Task {
        let outcome = Outcome::failed(self.target.shown(), Reason::Unsendable, why);
        Task::ready(self.was, self.target.name(), vec![outcome])
    }

    /// Fetches the path with GET, now.
    pub fn get(mut self) -> Task {
        if self.protocol == Protocol::Rest {
            return self.json(Method::Get, None::<&()>);
        }
        let path = path_or(self.path.take(), "/");
        self.send(Request::get(path))
    }

    /// Posts a JSON body to the path, now. The data of a JSON answer is its value.
    pub fn post_json(self, body: &impl Serialize) -> Task {
        self.json(Method::Post, Some(body))
    }

    /// Puts a JSON body at the path, now.
    pub fn put(self, body: &impl Serialize) -> Task {
        self.json(Method::Put, Some(body))
    }

    /// Patches the resource at the path with a JSON body, now.
    pub fn patch(self, body: &impl Serialize) -> Task {
        self.json(Method::Patch, Some(body))
    }

    /// Deletes the resource at the path, now.
    pub fn delete(self) -> Task {
        self.json(Method::Delete, None::<&()>)
    }

    fn json(mut self, method: Method, body: Option<&impl Serialize>) -> Task {
        let path = path_or(self.path.take(), "/");
        match body.map(skitai_wire::json::to_vec).transpose() {
            Ok(body) => self.send(Request::rest(method, path, body)),
            Err(error) => self.unsendable(format!("the body has no form in JSON: {error}")),
        }
    }

    /// Posts a form to the path, now.
    pub fn post(mut self, form: &[(&str, &str)]) -> Task {
        let path = path_or(self.path.take(), "/");
        let form: Vec<(String, String)> =
            form.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.send(Request::form(path, &form))
    }

    /// Posts a form with files (`multipart/form-data`) to the path, now.
    pub fn upload(mut self, parts: &[Part]) -> Task {
        let path = path_or(self.path.take(), "/");
        self.send(Request::multipart(path, parts))
    }

    fn send(self, mut request: Request) -> Task {
        let Calls { was, target, login, headers, max_answer, encoding, idempotent, key, mut options, .. } = self;
        request.max_answer = max_answer;
        if let Some(name) = encoding {
            request.encoding = Encoding::named(&name);
            if request.encoding.is_none() {
                let why = format!("an answer cannot come as {name:?}; there are `gzip` and `identity`");
                return Task::ready(was, target.name(), vec![Outcome::failed(target.shown(), Reason::Unsendable, why)]);
            }
        }
        if idempotent {
            request = request.idempotent();
        }
        if let Some(key) = key {
            request = request.key(key);
        }
        if let Some((user, password)) = &login {
            request = request.login(user, password);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if was.trail.is_wanted() && options.what.is_none() {
            options.what = Some(What::Path(request.method.as_str(), request.path.to_string(), target.shown()));
        }
        let (deadline, party, name) = (was.deadline(), was.request.party, target.name());
        match target {
            Target::Unusable(outcome) => Task::ready(was, name, vec![*outcome]),
            Target::Cluster(spread, actor, roster) => {
                let asked = (roster.clone(), request.clone());
                let caching = Caching::new(&was, move || request_key(spread, &asked.0.spec().name, &asked.1));
                let asker = was.clone();
                let dispatch = move |on_arrival, now| {
                    // The current members: slots and exchanges must use the same list.
                    let lineup = roster.lineup();
                    let slots = lineup.slots(spread);
                    let request = timed(request, &asker, now);
                    actor.ask_for(party, Call { lineup, spread, request }, slots, on_arrival, deadline)
                };
                Task::start(was, name, caching, spread, options, dispatch)
            }
            Target::Url(url) => {
                let asked = (url.clone(), request.clone());
                let caching = Caching::new(&was, move || request_key(Spread::One, &asked.0, &asked.1));
                let actor = was.services().web.clone();
                let asker = was.clone();
                let dispatch = move |on_arrival, now| {
                    let slots = cluster::fetch_slots(&url);
                    let request = timed(request, &asker, now);
                    actor.ask_for(party, Fetch { url, request }, slots, on_arrival, deadline)
                };
                Task::start(was, name, caching, Spread::One, options, dispatch)
            }
        }
    }
}

fn path_or(path: Option<String>, default: &'static str) -> Cow<'static, str> {
    path.map_or(Cow::Borrowed(default), Cow::Owned)
}

/// The outcome of a call to a cluster that the configuration lacks.
pub(super) fn undeclared(name: &str, how: &str) -> Outcome {
    let text = format!("the configuration declares no cluster [@{name}]; add a section [@{name}] with {how}");
    Outcome::failed(format!("@{name}").into(), Reason::Undeclared, text)
}
