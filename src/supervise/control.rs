//! The control socket: commands come in, answers go out. Nobody waits for a client.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use rustix::net::sockopt::socket_peercred;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use crate::ipc::Line;
use crate::ipc::messages::{ControlAnswer, ControlRequest};

/// The most clients at a time; further ones are closed at once.
const CLIENTS: usize = 32;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names a client as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientId(u64);

#[derive(Debug)]
pub(super) struct Control {
    pub(super) listener: UnixListener,
    pub(super) clients: Vec<ControlClient>,
    next: u64,
}

#[derive(Debug)]
pub(super) struct ControlClient {
    pub(super) id: ClientId,
    pub(super) line: Line,
    since: Instant,
    pub(super) has_asked: bool,
    pub(super) is_answered: bool,
}

impl Control {
    pub(super) fn new(listener: UnixListener) -> Control {
        Control { listener, clients: Vec::new(), next: 0 }
    }

    /// Adds a client that an earlier program of this process had.
    pub(super) fn adopt(&mut self, id: ClientId, line: Line, has_asked: bool, is_answered: bool) {
        self.next = self.next.max(id.0);
        self.clients.push(ControlClient { id, line, since: Instant::now(), has_asked, is_answered });
    }

    fn add(&mut self, line: Line) {
        self.next += 1;
        let id = ClientId(self.next);
        self.clients.push(ControlClient { id, line, since: Instant::now(), has_asked: false, is_answered: false });
    }

    /// Accepts who waits, and reads what clients ask for.
    pub(super) fn hear(&mut self, identity: Option<&Identity>) -> Vec<(ClientId, ControlRequest)> {
        while let Ok((socket, _)) = self.listener.accept() {
            let uid = socket_peercred(socket.as_fd()).map(|peer| peer.uid.as_raw());
            let may = uid.is_ok_and(|uid| {
                uid == 0 || uid == geteuid().as_raw() || identity.is_some_and(|identity| identity.uid == uid)
            });
            if !may || self.clients.len() >= CLIENTS || socket.set_nonblocking(true).is_err() {
                tracing::warn!(?uid, "a connection to the control socket is refused");
                continue;
            }
            self.add(Line::from(socket));
        }
        let mut asked = Vec::new();
        self.clients.retain_mut(|client| {
            if client.line.flush().is_err() || client.line.fill().is_err() {
                return false;
            }
            if client.is_answered {
                return client.line.has_output();
            }
            match client.line.next::<ControlRequest>() {
                Ok(Some(request)) if !client.has_asked => {
                    client.has_asked = true;
                    asked.push((client.id, request));
                    true
                }
                Ok(None) => client.has_asked || client.since.elapsed() < PATIENCE,
                // It left, or speaks no sense.
                Ok(Some(_)) | Err(_) => false,
            }
        });
        asked
    }

    /// Answers a client, if it is still there.
    pub(super) fn answer(&mut self, id: ClientId, answer: &ControlAnswer) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else { return };
        client.is_answered = true;
        let sent = client.line.queue(answer).map_err(io::Error::other).and_then(|()| client.line.flush());
        if sent.is_err() || !client.line.has_output() {
            self.clients.retain(|client| client.id != id);
        }
    }

    /// When a silent client is to be closed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.clients.iter().filter(|client| !client.has_asked).map(|client| client.since + PATIENCE).min()
    }
}
