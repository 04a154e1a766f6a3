//! `#[route]`: one function becomes a page, an XML-RPC method and a JSON-RPC method.
//!
//! The function is kept as it is written, so unit tests call it like any other. Beside it stands a type of the same
//! name (an empty braced struct lives in the type namespace alone), which carries the route: rule, methods, a table of
//! its arguments and the code that binds and calls. `routes![hello, greetings::morning]` collects those types.
//!
//! Read in this order: [`input`] (what the attribute and the function say), [`output`] (what is written beside it),
//! [`returns`] (what the function's return type is on the wire).

mod input;
mod output;
mod returns;

use proc_macro::TokenStream;

/// Makes a function a route.
///
/// `#[route("/company/<int:cid>/<cname>")]`: the rule, relative to where the app is mounted. Placeholders are
/// `<name>` (text without `/`), `<int:name>`, `<float:name>` and `<path:name>` (may contain `/`); each must be an
/// argument of the function. Options after the rule:
///
/// - `methods = ["GET", "POST"]`: the methods the web may use; GET, HEAD and POST where it is left out;
/// - `name = "lookup"`: the name over RPC, where the rule's own (its fixed segments joined by dots) is not wanted;
/// - `deadline = 2.5`: how many seconds a call may take, where that is not the server's `deadline`. A caller's
///   `X-Request-Timeout-Ms` can only shorten it.
///
/// Arguments bind by name from the path, the query, a form, a JSON body, and by name or position over RPC. `was: Was`
/// may stand anywhere and takes no part. `#[arg(default = "Mozart")]` gives an argument a default, `#[arg(doc = "…")]`
/// a description, `#[arg(name = "submit-name")]` another name outside: in rule, query, form, JSON and over RPC. An
/// `async fn` runs on the thread's event loop; a plain `fn` on the blocking pool, where it may wait and compute as long
/// as it likes. The function's doc comment is what `system.methodHelp` answers.
#[proc_macro_attribute]
pub fn route(attribute: TokenStream, item: TokenStream) -> TokenStream {
    match input::Handler::parse(attribute.into(), item.clone().into()) {
        Ok(handler) => output::expand(&handler).into(),
        Err(error) => {
            // The function is written out even so, without its #[arg]s: an editor keeps its help, and the one error
            // that matters is not buried under others.
            let mut tokens = error.into_compile_error();
            tokens.extend(input::without_arg_attributes(item.into()));
            tokens.into()
        }
    }
}
