//! Calls to any server from outside a request: what the command `rpc` is made of.
//!
//! What the server speaks is told by the caller, by the path, or by the server itself when it is asked for its methods:
//! a call that changes something is never sent on trial.

use std::time::{Duration, Instant};

use skitai_actors::cluster::{Fetch, UrlClient, UrlClientLimits, fetch_slots};
use skitai_actors::http::{Request, next_id};
use skitai_actors::kit::{ActorRef, Admission};
use skitai_actors::spec::{Authority, Encoding};
use skitai_actors::{Outcome, Reason};
use skitai_wire::jsonrpc::{self, Params};
use skitai_wire::{Value, xmlrpc};

use crate::app::Protocol;

/// The largest answer of a server, in bytes: what the codecs take.
const MAX_ANSWER: usize = 64 << 20;

/// A server to be called.
pub(crate) struct RpcClient {
    url: String,
    protocol: Option<Protocol>,
    timeout: Duration,
    authority: Option<Authority>,
    headers: Vec<(String, String)>,
    login: Option<(String, String)>,
}

/// Why there is no answer.
pub(crate) enum Failed {
    /// The server said so.
    Fault { code: i64, message: String },
    /// It could not be called, or what it said is no answer.
    NotCalled(String),
}

/// What a server tells of a method.
#[derive(Default)]
pub(crate) struct RpcResult {
    /// Each the type of the answer, then those of the parameters.
    pub(crate) signatures: Vec<Vec<String>>,
    pub(crate) help: String,
}

impl RpcClient {
    pub(crate) fn new(
        url: &str,
        protocol: Option<Protocol>,
        timeout: Duration,
        authority: Option<Authority>,
    ) -> RpcClient {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let mut server = RpcClient { url, protocol, timeout, authority, headers: Vec::new(), login: None };
        let after_scheme = server.url.find("://").map_or(0, |at| at + 3);
        match server.url[after_scheme..].split_once('/') {
            // As XML-RPC clients have always done it.
            None if server.protocol == Some(Protocol::JsonRpc) => server.url.push_str("/rpc3"),
            None => server.url.push_str("/RPC2"),
            Some(_) => {}
        }
        if server.protocol.is_none() {
            let path = server.url.trim_end_matches('/').to_ascii_lowercase();
            server.protocol = match path {
                path if path.ends_with("/rpc2") => Some(Protocol::XmlRpc),
                path if path.ends_with("/rpc3") => Some(Protocol::JsonRpc),
                _ => None,
            };
        }
        server
    }

    pub(crate) fn login(&mut self, user: &str, password: &str) {
        self.login = Some((user.to_owned(), password.to_owned()));
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Finds out what the server speaks, if that is not known: it is asked for its methods.
    pub(crate) async fn settle(&mut self) -> Result<(), Failed> {
        if self.protocol.is_some() {
            return Ok(());
        }
        let mut why = String::new();
        for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
            self.protocol = Some(protocol);
            match self.call("system.listMethods", &Params::None).await {
                Ok(_) | Err(Failed::Fault { .. }) => return Ok(()),
                Err(Failed::NotCalled(said)) => why = format!("{why}; asked in {}: {said}", word(protocol)),
            }
        }
        Err(Failed::NotCalled(format!("it is not known what this server speaks{why}; --xml or --json says it")))
    }

    /// Calls a method.
    pub(crate) async fn call(&self, method: &str, params: &Params) -> Result<Value, Failed> {
        let protocol = self.protocol.unwrap_or(Protocol::XmlRpc);
        let request =
            written(protocol, method, params).map_err(|error| Failed::NotCalled(format!("{method}: {error}")))?;
        let mut outcome = self.send(request.clone()).await;
        // Unsupported Media Type: nothing was done. Many servers of JSON-RPC know the plain word for JSON alone.
        if outcome.code == 415 && protocol == Protocol::JsonRpc {
            outcome = self.send(request.header("content-type", "application/json")).await;
        }
        match outcome.fault {
            _ if outcome.is_ok() => Ok(outcome.data.into_value()),
            Some(code) if outcome.reason == Reason::Fault => {
                // JSON-RPC fixes some messages; what the server has to say of its own is beside them.
                let more = outcome.data.as_str().map(|data| format!(": {data}")).unwrap_or_default();
                Err(Failed::Fault { code, message: outcome.msg + &more })
            }
            _ => Err(Failed::NotCalled(format!("{} {}: {}", outcome.node, outcome.reason.word(), outcome.msg))),
        }
    }

    async fn send(&self, mut request: Request) -> Outcome {
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((user, password)) = &self.login {
            request = request.login(user, password);
        }
        request.encoding = Some(Encoding::Gzip);
        let (timeout, authority) = (self.timeout, self.authority.clone());
        let limits =
            UrlClientLimits { connect_timeout: timeout, timeout, max_answer: MAX_ANSWER, ..UrlClientLimits::default() };
        // A connection for each call: one that is kept may be closed under a call, which then may have run or not.
        let post =
            ActorRef::open("rpc", Admission::default(), move || UrlClient::vouched_for_by(limits, authority.as_ref()));
        let until = Instant::now() + timeout;
        let asked = post.ask(Fetch { url: self.url.clone(), request }, fetch_slots(&self.url), None, until);
        asked.all(until).await.remove(0)
    }

    /// The names of its methods, sorted. A server of JSON-RPC may tell them in its OpenRPC document instead.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Failed> {
        let said = match self.call("system.listMethods", &Params::None).await {
            Ok(Value::List(names)) => return Ok(sorted(names.iter().filter_map(Value::as_str))),
            Ok(other) => return Err(no_list(&other)),
            Err(Failed::Fault { code, message }) if self.protocol == Some(Protocol::JsonRpc) => {
                Failed::Fault { code, message }
            }
            Err(failed) => return Err(failed),
        };
        let Ok(document) = self.call("rpc.discover", &Params::None).await else { return Err(said) };
        let methods = document["methods"].as_list().ok_or_else(|| no_list(&document))?;
        Ok(sorted(methods.iter().filter_map(|method| method["name"].as_str())))
    }

    /// How a method is called and what it does.
    pub(crate) async fn describe(&self, method: &str) -> Result<RpcResult, Failed> {
        let name = Params::Positional(vec![Value::String(method.to_owned())]);
        let said = match self.call("system.methodHelp", &name).await {
            Ok(help) => {
                let signatures = match self.call("system.methodSignature", &name).await {
                    Ok(Value::List(signatures)) => signatures,
                    // The word `undef` of a server that knows none, or no such method.
                    Ok(_) | Err(Failed::Fault { .. }) => Vec::new(),
                    Err(failed) => return Err(failed),
                };
                let words = |signature: &Value| {
                    let words = signature.as_list().unwrap_or_default().iter();
                    words.filter_map(Value::as_str).map(str::to_owned).collect()
                };
                let signatures = signatures.iter().map(words).collect();
                return Ok(RpcResult { signatures, help: help.as_str().unwrap_or_default().to_owned() });
            }
            Err(Failed::Fault { code, message }) if self.protocol == Some(Protocol::JsonRpc) => {
                Failed::Fault { code, message }
            }
            Err(failed) => return Err(failed),
        };
        let Ok(document) = self.call("rpc.discover", &Params::None).await else { return Err(said) };
        let methods = document["methods"].as_list().unwrap_or_default();
        methods.iter().find(|described| described["name"] == method).map(of_openrpc).ok_or(said)
    }
}

/// A method of an OpenRPC document.
fn of_openrpc(method: &Value) -> RpcResult {
    let kind = |described: &Value| described["schema"]["type"].as_str().unwrap_or("any").to_owned();
    let params = method["params"].as_list().unwrap_or_default().iter();
    let param = |param: &Value| format!("{}: {}", param["name"].as_str().unwrap_or("?"), kind(param));
    let signature = [kind(&method["result"])].into_iter().chain(params.map(param)).collect();
    let help = ["description", "summary"].into_iter().find_map(|name| method[name].as_str()).unwrap_or_default();
    RpcResult { signatures: vec![signature], help: help.to_owned() }
}

fn written(protocol: Protocol, method: &str, params: &Params) -> Result<Request, String> {
    let id = next_id();
    let written = match (protocol, params) {
        (Protocol::Rest, _) => return Err("REST has no methods".to_owned()),
        (Protocol::XmlRpc, Params::None) => xmlrpc::write_call(method, &()),
        (Protocol::XmlRpc, Params::Positional(values)) => xmlrpc::write_call(method, values),
        (Protocol::XmlRpc, Params::Named(_)) => return Err("XML-RPC has no named parameters".to_owned()),
        (Protocol::JsonRpc, Params::None) => jsonrpc::write_call(id, method, &()),
        (Protocol::JsonRpc, Params::Positional(values)) => jsonrpc::write_call(id, method, values),
        (Protocol::JsonRpc, Params::Named(map)) => jsonrpc::write_call(id, method, &Value::Map(map.clone())),
    };
    let body = written.map_err(|error| error.to_string())?;
    Ok(match protocol {
        Protocol::XmlRpc => Request::xmlrpc("/", body),
        Protocol::JsonRpc | Protocol::Rest => Request::jsonrpc("/", id, body),
    })
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::XmlRpc => "XML-RPC",
        Protocol::JsonRpc => "JSON-RPC",
        Protocol::Rest => "REST",
    }
}

fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names
}

fn no_list(value: &Value) -> Failed {
    Failed::NotCalled(format!("the server does not tell its methods in a list, but in {}", value.kind()))
}
