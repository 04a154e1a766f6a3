//! Calls to a URL: a page, a form, a form with a file, a method.
//!
//! They call only members of the demo: a page that fetches any URL it is given lets its clients reach everything that
//! the server can reach.

use skitai::prelude::*;

/// The address of the demo's least busy member.
async fn member(was: &Was) -> Result<String> {
    let asked = was.lb("mysearch").get().getwait(secs(2)).await;
    let address = format!("http://{}", asked.node);
    asked.ok()?;
    Ok(address)
}

/// Fetches a page and shows its text.
#[route("/test/wget")]
pub(crate) async fn wget(was: Was) -> Result<String> {
    let s = was.wget(&format!("{}/", member(&was).await?)).get();
    let rs = s.getwait(secs(2)).await;
    if rs.status != Status::Completed {
        return Ok("Error".to_owned());
    }
    let text = rs.data.as_str().unwrap_or("").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Ok(format!("<pre>{text}</pre>"))
}

/// Posts a form.
#[route("/test/post")]
pub(crate) async fn post(was: Was) -> Result<Value> {
    let s = was.wget(&format!("{}/order", member(&was).await?)).post(&[("cid", "555"), ("cname", "Skitai Corp")]);
    Ok(s.getwait(secs(2)).await.ok()?)
}

/// Posts a form with a file.
#[route("/test/multipart")]
pub(crate) async fn multipart(was: Was) -> Result<Value> {
    let parts = [
        Part::field("cid", "555"),
        Part::field("cname", "Skitai Corp"),
        Part::file("file", "logo.gif", &b"GIF89a"[..]).content_type("image/gif"),
    ];
    let s = was.wget(&format!("{}/keep", member(&was).await?)).upload(&parts);
    Ok(s.getwait(secs(2)).await.ok()?)
}

/// Calls a method.
#[route("/test/rpc")]
pub(crate) async fn rpc(was: Was) -> Result<Value> {
    let s = was.rpc(&format!("{}/rpc2", member(&was).await?)).call("search", ("Beethoven",));
    Ok(s.getwait(secs(2)).await.ok()?)
}
