//! What a handler sees of its request, what it may set on its reply, and the cookies of both.

use std::time::SystemTime;

use serde::Serialize;
use skitai::app::Env;
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new().routes(routes![asked, env, respond, error, abort, away, headers, bake, jar])
}

#[derive(Serialize)]
struct Asked {
    remote: Option<String>,
    peer: Option<String>,
    local: bool,
    secure: bool,
    scheme: &'static str,
    command: String,
    method: String,
    version: &'static str,
    uri: String,
    split: [Option<String>; 4],
    kind: Option<String>,
    main: Option<String>,
    sub: Option<String>,
    agent: Option<String>,
    odd: Option<String>,
    count: usize,
    body: usize,
}

#[route("/asked", methods = ["GET", "POST", "PUT"])]
async fn asked(was: Was) -> Asked {
    let request = &was.request;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (path, params, query, fragment) = request.split_uri();
    Asked {
        remote: request.get_remote_addr().map(|address| address.to_string()),
        peer: request.get_peer_addr().map(|address| address.to_string()),
        local: request.is_local(),
        secure: request.is_secure(),
        scheme: request.scheme(),
        command: request.command(),
        method: request.method().to_owned(),
        version: request.version(),
        uri: request.uri().to_owned(),
        split: [Some(path), params, query, fragment].map(owned),
        kind: owned(request.get_content_type()),
        main: owned(request.get_main_type()),
        sub: owned(request.get_sub_type()),
        agent: owned(request.get_user_agent()),
        odd: owned(request.get_header("X-Odd")),
        count: request.get_headers().count(),
        body: request.body().len(),
    }
}

#[route("/env/<path:rest>")]
async fn env(was: Was, rest: String) -> Env {
    assert!(!rest.is_empty());
    was.env()
}

/// Status and headers as the query wishes: `how` is what is done with the header.
#[route("/respond")]
async fn respond(was: Was, #[arg(default = 200)] status: u16) -> String {
    let response = &was.response;
    response.reply(status);
    response.set("X-Twice", "1");
    response.set("x-twice", "2");
    response.set("X-Once", "1");
    response.update("x-once", "2");
    response.set("X-Gone", "1");
    response.delete("x-GONE");
    response.update("content-type", "text/plain");
    let seen = (response.get("x-ONCE"), response.get("X-Twice"), response.has("x-gone"), response.has("x-once"));
    format!("{seen:?}")
}

#[route("/error")]
async fn error(was: Was, status: u16, #[arg(default = "")] why: String) -> Result<&'static str> {
    Err(was.response.error(status, why))
}

#[route("/abort")]
async fn abort(was: Was, status: u16) -> Result<&'static str> {
    Err(was.response.abort(status, "not from there"))
}

#[route("/away")]
async fn away(was: Was, to: String) -> Response {
    was.response.set("x-beside", "kept");
    was.response.redirect(to)
}

/// A header as the client wishes it.
#[route("/headers")]
async fn headers(was: Was, name: String, value: String) -> &'static str {
    was.response.set(&name, value);
    "sent"
}

/// One cookie as the query wishes it.
#[route("/bake")]
async fn bake(
    was: Was,
    name: String,
    #[arg(default = "")] value: String,
    max_age: Option<u64>,
    expires: Option<u64>,
    path: Option<String>,
    domain: Option<String>,
    site: Option<String>,
    #[arg(default = "")] flags: String,
) -> Result<Option<String>> {
    let mut cookie = Cookie::new(&name, value);
    if let Some(seconds) = max_age {
        cookie = cookie.max_age(Duration::from_secs(seconds));
    }
    if let Some(seconds) = expires {
        cookie = cookie.expires(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    }
    if let Some(path) = path {
        cookie = cookie.path(path);
    }
    if let Some(domain) = domain {
        cookie = cookie.domain(domain);
    }
    match site.as_deref() {
        Some("strict") => cookie = cookie.same_site(SameSite::Strict),
        Some("none") => cookie = cookie.same_site(SameSite::None),
        _ => {}
    }
    cookie = cookie.http_only(flags.contains("http_only")).secure(flags.contains("secure"));
    if flags.contains("delete") {
        cookie = Cookie::expired(&name);
    }
    was.cookie.put(cookie).map_err(|error| Error::new(500, error.to_string()))?;
    Ok(was.cookie.get(&name))
}

/// What the client sent.
#[route("/jar")]
async fn jar(was: Was, #[arg(default = false)] clear: bool) -> Vec<(String, String)> {
    let items = was.cookie.items();
    if clear {
        was.cookie.clear();
    }
    items
}
