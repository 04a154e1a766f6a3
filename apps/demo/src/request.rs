//! The request: method, version, target, headers, body; and the same under the names of CGI.

use serde::Serialize;
use skitai::app::Env;
use skitai::prelude::*;

/// A description of a request.
#[derive(Serialize)]
pub(crate) struct Told {
    content_length: Option<String>,
    headers: Vec<(String, String)>,
    command: String,
    version: &'static str,
    uri: String,
    path: String,
    params: Option<String>,
    query: Option<String>,
    content_type: Option<String>,
    main_type: Option<String>,
    sub_type: Option<String>,
    remote_addr: Option<String>,
    user_agent: Option<String>,
    body: String,
}

/// Returns a description of the request.
#[route("/test/request", methods = ["GET", "POST", "PUT"])]
pub(crate) async fn request(was: Was) -> Told {
    let request = &was.request;
    // Clients do not send the fragment, the part after `#`.
    let (path, params, query, _) = request.split_uri();
    Told {
        content_length: request.get_header("content-length").map(str::to_owned),
        headers: request.get_headers().map(|(name, value)| (name.to_owned(), value.into_owned())).collect(),
        command: request.command(),
        version: request.version(),
        uri: request.uri().to_owned(),
        path: path.to_owned(),
        params: params.map(str::to_owned),
        query: query.map(str::to_owned),
        content_type: request.get_content_type().map(str::to_owned),
        main_type: request.get_main_type().map(str::to_owned),
        sub_type: request.get_sub_type().map(str::to_owned),
        remote_addr: request.get_remote_addr().map(|address| address.to_string()),
        user_agent: request.get_user_agent().map(str::to_owned),
        body: String::from_utf8_lossy(request.body()).into_owned(),
    }
}

/// The request under the names of CGI. It contains nothing of the process's own environment.
#[route("/test/env")]
pub(crate) async fn environment(was: Was) -> Env {
    was.env()
}
