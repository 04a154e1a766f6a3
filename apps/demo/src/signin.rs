//! Cookies and sessions: a session is a sealed cookie that only the server can read and change.

use skitai::prelude::*;

/// Signs in `hansroh`; other names are refused.
#[route("/test/signin")]
pub(crate) async fn sign_in(was: Was, username: String) -> Result<String> {
    if let Some(known) = was.session.get::<String>("username") {
        return Ok(format!("Already signed in as {known}"));
    }
    if username != "hansroh" {
        return Err(Error::new(403, "Sorry, you have no permission"));
    }
    was.cookie.set("username", &username)?;
    was.session.set("username", &username)?;
    Ok(format!("Welcome {username}"))
}

/// Signs out.
#[route("/test/signout")]
pub(crate) async fn sign_out(was: Was) -> Result<String> {
    let known = was.session.get::<String>("username");
    was.session.del("username");
    was.cookie.delete("username")?;
    Ok(match known {
        Some(username) => format!("{username}, signed out"),
        None => "Nobody was signed in".to_owned(),
    })
}
