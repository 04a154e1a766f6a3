//! The control socket: commands come in, answers go out. Nobody waits for a client.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use rustix::net::sockopt::socket_peercred;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use crate::ipc::Line;
use crate::ipc::messages::{ControlAnswer, ControlRequest, VERSION};
use crate::observe::audit::Operator;
use crate::observe::log::one_line;
use crate::observe::seldom::Seldom;

/// The most clients at a time; further ones are told so.
const CLIENTS: usize = 32;
/// The longest request: a name, a flag, and the levels of a log.
const LONGEST_REQUEST: usize = 16 * 1024;
/// How long a client may take to say what it wants, and to take its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names a client as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientId(u64);

impl ClientId {
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

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
    /// The process whose answer it waits for.
    asks: Option<i32>,
    /// Who it is, as the kernel says.
    operator: Operator,
}

impl Control {
    pub(super) fn new(listener: UnixListener) -> Control {
        Control { listener, clients: Vec::new(), next: 0 }
    }

    /// Adds a client that an earlier program of this process had.
    pub(super) fn adopt(&mut self, id: ClientId, line: Line, has_asked: bool, is_answered: bool) {
        self.next = self.next.max(id.0);
        let line = line.with_longest(LONGEST_REQUEST);
        let operator = operator_at(line.socket());
        let since = Instant::now();
        self.clients.push(ControlClient { id, line, since, has_asked, is_answered, asks: None, operator });
    }

    /// Who a client is.
    pub(super) fn operator(&self, id: ClientId) -> Operator {
        let client = self.clients.iter().find(|client| client.id == id);
        client.map(|client| client.operator.clone()).unwrap_or_default()
    }

    fn add(&mut self, socket: UnixStream) {
        let operator = operator_at(&socket);
        let mut line = Line::from(socket).with_longest(LONGEST_REQUEST);
        if self.clients.len() >= CLIENTS {
            told(format_args!("a command is refused: {CLIENTS} wait already"));
            // It may have left: then nobody reads this.
            let _ = line.queue(&ControlAnswer::refusal(format!(
                "{CLIENTS} commands wait already; signals are heard all the same"
            )));
            let _ = line.flush();
            return;
        }
        self.next += 1;
        let id = ClientId(self.next);
        let since = Instant::now();
        let (has_asked, is_answered) = (false, false);
        self.clients.push(ControlClient { id, line, since, has_asked, is_answered, asks: None, operator });
    }

    /// Accepts who waits, and reads what clients ask for.
    pub(super) fn hear(&mut self, identity: Option<&Identity>) -> Vec<(ClientId, ControlRequest)> {
        while let Ok((socket, _)) = self.listener.accept() {
            let uid = socket_peercred(socket.as_fd()).map(|peer| peer.uid.as_raw());
            let may = uid.is_ok_and(|uid| {
                uid == 0 || uid == geteuid().as_raw() || identity.is_some_and(|identity| identity.uid == uid)
            });
            if !may || socket.set_nonblocking(true).is_err() {
                told(format_args!(
                    "a connection to the control socket is refused: user id {}",
                    uid.map_or(-1, i64::from)
                ));
                continue;
            }
            self.add(socket);
        }
        let (mut asked, mut refused) = (Vec::new(), Vec::new());
        self.clients.retain_mut(|client| {
            if client.line.flush().is_err() || client.line.fill().is_err() {
                return false;
            }
            // Nobody asks with descriptors.
            client.line.drop_descriptors();
            if client.is_answered {
                return client.line.has_output() && client.since.elapsed() < PATIENCE;
            }
            match client.line.next::<ControlRequest>() {
                Ok(Some(request)) if client.has_asked => {
                    told(format_args!("a client of the control socket asks a second time: {:?}", request.command));
                    false
                }
                Ok(Some(request)) => {
                    client.has_asked = true;
                    match request.version {
                        VERSION => asked.push((client.id, request)),
                        other => refused.push((
                            client.id,
                            format!("this supervisor speaks version {VERSION} of commands, and that was {other}"),
                        )),
                    }
                    true
                }
                Ok(None) => client.has_asked || client.since.elapsed() < PATIENCE,
                Err(error) if error.is_of_the_other_side() => false,
                Err(error) => {
                    client.has_asked = true;
                    refused.push((client.id, format!("that is no command of this version: {error}")));
                    true
                }
            }
        });
        for (client, why) in refused {
            told(format_args!("a command is refused: {}", one_line(&why)));
            self.answer(client, &ControlAnswer::refusal(why));
        }
        asked
    }

    /// A client waits for the answer of a process.
    pub(super) fn asks(&mut self, id: ClientId, process: i32) {
        self.clients.iter_mut().filter(|client| client.id == id).for_each(|client| client.asks = Some(process));
    }

    /// A process has answered the question of a client. One that was not asked answers nobody.
    pub(super) fn told(&mut self, number: u64, process: i32, text: String) {
        let id = ClientId(number);
        if self.clients.iter().any(|client| client.id == id && client.asks == Some(process)) {
            self.answer(id, &ControlAnswer { is_done: true, text, status: serde_json::Value::Null });
        }
    }

    /// Answers a client, if it is still there.
    pub(super) fn answer(&mut self, id: ClientId, answer: &ControlAnswer) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else { return };
        client.is_answered = true;
        client.since = Instant::now();
        let sent = client.line.queue(answer).map_err(io::Error::other).and_then(|()| client.line.flush());
        if sent.is_err() || !client.line.has_output() {
            self.clients.retain(|client| client.id != id);
        }
    }

    /// When a client is to be closed that does not ask, or does not take its answer.
    pub(super) fn due(&self) -> Option<Instant> {
        let late = self.clients.iter().filter(|client| !client.has_asked || client.is_answered);
        late.map(|client| client.since + PATIENCE).min()
    }
}

fn operator_at(socket: &UnixStream) -> Operator {
    let peer = socket_peercred(socket.as_fd()).ok();
    let (uid, pid) = (peer.map(|peer| peer.uid.as_raw()), peer.map(|peer| peer.pid.as_raw_pid()));
    Operator { by: "command".to_owned(), uid, pid, ..Operator::default() }
}

/// Clients can cause it as often as they like.
fn told(what: std::fmt::Arguments<'_>) {
    static REFUSED: Seldom = Seldom::new(3);
    if let Some(tail) = REFUSED.tail(Instant::now()) {
        tracing::warn!("control socket: {what}{tail}");
    }
}
