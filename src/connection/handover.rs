//! A connection that a CONNECT takes over: from then on its octets are not HTTP, and whoever took it moves them and
//! ends it, each half by itself. It stays in the list of its thread meanwhile, as a socket.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;

use super::Service;
use super::driver::Driver;
use super::ending::End;
use super::list::Serves;
use super::reply::ReplyTo;
use super::transport::Transport;

/// What becomes of a connection that was taken over; it has ended when this is ready, or dropped.
pub(crate) type Handled = Pin<Box<dyn Future<Output = ()>>>;
type TakeOver = Box<dyn FnOnce(HandedSocket) -> Handled>;

/// In the extensions of a CONNECT: a service that takes the connection over says so here, and its reply is not sent.
#[derive(Clone, Default)]
pub(crate) struct Handover(Rc<RefCell<Option<TakeOver>>>);

/// The socket of a connection that was taken over.
#[derive(Debug)]
pub(crate) struct HandedSocket {
    pub(crate) transport: Transport,
    /// The head of the answer, which is to be sent first.
    pub(crate) answer: &'static [u8],
    /// What the client has sent behind its request.
    pub(crate) ahead: Bytes,
}

impl Handover {
    pub(crate) fn take_over(&self, by: impl FnOnce(HandedSocket) -> Handled + 'static) {
        *self.0.borrow_mut() = Some(Box::new(by));
    }

    pub(super) fn taken(&self) -> Option<TakeOver> {
        self.0.borrow_mut().take()
    }
}

impl<S: Service> Driver<S> {
    /// Hands the socket over until it has ended.
    pub(super) async fn hand_over(&mut self, by: TakeOver, reply_to: ReplyTo) -> End {
        self.listed.replies(Serves::Socket);
        let Some((transport, ahead)) = self.queues.borrow_mut().take_socket() else { return End::Cut };
        let answer: &[u8] = match reply_to.is_1_0 {
            true => b"HTTP/1.0 200 Connection established\r\n\r\n",
            false => b"HTTP/1.1 200 Connection established\r\n\r\n",
        };
        by(HandedSocket { transport, answer, ahead }).await;
        End::Cut
    }
}
