//! Introspection of the site's methods: for programs (`system.listMethods` and its kin, `rpc.discover`) and for readers
//! (a page with a form to try each).
//!
//! All of it comes from the table that binds the arguments, so it cannot disagree with the code. It is an app like any
//! other, mounted at `/status/methods`; over RPC its methods have the names that other servers use for them.
//!
//! - [`access`]: decides which clients may ask;
//! - [`listing`]: the methods of the site, from the tables of its apps;
//! - [`schema`]: values as JSON Schema; [`openrpc`]: the document of `rpc.discover`;
//! - [`page`]: the page.

mod access;
mod listing;
mod openrpc;
mod page;
mod schema;

use skitai_wire::Value;

use super::{admin, assets};
use crate as skitai;
use crate::app::{App, Error, Face, Result, Was};
use crate::prelude::route;
use crate::rpc::multicall;

pub(crate) use access::Access;

/// The names of the server's own methods, with their help texts.
const OWN: [(&str, &str); 7] = [
    ("rpc.discover", DISCOVER),
    ("system.getCapabilities", CAPABILITIES),
    ("system.listMethods", LIST),
    ("system.methodHelp", HELP),
    ("system.methodSignature", SIGNATURE),
    (admin::NAME, STATUS),
    (multicall::NAME, MULTICALL),
];

const DISCOVER: &str = "The OpenRPC document of this server.";
const CAPABILITIES: &str = "The specifications this server keeps to, each with its address and version.";
const LIST: &str = "The names of all methods, sorted.";
const HELP: &str = "What a method does, in its author's words.";
const SIGNATURE: &str =
    "The ways a method may be called: a list of lists, each the type of the answer and then those of the parameters.";
const STATUS: &str =
    "What the server does and has done, all processes together, for the user `admin`; `filter` picks one part.";
const MULTICALL: &str = "Many calls in one: a list of structures `{methodName, params}`. The answer has an entry for each: a list of the one \
     value, or a structure `{faultCode, faultString}`.";

/// Whether the server itself answers to this name, unless an app does.
pub(crate) fn is_own(name: &str) -> bool {
    OWN.iter().any(|(own, _)| *own == name)
}

/// The app. It answers the clients that [`Access`] admits, which must have been shared before.
pub(crate) fn app() -> App {
    App::new("methods")
        .template("methods.html", include_str!("../../templates/methods/methods.html"))
        .routes(skitai::routes![list_methods, method_help, method_signature, capabilities, discover])
        .routes(skitai::routes![page::page, page::open, assets::asset])
}

#[route("/list", methods = ["GET"], name = "system.listMethods")]
async fn list_methods(was: Was) -> Result<Vec<String>> {
    access::check(&was).await?;
    let mut names: Vec<String> = listing::all(&was).into_iter().map(|method| method.name).collect();
    // Without a password there is no status.
    let has_admin = was.services().site.admin.is_some();
    let own = OWN.iter().map(|(name, _)| *name).filter(|name| has_admin || *name != admin::NAME);
    names.extend(own.map(str::to_owned));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[route("/help", methods = ["GET"], name = "system.methodHelp")]
async fn method_help(was: Was, #[arg(doc = "the method's name")] method: String) -> Result<String> {
    access::check(&was).await?;
    if let Some(found) = listing::one(&was, &method) {
        return Ok(found.route.doc.to_owned());
    }
    let own = OWN.iter().find(|(name, _)| *name == method).map(|(_, doc)| (*doc).to_owned());
    own.ok_or_else(|| unknown(&method))
}

#[route("/signature", methods = ["GET"], name = "system.methodSignature")]
async fn method_signature(was: Was, #[arg(doc = "the method's name")] method: String) -> Result<Value> {
    access::check(&was).await?;
    if let Some(found) = listing::one(&was, &method) {
        // The value that the specification demands for an unknown signature.
        let undef = || Value::String("undef".to_owned());
        return Ok(found.signatures().map_or_else(undef, |known| skitai_wire::to_value(&known).unwrap_or_default()));
    }
    let words = |types: &[&str]| {
        Value::List(vec![Value::List(types.iter().map(|word| Value::String((*word).to_owned())).collect())])
    };
    match method.as_str() {
        "rpc.discover" | "system.getCapabilities" => Ok(words(&["struct"])),
        // With a filter and without.
        admin::NAME => Ok(Value::List(vec![words(&["struct", "string"])[0].clone(), words(&["struct"])[0].clone()])),
        "system.listMethods" => Ok(words(&["array"])),
        "system.methodHelp" => Ok(words(&["string", "string"])),
        "system.methodSignature" => Ok(words(&["array", "string"])),
        multicall::NAME => Ok(words(&["array", "array"])),
        _ => Err(unknown(&method)),
    }
}

fn unknown(method: &str) -> Error {
    Error::new(404, format!("there is no method `{}`", crate::app::shortened(method)))
        .with_code(crate::app::code::METHOD_NOT_FOUND)
}

/// The capabilities, as the "getCapabilities" proposal of 2003 defines them: name to address and version.
#[route("/capabilities", methods = ["GET"], name = "system.getCapabilities")]
async fn capabilities(was: Was) -> Result<Value> {
    access::check(&was).await?;
    let one = |name: &'static str, url: &str, version: i64| {
        let about = [("specUrl", Value::String(url.to_owned())), ("specVersion", Value::Int(version))];
        (name, Value::from_pairs(about))
    };
    Ok(Value::from_pairs([
        one("xmlrpc", "http://www.xmlrpc.com/spec", 1),
        one("nil", "http://www.ontosys.com/xml-rpc/extensions.php", 20_010_518),
        one("faults_interop", "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20_010_516),
        one("introspection", "http://xmlrpc-c.sourceforge.net/introspection.html", 1),
        one("system.multicall", "http://www.xmlrpc.com/discuss/msgReader$1208", 1),
        one("json-rpc", "https://www.jsonrpc.org/specification", 2),
        one("openrpc", "https://spec.open-rpc.org/", 1),
    ]))
}

#[route("/openrpc.json", methods = ["GET"], name = "rpc.discover")]
async fn discover(was: Was) -> Result<Value> {
    access::check(&was).await?;
    if was.face() == Face::Web {
        was.response.update("cache-control", "no-cache");
    }
    Ok(openrpc::document(&was, &listing::all(&was)))
}
