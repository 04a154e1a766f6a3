//! What a handler learns of names, identifiers and the login of `admin`.

use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new().routes(routes![whole])
}

/// Whole addresses.
#[route("/whole")]
async fn whole(was: Was) -> Result<Vec<String>> {
    let env = was.env();
    let name = env.get("SERVER_NAME").unwrap_or_default().to_owned();
    Ok(vec![was.full_url_for(whole {}, ())?, was.base_url(), name])
}
