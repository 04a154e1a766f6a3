//! The page of the methods: each with its comment, its arguments, the three ways to call it, and a form to try it.
//!
//! The form for the web works without JavaScript: it is sent to [`open`], which drops empty fields, puts the
//! placeholders into the path and redirects the browser there. The two forms for RPC need a few lines of JavaScript.

use percent_encoding::utf8_percent_encode;
use serde_json::{Value as Json, json};

use super::listing::Method;
use super::{access, listing, schema, unknown};
use crate::app::routing::pattern::UNRESERVED_ALONE;
use crate::app::{Form, Kind, Page, Param, Response, Result, Was};
use crate::builtin::assets;
use crate::prelude::{Value, route};

/// As that of the status page; a form may lead anywhere on this site.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[route("/", methods = ["GET"], name = "methods.page")]
pub(crate) async fn page(was: Was) -> Result<Page> {
    access::check(&was).await?;
    let methods: Vec<Json> = listing::all(&was).iter().map(shown).collect();
    let base = was.base_url();
    was.response.update("content-security-policy", POLICY);
    Ok(Page::new("methods.html")
        .with("own", assets::of_methods())
        .with("has_status", was.services().site.admin.is_some())
        .with("name", &was.services().site.server.name)
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("base", base)
        .with("methods", methods))
}

fn shown(method: &Method) -> Json {
    let params: Vec<Json> = method.params().map(|param| row(param, method)).collect();
    let examples: Vec<(&str, String)> =
        method.params().filter(|param| param.required).map(|param| (param.name, example(param.kind))).collect();
    let positional = examples.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
    let named = examples.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect::<Vec<_>>().join(", ");
    let has_get = method.route.methods.contains(&"GET");
    json!({
        "name": method.name,
        "app": method.app,
        "path": method.path,
        "verbs": method.route.methods,
        "get": has_get,
        // A form can fill in a path only through `open`, which redirects to a GET.
        "post": method.route.methods.contains(&"POST") && !method.path.contains('<'),
        "doc": method.route.doc,
        "params": params,
        "takes_rest": method.takes_rest(),
        "returns": method.route.returns.word(),
        "web_only": method.is_web_only(),
        "python": format!("{}({})", method.name, positional.replace("true", "True")),
        "json": format!(
            "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"{}\", \"params\": {{{named}}}}}",
            method.name
        ),
    })
}

fn row(param: &Param, method: &Method) -> Json {
    json!({
        "name": param.name,
        "kind": param.kind.word(),
        "required": param.required,
        "default": schema::of_param(param).get("default").cloned(),
        "doc": param.doc,
        "in_path": method.is_in_path(param.name),
    })
}

/// An example value of this kind, valid in Python and in JSON.
fn example(kind: Kind) -> String {
    match kind {
        Kind::Int => "1".to_owned(),
        Kind::Double => "1.5".to_owned(),
        Kind::Bool => "true".to_owned(),
        Kind::List(item) => format!("[{}]", example(*item)),
        Kind::Struct | Kind::Rest => "{}".to_owned(),
        _ => "\"text\"".to_owned(),
    }
}

/// Where the form of a method leads: its path, with the placeholders filled in, and the rest as a query.
#[route("/open/<skitai_method>", methods = ["GET"], name = "methods.open")]
pub(crate) async fn open(was: Was, skitai_method: String, rest: Form) -> Result<Response> {
    access::check(&was).await?;
    let method = listing::one(&was, &skitai_method).ok_or_else(|| unknown(&skitai_method))?;
    Ok(Response::redirect(target(&method, &rest)))
}

fn target(method: &Method, form: &Form) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let below = method.pattern.written(|name| form.get(name).map(text).unwrap_or_default());
    // Exactly one leading slash: `//host` would be another site.
    let mut target = format!("/{}", format!("{}{below}", method.mount).trim_start_matches('/'));
    let mut separator = '?';
    for (name, value) in form.values.iter() {
        let required = method.params().any(|param| param.name == name && param.required);
        if method.is_in_path(name) {
            continue;
        }
        let values = value.as_list().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect());
        for value in values.iter().filter(|value| required || !value.is_empty()) {
            target.push(separator);
            target.extend(utf8_percent_encode(name, UNRESERVED_ALONE));
            target.push('=');
            target.extend(utf8_percent_encode(value, UNRESERVED_ALONE));
            separator = '&';
        }
    }
    target
}
