//! A WebSocket that echoes its messages. Routes cannot express it, so it is a service of actix-web.

use actix_ws::{AggregatedMessage, CloseCode};
use skitai::actix_web::web::{self, Payload};
use skitai::actix_web::{self, HttpRequest, HttpResponse};
use skitai::prelude::*;

/// The services, for [`App::actix`].
pub(crate) fn services(services: &mut web::ServiceConfig) {
    services.route("/websocket/echo", web::get().to(echo));
}

/// The largest message that is taken, in one frame or in several.
const LARGEST: usize = 2 << 20;

async fn echo(request: HttpRequest, body: Payload, closing: Closing) -> actix_web::Result<HttpResponse> {
    let (answer, mut session, messages) = actix_ws::handle(&request, body)?;
    let messages = messages.max_frame_size(LARGEST).aggregate_continuations().max_continuation_size(LARGEST);
    let mut messages = messages.take_until(closing.clone());
    skitai::actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                AggregatedMessage::Text(text) => session.text(text).await,
                AggregatedMessage::Binary(octets) => session.binary(octets).await,
                AggregatedMessage::Ping(octets) => session.pong(&octets).await,
                AggregatedMessage::Close(reason) => return drop(session.close(reason).await),
                AggregatedMessage::Pong(_) => Ok(()),
            };
            if sent.is_err() {
                // The client has left.
                return;
            }
        }
        if closing.has_begun() {
            // 1001: the server goes away, and the client may connect again.
            drop(session.close(Some(CloseCode::Away.into())).await);
        }
    });
    Ok(answer)
}
