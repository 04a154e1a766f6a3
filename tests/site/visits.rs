//! An app with sessions, and one that is guarded against forged requests.

use skitai::prelude::*;

pub(crate) fn app() -> App {
    App::new("visits").use_session(true).routes(routes![remember, recall, fill, forget])
}

pub(crate) fn guarded() -> App {
    App::new("guarded")
        .use_session(true)
        .before_request(skitai::app::csrf)
        .template("form.html", "<input type=\"hidden\" name=\"csrf_token\" value=\"{{ csrf_token }}\">")
        .routes(routes![token, form, send, file, anew])
}

pub(crate) fn sessionless() -> App {
    App::new("sessionless").before_request(skitai::app::csrf).routes(routes![token, send])
}

#[route("/remember")]
async fn remember(was: Was, name: String, value: String) -> Result<()> {
    was.session.set(&name, value)
}

#[route("/recall")]
async fn recall(was: Was, name: String) -> Option<String> {
    was.session.get(&name)
}

/// So many bytes into the session.
#[route("/fill")]
async fn fill(was: Was, bytes: usize) -> Result<&'static str> {
    was.session.set("much", "x".repeat(bytes))?;
    Ok("kept")
}

#[route("/forget")]
async fn forget(was: Was) -> Vec<String> {
    let names = was.session.names();
    was.session.clear();
    names
}

#[route("/token", methods = ["GET"])]
async fn token(was: Was) -> Result<String> {
    was.csrf_token()
}

#[route("/form", methods = ["GET"])]
async fn form() -> Page {
    Page::new("form.html").with_csrf()
}

#[route("/send", methods = ["POST", "PUT", "DELETE"])]
async fn send(#[arg(default = "nothing")] text: String) -> String {
    format!("sent {text}")
}

#[route("/file", methods = ["POST"])]
async fn file(file: Upload) -> String {
    format!("{} bytes", file.size())
}

/// A session that begins anew: its older tokens are void.
#[route("/anew", methods = ["GET"])]
async fn anew(was: Was) -> Result<String> {
    was.session.clear();
    was.csrf_token()
}
