//! XML-RPC: one call, or `system.multicall`, and the document of its answer.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use skitai_wire::jsonrpc::Params;
use skitai_wire::xmlrpc;

use super::fault::RpcFault;
use super::method::CallOf;
use super::{method, multicall, reading};
use crate::app::{Face, RequestBuilder};
use crate::edge::respond;
use crate::edge::thread::ServingThread;
use crate::observe::route_counts::{ServedBy, Serving};

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

/// The reply to a request of XML-RPC.
pub(super) async fn reply(thread: &ServingThread, builder: RequestBuilder, serving: &Serving) -> HttpResponse {
    let call = match reading::xml(thread, builder.request()).await {
        Ok(Ok(call)) => call,
        Ok(Err(error)) => {
            thread.counts.rpc(true);
            return respond::rpc(XML, document(Err(RpcFault::malformed(&error))));
        }
        Err(fault) => return respond::rpc(XML, document(Err(fault))),
    };
    let params = Params::Positional(call.params);
    if call.method == multicall::NAME {
        thread.routes.begin(serving, ServedBy::SEVERAL);
        let (reply, result) = multicall::run(thread, Face::XmlRpc, builder, params, XML).await;
        return method::with_document(reply, document(result));
    }
    let (was, result) = method::run(thread, Face::XmlRpc, builder, &call.method, params, CallOf::One(serving)).await;
    method::reply(was.as_ref(), XML, document(result))
}

/// The document of a result, which is one already, or of a fault.
fn document(result: Result<Bytes, RpcFault>) -> Bytes {
    result.unwrap_or_else(|fault| xmlrpc::write_fault(fault.code, &fault.message).into())
}
