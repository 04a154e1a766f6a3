//! The document of `rpc.discover`: OpenRPC 1.2.6.

use serde_json::json;
use skitai_wire::Value;

use super::listing::Method;
use super::schema;
use crate::app::{Was, code};

/// The version of the specification: the document needs nothing newer, and older tools read nothing newer.
const VERSION: &str = "1.2.6";

/// The errors that every method may return: name, code, description.
const ERRORS: [(&str, i64, &str); 2] = [
    ("InvalidParams", code::INVALID_PARAMS, "an argument is missing, wrong, unknown or too many"),
    ("InternalError", code::INTERNAL, "Internal Server Error"),
];

pub(crate) fn document(was: &Was, methods: &[Method]) -> Value {
    let server = &was.services().site.server;
    let is_known = was.request.host().is_some_and(is_plain);
    let url = if is_known { was.base_url() + "/rpc3" } else { "/rpc3".to_owned() };
    let document = json!({
        "openrpc": VERSION,
        "info": {
            "title": server.name,
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every method is a page, an XML-RPC method (POST to /RPC2) and a JSON-RPC 2.0 method.",
        },
        "servers": [{ "name": server.name, "url": url }],
        "methods": methods.iter().filter(|method| !method.is_web_only()).map(one).collect::<Vec<_>>(),
        "components": { "errors": errors() },
    });
    skitai_wire::to_value(&document).unwrap_or_default()
}

/// Whether a `Host` needs no escape in a URL.
fn is_plain(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn one(method: &Method) -> serde_json::Value {
    // A positional parameter is optional only after all required ones; OpenRPC demands the same order.
    let mut required_so_far = true;
    let mut is_sorted = true;
    let params: Vec<serde_json::Value> = method
        .params()
        .map(|param| {
            is_sorted &= required_so_far || !param.required;
            required_so_far = param.required;
            let mut described = json!({
                "name": param.name,
                "required": param.required,
                "schema": schema::of_param(param),
            });
            if !param.doc.is_empty() {
                described["description"] = json!(param.doc);
            }
            described
        })
        .collect();
    let mut described = json!({
        "name": method.name,
        "paramStructure": if is_sorted { "either" } else { "by-name" },
        "params": params,
        "result": { "name": "result", "schema": schema::of_kind(method.route.returns) },
        "errors": ERRORS.map(|(name, _, _)| json!({ "$ref": format!("#/components/errors/{name}") })),
        "tags": [{ "name": method.app }],
        "x-web": { "path": method.path, "methods": method.route.methods },
    });
    if !method.route.doc.is_empty() {
        described["summary"] = json!(method.summary());
        described["description"] = json!(method.route.doc);
    }
    if method.takes_rest() {
        described["x-takes-other-names"] = json!(true);
    }
    described
}

fn errors() -> serde_json::Value {
    let error =
        |(name, code, message): (&str, i64, &str)| (name.to_owned(), json!({ "code": code, "message": message }));
    serde_json::Value::Object(ERRORS.map(error).into_iter().collect())
}
