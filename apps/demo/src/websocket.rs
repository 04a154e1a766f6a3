//! What routes have no words for is a service of actix-web's: here a WebSocket that says everything back.

use actix_ws::Message;
use skitai::actix_web::web::{self, Payload};
use skitai::actix_web::{self, HttpRequest, HttpResponse};
use skitai::prelude::*;

/// The services, for [`App::actix`].
pub(crate) fn services(services: &mut web::ServiceConfig) {
    services.route("/websocket/echo", web::get().to(echo));
}

async fn echo(request: HttpRequest, body: Payload) -> actix_web::Result<HttpResponse> {
    let (answer, mut session, mut messages) = actix_ws::handle(&request, body)?;
    skitai::actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(octets) => session.binary(octets).await,
                Message::Ping(octets) => session.pong(&octets).await,
                Message::Close(reason) => return drop(session.close(reason).await),
                _ => Ok(()),
            };
            if sent.is_err() {
                // The client has left.
                return;
            }
        }
    });
    Ok(answer)
}
