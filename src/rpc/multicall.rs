//! `system.multicall`: many calls in one, in parallel, each with its own answer or fault.
//!
//! Its one parameter is a list of structures `{methodName, params}`. Its answer is a list with one entry for each: a
//! list of the one value, or a structure `{faultCode, faultString}`. JSON-RPC offers it too, although a batch does the
//! same. It cannot call itself, and a batch cannot call it: one request could otherwise be a million calls.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use skitai_wire::jsonrpc::Params;
use skitai_wire::{Value, xmlrpc};

use super::fault::RpcFault;
use super::many::{BatchEntry, Many};
use super::method::{self, CallOf};
use crate::app::coverage::Audience;
use crate::app::{Face, RequestBuilder, Session, code, shortened};
use crate::edge::thread::ServingThread;
use crate::edge::{error_log, partial, respond};

pub(crate) const NAME: &str = "system.multicall";

/// One of its calls, or the fault of an invalid one.
pub(super) type Entry = Result<(String, Params), RpcFault>;

/// Runs its calls. The reply has the headers and cookies that they set; the result is a document over XML-RPC, JSON
/// text over JSON-RPC. `kind` is the content type of the reply.
pub(super) async fn run(
    thread: &ServingThread,
    face: Face,
    builder: RequestBuilder,
    params: Params,
    kind: HeaderValue,
) -> (HttpResponse, Result<Bytes, RpcFault>) {
    let empty = || respond::rpc(kind.clone(), Vec::new());
    let entries = match entries(params, thread.site.server.max_batch) {
        Ok(entries) => entries,
        Err(fault) => {
            thread.counts.rpc(true);
            return (empty(), Err(fault));
        }
    };
    let request = builder.request().clone();
    let entries = entries.into_iter().map(|entry| ((), entry)).collect();
    let call = |many: &Many<'_>, entry: Entry| {
        let (builder, session) = many.one();
        one(thread, face, builder, entry, session)
    };
    let refuse = |(), fault: &RpcFault| Some(written(face, &Err(fault.clone()), None));
    let ended = match Many::of(thread, builder).await {
        Ok(many) => many.run(entries, call, refuse, empty()).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok((answers, reply)) => (reply, Ok(document(face, &answers).into())),
        Err(mut failed) => {
            error_log::log(&request, &mut failed);
            (empty(), Err(RpcFault::of(&failed, Audience::of(&request, thread.site.server.devel))))
        }
    }
}

/// Runs one of its calls.
async fn one(
    thread: &ServingThread,
    face: Face,
    builder: RequestBuilder,
    entry: Entry,
    session: Session,
) -> BatchEntry {
    let (was, result) = match entry {
        Ok((name, params)) => method::run(thread, face, builder, &name, params, CallOf::Several(session)).await,
        Err(fault) => {
            thread.counts.rpc(true);
            (None, Err(fault))
        }
    };
    let coverage = was.as_ref().filter(|was| was.has_coverage_in_body()).map(partial::body);
    BatchEntry { was, answer: Some(written(face, &result, coverage.as_ref())) }
}

/// Parses its calls. An error is that of the whole multicall.
pub(super) fn entries(params: Params, most: usize) -> Result<Vec<Entry>, RpcFault> {
    let wrong = || {
        let text = "system.multicall takes one list of structures with `methodName` and `params`";
        RpcFault::new(code::INVALID_PARAMS, text)
    };
    let mut values = match params {
        Params::Positional(values) => values,
        Params::Named(map) => map.0.into_iter().map(|(_, value)| value).collect(),
        Params::None => return Err(wrong()),
    };
    let Some(Value::List(calls)) = values.pop().filter(|_| values.is_empty()) else { return Err(wrong()) };
    if calls.len() > most {
        let text = format!("system.multicall of {} calls, more than the limit of {most}", calls.len());
        return Err(RpcFault::new(code::INVALID_REQUEST, text));
    }
    Ok(calls.into_iter().map(entry).collect())
}

fn entry(call: Value) -> Entry {
    let wrong = |text: &str| RpcFault::new(code::INVALID_REQUEST, text);
    let Value::Map(map) = call else {
        return Err(wrong("a call of system.multicall is a structure with `methodName` and `params`"));
    };
    let (mut method, mut params) = (None, Params::None);
    for (name, value) in map.0 {
        match (&*name, value) {
            ("methodName", Value::String(text)) => method = Some(text),
            ("params", Value::List(values)) => params = Params::Positional(values),
            ("params", Value::Map(values)) => params = Params::Named(values),
            ("params", Value::Nil) => {}
            ("params", other) => return Err(wrong(&format!("`params` is a list, not {}", other.kind()))),
            // Other members are extensions.
            _ => {}
        }
    }
    match method {
        None => Err(wrong("`methodName` is missing or no text")),
        Some(name) if name == NAME => Err(wrong("system.multicall cannot call itself")),
        Some(name) if name.is_empty() => Err(wrong(&format!("`methodName` is empty: `{}`", shortened(&name)))),
        Some(name) => Ok((name, params)),
    }
}

/// One entry of the answer. A result is a complete document over XML-RPC, JSON text over JSON-RPC; its coverage, if it
/// is wanted, is a second item of the entry's list.
pub(super) fn written(face: Face, result: &Result<Bytes, RpcFault>, coverage: Option<&Value>) -> Vec<u8> {
    match (face, result) {
        (Face::XmlRpc, Ok(document)) => {
            let coverage = coverage.and_then(|coverage| xmlrpc::write_response(coverage).ok()).unwrap_or_default();
            let (value, coverage) = (value_of(document).1, value_of(&coverage).1);
            [b"<value><array><data>", value, coverage, b"</data></array></value>"].concat()
        }
        (Face::XmlRpc, Err(fault)) => value_of(&xmlrpc::write_fault(fault.code, &fault.message)).1.to_vec(),
        (_, Ok(json)) => {
            let coverage = coverage.and_then(|coverage| skitai_wire::json::to_vec(coverage).ok());
            let coverage = coverage.map(|coverage| [b",", &coverage[..]].concat()).unwrap_or_default();
            [b"[", &json[..], &coverage, b"]"].concat()
        }
        (_, Err(fault)) => {
            let fault = serde_json::json!({ "faultCode": fault.code, "faultString": fault.message });
            fault.to_string().into_bytes()
        }
    }
}

/// The complete answer: a document over XML-RPC, JSON text over JSON-RPC.
pub(super) fn document(face: Face, entries: &[Vec<u8>]) -> Vec<u8> {
    if face != Face::XmlRpc {
        return [b"[", entries.join(&b","[..]).as_slice(), b"]"].concat();
    }
    let frame = xmlrpc::write_response(&()).expect("nothing can always be written");
    let (head, _, tail) = value_of(&frame);
    [head, b"<value><array><data>", &entries.concat(), b"</data></array></value>", tail].concat()
}

/// Splits a document of ours into the text before its one value, the value, and the rest.
fn value_of(document: &[u8]) -> (&[u8], &[u8], &[u8]) {
    const OPEN: &[u8] = b"<value>";
    const CLOSE: &[u8] = b"</value>";
    let begin = document.windows(OPEN.len()).position(|bytes| bytes == OPEN).unwrap_or(document.len());
    let end = document.windows(CLOSE.len()).rposition(|bytes| bytes == CLOSE).map_or(begin, |at| at + CLOSE.len());
    (&document[..begin], &document[begin..end], &document[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, params: Value) -> Value {
        Value::from_pairs([("methodName", Value::String(method.to_owned())), ("params", params)])
    }

    fn of(calls: Vec<Value>) -> Result<Vec<Entry>, RpcFault> {
        entries(Params::Positional(vec![Value::List(calls)]), 3)
    }

    #[test]
    fn what_is_no_call_is_a_fault_of_its_entry_alone() {
        let calls = of(vec![call("add", Value::List(vec![Value::Int(1)])), Value::Int(7), call(NAME, Value::Nil)]);
        let calls = calls.expect("a list of calls");
        assert_eq!(calls[0].as_ref().expect("a call").1, Params::Positional(vec![Value::Int(1)]));
        assert!(calls[1].as_ref().expect_err("no call").message.contains("structure"));
        assert!(calls[2].as_ref().expect_err("a recursion").message.contains("itself"));
        let many = of(vec![Value::Nil; 4]).expect_err("too many");
        assert!(many.message.contains("4 calls, more than the limit of 3"), "{}", many.message);
    }

    #[test]
    fn a_value_is_cut_out_of_its_document() {
        let document = xmlrpc::write_response("</value> & <value>").expect("text can be written");
        let answer = super::document(Face::XmlRpc, &[written(Face::XmlRpc, &Ok(document.into()), None)]);
        let value = xmlrpc::parse_response(&answer, &skitai_wire::Limits::default()).expect("XML").expect("no fault");
        assert_eq!(value, Value::List(vec![Value::List(vec![Value::String("</value> & <value>".to_owned())])]));
    }
}
