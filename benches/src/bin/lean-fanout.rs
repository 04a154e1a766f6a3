//! A fan-out to XML-RPC members, hand-written for this one purpose: the client options of Skitai's clusters, one timer
//! for all members, the same documents sent and read. `lean-fanout THREADS PORT MEMBER…`
//!
//! In the environment, for calls that are meant to hang: `WITHIN` seconds to wait, `CONNECTIONS` per member.

use std::time::{Duration, Instant};

use actix_web::error::{ErrorBadGateway, ErrorGatewayTimeout, ErrorInternalServerError};
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use actix_web::web::{Data, Query};
use actix_web::{App, HttpResponse, HttpServer, Result, web};
use awc::http::Uri;
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde::Deserialize;
use skitai_wire::{Limits, Value, xmlrpc};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As the demo's handler waits, in seconds.
const WITHIN: usize = 2;
/// What a member is told is left of a request's 30 s, less the reserve to merge, in milliseconds.
const LEFT: u64 = 29_950;
/// The defaults of a cluster: time to dial, life of an idle connection, connections per member, largest answer.
const CONNECT: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 100;
const MAX_ANSWER: usize = 16 << 20;

/// One worker's client and whom it asks.
struct Members {
    client: awc::Client,
    members: Vec<(Uri, HeaderValue)>,
    within: Duration,
}

#[derive(Deserialize)]
struct Asked {
    keyword: String,
}

fn main() -> std::io::Result<()> {
    let (threads, port, members) = benches::arguments_and_members()?;
    let connections = benches::setting("CONNECTIONS", CONNECTIONS) / threads;
    let within = Duration::from_secs(benches::setting("WITHIN", WITHIN) as u64);
    // awc's builder asks for a TLS provider even where it will never speak TLS. The first call wins, no other is made.
    drop(rustls::crypto::ring::default_provider().install_default());
    actix_rt::System::new().block_on(async move {
        HttpServer::new(move || {
            App::new()
                .app_data(Data::new(Members::new(&members, connections, within)))
                .route("/search", web::get().to(search))
        })
        .workers(threads)
        .bind(("127.0.0.1", port))?
        .run()
        .await
    })
}

async fn search(asked: Query<Asked>, members: Data<Members>) -> Result<HttpResponse> {
    let began = Instant::now();
    let body = xmlrpc::write_call("search", &(&asked.keyword,)).map_err(ErrorInternalServerError)?;
    let body = Bytes::from(body);
    let left =
        HeaderValue::from(u64::try_from(began.elapsed().as_millis()).map_or(0, |gone| LEFT.saturating_sub(gone)));
    let asking = try_join_all(members.members.iter().map(|member| members.ask(member, body.clone(), left.clone())));
    let found = tokio::time::timeout(members.within, asking).await.map_err(ErrorGatewayTimeout)??;
    let found: Vec<Value> = found.into_iter().flatten().collect();
    let found = serde_json::to_vec(&found).map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(found))
}

impl Members {
    fn new(ports: &[u16], connections: usize, within: Duration) -> Members {
        let limit = ports.len() * connections;
        let connector = awc::Connector::new().timeout(CONNECT).limit(limit).conn_keep_alive(KEEP_ALIVE);
        let client =
            awc::Client::builder().connector(connector).disable_timeout().no_default_headers().disable_redirects();
        let members = ports.iter().map(|port| {
            let host = format!("127.0.0.1:{port}");
            let uri = format!("http://{host}/RPC2").parse().expect("an address and a path are a URI");
            (uri, host.parse().expect("digits and dots can be a header"))
        });
        Members { client: client.finish(), members: members.collect(), within }
    }

    async fn ask(&self, (uri, host): &(Uri, HeaderValue), body: Bytes, left: HeaderValue) -> Result<Vec<Value>> {
        let mut sending = self.client.post(uri.clone()).no_decompress();
        sending.headers_mut().insert(HOST, host.clone());
        sending.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        sending.headers_mut().insert(HeaderName::from_static("x-request-timeout-ms"), left);
        let mut answer = sending.send_body(body).await.map_err(|error| ErrorBadGateway(error.to_string()))?;
        let body = answer.body().limit(MAX_ANSWER).await.map_err(ErrorBadGateway)?;
        if answer.status() != 200 {
            return Err(ErrorBadGateway(answer.status()));
        }
        let found = xmlrpc::parse_response(&body, &Limits::default()).map_err(ErrorBadGateway)?;
        Ok(found.map_err(ErrorBadGateway)?.into_list())
    }
}
