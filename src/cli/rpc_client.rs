//! A client for any RPC server, outside of a request: used by the command `rpc`.
//!
//! The user or the path decides the protocol. If neither does, the client asks the server for its methods to find out:
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

/// The largest answer of a server, in bytes: the limit of the codecs.
const MAX_ANSWER: usize = 64 << 20;

/// A server to call.
pub(crate) struct RpcClient {
    url: String,
    protocol: Option<Protocol>,
    timeout: Duration,
    authority: Option<Authority>,
    headers: Vec<(String, String)>,
    login: Option<(String, String)>,
}

/// Why a call has no answer.
pub(crate) enum Failed {
    /// The server answered with a fault.
    Fault { code: i64, message: String },
    /// The server could not be called, or its answer is invalid.
    NotCalled(String),
}

/// A server's description of a method.
#[derive(Default)]
pub(crate) struct MethodDescription {
    /// Each is the type of the answer, then the types of the parameters.
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
            // The default path, a convention of XML-RPC clients.
            None if server.protocol == Some(Protocol::JsonRpc) => server.url.push_str("/rpc3"),
            None => server.url.push_str("/RPC2"),
            Some(_) => {}
        }
        server.protocol = server.protocol.or_else(|| Protocol::of_path(&server.url));
        server
    }

    pub(crate) fn login(&mut self, user: &str, password: &str) {
        self.login = Some((user.to_owned(), password.to_owned()));
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Finds out the protocol, if it is not known, by asking the server for its methods.
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
        // Unsupported Media Type: nothing was executed. Many JSON-RPC servers know only `application/json`.
        if outcome.code == 415 && protocol == Protocol::JsonRpc {
            outcome = self.send(request.header("content-type", "application/json")).await;
        }
        match outcome.fault {
            _ if outcome.is_ok() => Ok(outcome.data.into_value()),
            Some(code) if outcome.reason == Reason::Fault => {
                // JSON-RPC fixes some messages; the server's own text is then in the data.
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
        // A new connection for each call: a kept one may be closed during a call, and whether the call ran is then
        // unknown.
        let client =
            ActorRef::open("rpc", Admission::default(), move || UrlClient::with_authority(limits, authority.as_ref()));
        let until = Instant::now() + timeout;
        let asked = client.ask(Fetch { url: self.url.clone(), request }, fetch_slots(&self.url), None, until);
        asked.all(until).await.remove(0)
    }

    /// The names of its methods, sorted. A JSON-RPC server may list them in its OpenRPC document instead.
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

    /// The signatures and the help of a method.
    pub(crate) async fn describe(&self, method: &str) -> Result<MethodDescription, Failed> {
        let name = Params::Positional(vec![Value::String(method.to_owned())]);
        let said = match self.call("system.methodHelp", &name).await {
            Ok(help) => {
                let signatures = match self.call("system.methodSignature", &name).await {
                    Ok(Value::List(signatures)) => signatures,
                    // The server answers `undef` if it knows no signature, or has no such method.
                    Ok(_) | Err(Failed::Fault { .. }) => Vec::new(),
                    Err(failed) => return Err(failed),
                };
                let words = |signature: &Value| {
                    let words = signature.as_list().unwrap_or_default().iter();
                    words.filter_map(Value::as_str).map(str::to_owned).collect()
                };
                let signatures = signatures.iter().map(words).collect();
                return Ok(MethodDescription { signatures, help: help.as_str().unwrap_or_default().to_owned() });
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

/// Reads a method from an OpenRPC document.
fn of_openrpc(method: &Value) -> MethodDescription {
    let kind = |described: &Value| described["schema"]["type"].as_str().unwrap_or("any").to_owned();
    let params = method["params"].as_list().unwrap_or_default().iter();
    let param = |param: &Value| format!("{}: {}", param["name"].as_str().unwrap_or("?"), kind(param));
    let signature = [kind(&method["result"])].into_iter().chain(params.map(param)).collect();
    let help = ["description", "summary"].into_iter().find_map(|name| method[name].as_str()).unwrap_or_default();
    MethodDescription { signatures: vec![signature], help: help.to_owned() }
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
