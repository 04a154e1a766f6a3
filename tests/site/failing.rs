//! Handlers that say much about a success and then fail, each in a way of its own.

use skitai::prelude::*;

/// Headers of a success, and some that are as true of an error.
fn describe(was: &Was) {
    for (name, value) in [
        ("Cache-Control", "public, max-age=86400"),
        ("CDN-Cache-Control", "max-age=600"),
        ("Content-Type", "text/csv"),
        ("Content-Disposition", "attachment; filename=report.csv"),
        ("Content-Language", "de"),
        ("Content-Encoding", "br"),
        ("Content-Location", "/report.csv"),
        ("ETag", "\"1\""),
        ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT"),
        ("Accept-Ranges", "bytes"),
        ("Link", "</next>; rel=next"),
        ("Location", "/report/7"),
        ("X-Accel-Redirect", "/internal/report.csv"),
        ("WWW-Authenticate", "Basic"),
        ("Retry-After", "7"),
        ("Vary", "Accept-Language"),
        ("X-Own", "stays"),
        ("Content-Security-Policy", "default-src 'self'"),
        ("Strict-Transport-Security", "max-age=7"),
        ("Access-Control-Allow-Origin", "*"),
    ] {
        was.response.set(name, value);
    }
    was.response.reply(201);
    was.cookie.set("kept", "yes").expect("a good name");
}

#[route("/report", deadline = 0.4)]
async fn report(was: Was, how: String) -> Result<Either<Response, String>> {
    describe(&was);
    match how.as_str() {
        "error" => Err(Error::new(404, "no such report")),
        "internal" => Err(Error::internal("the disk is gone")),
        "panic" => panic!("on purpose, in a report"),
        "late" => std::future::pending().await,
        "private" => {
            was.response.update("cache-control", "private, NO-STORE");
            Err(Error::new(403, "not yours"))
        }
        "file" => Ok(Either::Left(Response::file("/nonexistent/report.csv"))),
        _ => Ok(Either::Right("a,b\n".to_owned())),
    }
}

/// A plain `fn` that fails.
#[route("/plain-report")]
fn plain_report(was: Was) -> Result<String> {
    describe(&was);
    Err(Error::new(410, "gone"))
}

#[route("/two")]
async fn two(one: i64, other: i64) -> i64 {
    one + other
}

#[route("/coded")]
async fn coded() -> Result<String> {
    Err(Error::new(409, "already there").with_code(4711))
}

pub(crate) fn app() -> App {
    let torn = Package::at("/torn")
        .before_request(|was: Was| async move { was.response.set("etag", "\"of a hook\"") })
        .teardown_request(|was: Was, _: Failure| async move { was.response.set("cache-control", "max-age=5") })
        .routes(routes![report]);
    let after = Package::at("/after")
        .after_request(|was: Was| async move {
            was.response.set("expires", "0");
            Err::<(), _>(Error::new(500, "after failed"))
        })
        .routes(routes![report]);
    App::new("flawed").routes(routes![report, plain_report, two, coded]).package(torn).package(after)
}
