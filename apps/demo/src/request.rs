//! What the client sent: method, version, target, headers, body.

use serde::Serialize;
use skitai::prelude::*;

/// What there is to know of a request.
#[derive(Serialize)]
pub(crate) struct Told {
    content_length: Option<String>,
    headers: Vec<(String, String)>,
    command: String,
    version: &'static str,
    uri: String,
    content_type: Option<String>,
    remote_addr: Option<String>,
    user_agent: Option<String>,
    body: String,
}

/// Tells a request back to who sent it.
#[route("/test/request", methods = ["GET", "POST", "PUT"])]
pub(crate) async fn request(was: Was) -> Told {
    let request = &was.request;
    Told {
        content_length: request.get_header("content-length").map(str::to_owned),
        headers: request.get_headers().map(|(name, value)| (name.to_owned(), value.into_owned())).collect(),
        command: request.command(),
        version: request.version(),
        uri: request.uri().to_owned(),
        content_type: request.get_content_type().map(str::to_owned),
        remote_addr: request.get_remote_addr().map(|address| address.to_string()),
        user_agent: request.get_user_agent().map(str::to_owned),
        body: String::from_utf8_lossy(request.body()).into_owned(),
    }
}
