//! What a handler learns of TLS.

use serde::Serialize;
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::at("/tls").routes(routes![seen, big])
}

#[derive(Serialize)]
struct Seen {
    is_secure: bool,
    url: String,
    https: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    env_subject: Option<String>,
}

#[route("/seen")]
async fn seen(was: Was) -> Result<Seen> {
    let certificate = was.request.client_certificate();
    let env = was.env();
    Ok(Seen {
        is_secure: was.request.is_secure(),
        url: was.full_url_for(seen {}, ())?,
        https: env.get("HTTPS").map(str::to_owned),
        subject: certificate.map(|certificate| certificate.subject().to_owned()),
        issuer: certificate.map(|certificate| certificate.issuer().to_owned()),
        env_subject: env.get("SSL_CLIENT_S_DN").map(str::to_owned),
    })
}

/// More than fits into the buffers of a connection.
#[route("/big")]
async fn big() -> String {
    "0123456789abcdef".repeat(256 << 10)
}
