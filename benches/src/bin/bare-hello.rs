//! actix-web's "Hello World": what a request costs before anybody adds anything. `bare-hello THREADS PORT`
//!
//! Beside it two routes that read the body of a call and answer what `add(1200, 34)` is answered, without looking at
//! it: what a call by RPC costs before anybody understands it.
//!
//! With `BARE_TLS=FOLDER` it speaks TLS by actix-web's own acceptor, with `site.pem` and `site.key` in there. With
//! `BARE_KEEP_ALIVE=SECONDS` a connection may rest for so long.

use std::io;
use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, web};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const XML: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<methodResponse><params><param><value><int>1234</int></value></param></params></methodResponse>"
);
const JSON: &str = r#"{"jsonrpc":"2.0","result":1234,"id":1}"#;
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

fn main() -> std::io::Result<()> {
    let (threads, [port]) = benches::arguments()?;
    actix_rt::System::new().block_on(async move {
        let app = || {
            App::new()
                .route("/hello", web::get().to(hello))
                .route("/RPC2", web::post().to(xml))
                .route("/rpc", web::post().to(json))
        };
        let rest = std::time::Duration::from_secs(benches::setting("BARE_KEEP_ALIVE", 5) as u64);
        let server = HttpServer::new(app).workers(threads).keep_alive(rest);
        let address = ("127.0.0.1", port);
        let server = match std::env::var_os("BARE_TLS") {
            Some(folder) => server.bind_rustls_0_23(address, over_tls(Path::new(&folder))?)?,
            None => server.bind(address)?,
        };
        server.run().await
    })
}

fn over_tls(folder: &Path) -> io::Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.join("site.pem")).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(folder.join("site.key")).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    config.with_no_client_auth().with_single_cert(vec![certificate], key).map_err(io::Error::other)
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HTML)).body("Hello World")
}

async fn xml(body: Bytes) -> HttpResponse {
    std::hint::black_box(body);
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))).body(XML)
}

async fn json(body: Bytes) -> HttpResponse {
    std::hint::black_box(body);
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json-rpc"))).body(JSON)
}
