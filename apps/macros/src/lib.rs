//! `#[route]`: turns one function into a page, an XML-RPC method and a JSON-RPC method.
//!
//! The function stays as written, so unit tests call it like any other. Beside it the macro generates a type of the
//! same name (an empty braced struct occupies only the type namespace), which carries the route: rule, methods, a table
//! of its arguments, and the code that binds and calls. `routes![hello, greetings::morning]` collects those types.
//!
//! Read in this order: `input` (parses the attribute and the function), `output` (generates the type), `returns`
//! (finds the wire type of the function's return type).

mod input;
mod output;
mod returns;

use proc_macro::TokenStream;

/// Makes a function a route.
///
/// `#[route("/company/<int:cid>/<cname>")]`: the rule, relative to the path at which the app is mounted. Placeholders
/// are `<name>` (text without `/`), `<int:name>`, `<float:name>` and `<path:name>` (may contain `/`); each must be an
/// argument of the function. Options after the rule:
///
/// - `methods = ["GET", "POST"]`: the HTTP methods of the page. Default: GET, HEAD and POST;
/// - `name = "lookup"`: the name over RPC. Default: the rule's fixed segments joined by dots;
/// - `deadline = 2.5`: how many seconds a call may take. Default: the server's `deadline`. A caller's
///   `X-Request-Timeout-Ms` can only shorten it;
/// - `partial = "consent"`: what becomes of an answer from which members are missing. `"tell"` sends it and says what
///   is missing, `"consent"` refuses it with 503 unless the client sends `Prefer: allow-partial`, `"refuse"` refuses it
///   always. Default: the server's `partial`, which is `tell`;
/// - `coverage = "body"`: JSON answers have their coverage in the body for every client, as
///   `{"data": …, "coverage": …}` on the web. Default: for clients that send `Prefer: coverage=body`;
/// - `rpc = false`: the route is a page alone and cannot be called over RPC.
///
/// Arguments bind by name from the path, the query, a form or a JSON body, and by name or position over RPC. `was: Was`
/// may be at any position and is not bound. `#[arg(default = "Mozart")]` gives an argument a default,
/// `#[arg(doc = "…")]` a description, `#[arg(name = "submit-name")]` another name for clients: in rule, query, form,
/// JSON and over RPC. An `async fn` runs on the thread's event loop; a plain `fn` runs on the blocking pool, where it
/// may wait and compute for long. The function's doc comment is the answer of `system.methodHelp`.
#[proc_macro_attribute]
pub fn route(attribute: TokenStream, item: TokenStream) -> TokenStream {
    match input::Handler::parse(attribute.into(), item.clone().into()) {
        Ok(handler) => output::expand(&handler).into(),
        Err(error) => {
            // The function is emitted even after an error, without its `#[arg]`s: an editor can still complete it, and
            // follow-up errors do not bury the real one.
            let mut tokens = error.into_compile_error();
            tokens.extend(input::without_arg_attributes(item.into()));
            tokens.into()
        }
    }
}
