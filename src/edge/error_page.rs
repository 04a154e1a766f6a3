//! The page of an error: the app's own, else the built-in one; in devel mode, for clients on this machine, a detailed
//! one.
//!
//! In this order:
//!
//! 1. in devel mode, for a browser and an error of the server (5xx): the detailed page with source, arguments and
//!    calls;
//! 2. the reply of the app's [`on_error`](crate::App::on_error);
//! 3. for a browser, the app's template `errors/404.html` (the status), else its `errors/error.html`;
//! 4. in devel mode, for a browser and any other error: the detailed page;
//! 5. the built-in page for a browser, JSON for any other client.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde_json::json;
use tera::{Context, Tera};

use super::thread::ServingThread;
use super::{partial, problem, respond};
use crate::app::error::place::is_foreign;
use crate::app::trail::waterfall;
use crate::app::{Error, Excerpt, Failure, TemplateError, Was};
use crate::observe::log::one_line;
use crate::observe::panics::{Panicked, catch};

/// The built-in pages.
static PAGES: LazyLock<Tera> = LazyLock::new(|| {
    let mut pages = Tera::default();
    let added = pages.add_raw_templates([
        ("base.css", include_str!("../../templates/own/base.css")),
        ("layout.html", include_str!("../../templates/errors/layout.html")),
        ("error.html", include_str!("../../templates/errors/error.html")),
        ("devel.html", include_str!("../../templates/errors/devel.html")),
        (waterfall::NAME, waterfall::COMPONENT),
    ]);
    added.expect("the built-in pages are tested");
    pages
});

/// The reply to an error of a request that has an app.
pub(crate) async fn reply(thread: &ServingThread, was: &Was, error: &Error) -> HttpResponse {
    let devel = was.shows_devel();
    let accept = was.request.get_header("accept");
    let html = respond::wants_html(accept) && !problem::is_wanted(accept);
    let reader = was.audience();
    let failure = Failure::of(error, reader);
    let own = if devel && html && error.status() >= 500 { None } else { of_app(thread, was, &failure, html).await };
    let made = own.unwrap_or_else(|| match devel && html {
        true => respond::page(error, telling(was, error, &failure)),
        false => respond::error(error, accept, reader, was.has_coverage_in_body().then(|| partial::body(was)).as_ref()),
    });
    respond::mark(made, error)
}

/// The app's own page for this error, if it has one.
async fn of_app(thread: &ServingThread, was: &Was, failure: &Failure, html: bool) -> Option<HttpResponse> {
    let app = was.app();
    let answer = app.on_error().and_then(|own| match catch(|| own.answer(was, failure)) {
        Ok(answer) => answer,
        Err(panicked) => {
            tracing::error!(uri = was.request.uri(), "on_error: {}", one_line(&panicked.to_string()));
            None
        }
    });
    if let Some(answer) = answer {
        return respond::in_place_of(thread, was, answer, failure.status).await;
    }
    let names = [format!("errors/{}.html", failure.status), "errors/error.html".to_owned()];
    let name = names.iter().filter(|_| html).find(|name| app.templates().has(name))?;
    match app.templates().render(name, failure) {
        Ok(text) => Some(respond::html(failure.status, text)),
        Err(error) => {
            tracing::error!(uri = was.request.uri(), "{name}: {}", one_line(&error.to_string()));
            None
        }
    }
}

/// The built-in page.
pub(crate) fn plain(failure: &Failure) -> String {
    written("error.html", &json!({ "failure": failure }))
}

/// The detailed page.
fn telling(was: &Was, error: &Error, failure: &Failure) -> String {
    let route = was.definition();
    let trail = waterfall::of(was);
    let mut headers: Vec<(&str, String)> =
        was.request.get_headers().map(|(name, value)| (name, shown(name, &value))).collect();
    // Their table has another order in each process.
    headers.sort_by_key(|header| header.0);
    let table = was.app().table();
    let routes: Vec<_> = match error.status() {
        404 | 405 => table.entries().iter().map(|entry| (entry.route.methods.join(", "), &entry.rule)).collect(),
        _ => Vec::new(),
    };
    let takes = route.params.iter().filter(|param| param.is_wire());
    let takes: Vec<_> =
        takes.map(|param| json!([param.name, param.kind.word(), param.required, param.default])).collect();
    let places = places(error);
    let handler = (!route.function.is_empty()).then(|| {
        let mut at = Excerpt::of_source(route.file, route.line as usize, 1);
        if !places.is_empty() {
            at.lines.clear();
        }
        json!({ "function": format!("{}::{}", route.module, route.function), "rule": route.rule, "at": at, "takes": takes })
    });
    let details = json!({
        "failure": failure,
        "places": places,
        "handler": handler,
        "app": was.app().name(),
        "method": was.request.method(),
        "uri": was.request.uri(),
        "remote": was.request.client_addr().map(|client| match client.address() {
            Some(address) => address.ip().to_string(),
            None => client.to_string(),
        }),
        "headers": headers,
        "trail": trail,
        "routes": routes,
        "restart": was.restart_needed(),
    });
    written("devel.html", &details)
}

/// The places of the error: in a template, of a panic, or where the error was made; this crate's own sources are left
/// out.
fn places(error: &Error) -> Vec<Excerpt> {
    let mut places = Vec::new();
    let cause = error.cause();
    if let Some(template) = cause.and_then(|cause| cause.downcast_ref::<TemplateError>()) {
        places.extend(template.place().cloned());
    }
    let panicked = cause.and_then(|cause| cause.downcast_ref::<Panicked>()).and_then(|panicked| {
        let (place, column) = panicked.place.rsplit_once(':')?;
        let (file, line) = place.rsplit_once(':')?;
        Some(Excerpt::of_source(file, line.parse().ok()?, column.parse().ok()?))
    });
    match panicked {
        Some(panicked) => places.push(panicked),
        None if !is_foreign(error.place().file()) => places.push(Excerpt::at(error.place())),
        None => {}
    }
    places
}

/// A header's value; credentials are hidden.
fn shown(name: &str, value: &str) -> String {
    match name {
        "authorization" | "proxy-authorization" | "cookie" => "(hidden)".to_owned(),
        _ => value.to_owned(),
    }
}

fn written(name: &str, values: &serde_json::Value) -> String {
    let rendered = Context::from_serialize(values).and_then(|context| PAGES.render(name, &context));
    rendered.unwrap_or_else(|error| {
        tracing::error!("{name}: {}", one_line(&error.to_string()));
        "<!doctype html><title>Error</title><h1>Error</h1>\n".to_owned()
    })
}
