//! What a handler learns of names, identifiers and the login of `admin`.

use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new().routes(routes![whole, identified, framed, admitted])
}

/// The id of the request.
#[route("/identified")]
async fn identified(was: Was) -> String {
    was.request.id().to_owned()
}

/// Says by itself who may frame it.
#[route("/framed")]
async fn framed(was: Was) -> &'static str {
    was.response.update("x-frame-options", "DENY");
    "framed"
}

/// Whether the client is `admin`.
#[route("/admitted")]
async fn admitted(was: Was) -> String {
    was.is_admin().await.to_string()
}

/// Whole addresses.
#[route("/whole")]
async fn whole(was: Was) -> Result<Vec<String>> {
    let env = was.env();
    let name = env.get("SERVER_NAME").unwrap_or_default().to_owned();
    Ok(vec![was.full_url_for(whole {}, ())?, was.base_url(), name])
}
