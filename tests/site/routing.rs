//! An app of rules that could be taken for each other, which is mounted where a test says, and tells of its links.

use skitai::prelude::*;

/// An object that says when it is let go.
struct Kept(&'static str);

impl Drop for Kept {
    fn drop(&mut self) {
        eprintln!("{} was let go", self.0);
    }
}

pub(crate) fn app() -> App {
    App::new("routed")
        .template(
            "links.html",
            r#"<a href="{{ url_for(route="two", n=n, word=word, more="x y") }}">{{ url_for(route=route) }}</a>"#,
        )
        .startup(|wasc| {
            eprintln!("routed starts");
            wasc.register("kept", Kept("what was registered"))?;
            wasc.register("number", 7_i64)
        })
        .shutdown(|wasc| {
            eprintln!("routed ends with {}", wasc.get::<i64>("number")?);
            if !wasc.unregister("number") || wasc.get::<i64>("number").is_ok() {
                return Err(Error::internal("the number is still there"));
            }
            Ok(())
        })
        .routes(routes![root, by_word, exact, two, any, deep, put, links, link, objects, waits])
}

/// Fails to start where its test says so: what it registers is registered already.
pub(crate) fn failing() -> App {
    App::new("failing").startup(|wasc| match std::env::var_os("TESTSITE_FAILS") {
        Some(_) => wasc.register("number", 8_i64),
        None => Ok(()),
    })
}

#[route("/")]
async fn root() -> &'static str {
    "root"
}

#[route("/word/<word>", name = "word")]
async fn by_word(word: String) -> String {
    format!("word {word}")
}

// After the pattern that would take it, too.
#[route("/word/exact")]
async fn exact() -> &'static str {
    "exact"
}

#[route("/two/<int:n>/<word>")]
async fn two(n: i64, word: String) -> String {
    format!("two {n} {word}")
}

#[route("/any/<path:rest>")]
async fn any(rest: String) -> String {
    format!("any {rest}")
}

#[route("/deep/<float:x>/end")]
async fn deep(x: f64) -> String {
    format!("deep {x}")
}

#[route("/put", methods = ["PUT", "DELETE"])]
async fn put(was: Was) -> String {
    was.request.command()
}

/// A page with two links.
#[route("/links")]
async fn links(n: Value, word: String, #[arg(default = "root")] route: String) -> Page {
    Page::new("links.html").with("n", n).with("word", word).with("route", route)
}

/// The link to a route with these arguments (a JSON array or object), and where it leads.
#[route("/link")]
async fn link(was: Was, to: String, arguments: Json<Value>) -> Result<String> {
    match to.as_str() {
        "the function two" => was.url_for(two {}, arguments.0),
        // Of another app.
        "the function notes" => was.url_for(crate::hooks::notes {}, arguments.0),
        name => was.url_for(name, arguments.0),
    }
}

/// What was registered, asked for as another type and under another name as well.
#[route("/objects")]
async fn objects(was: Was) -> Result<[String; 3]> {
    let number = *was.registered::<i64>("number")?;
    let other = was.registered::<String>("number").err().map(|error| error.to_string());
    let none = was.registered::<i64>("nothing").err().map(|error| error.to_string());
    Ok([number.to_string(), other.unwrap_or_default(), none.unwrap_or_default()])
}

#[route("/waits")]
async fn waits(was: Was) -> Result<i64> {
    // Nobody answers there: it is the time that is wanted.
    let _ = was.map("silent").call("x", ()).getswait(secs(1)).await;
    Ok(*was.registered::<i64>("number")?)
}
