//! Rows streamed to a reader as they arrive: a result of any size in a few kilobytes of memory.
//!
//! Each member's rows travel in batches through a channel of their own, which holds few of them. A slow reader
//! therefore stops the statement: its connection is no longer read, and the server blocks in its write. A member's
//! result comes as its outcome, through the slots that every call has; its rows end with it.
//!
//! Three clocks run, each for one fault alone:
//!
//! - the server's: no row within the member's limit, while the server is the one to act;
//! - the reader's: no row read for as long as `patience`, while the reader is the one to act;
//! - the deadline, for the call as a whole.
//!
//! - this file: the message; `sink`: the database's end; `source`: the reader's end; `rows`: the rows of all
//!   members as one stream, in order of arrival, of members, or of values.

mod rows;
mod sink;
mod source;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backstop::Backstop;
use super::{AdHoc, AdHocStatement, ConnMode, Database, Statement};
use crate::kit::{Answers, Replies, Responder};
use crate::outcome::Outcome;
pub use rows::{Broken, RowStream};
use sink::ReaderPace;
pub(super) use sink::{Batch, Sink};

/// Batches buffered per member: one is read while the next one is filled.
const BATCHES: usize = 2;

/// A statement whose rows are streamed: a [`Statement`] or an [`AdHocStatement`]. Made by [`streamed`].
#[derive(Debug)]
pub struct Streamed<S> {
    statement: S,
    /// One per slot.
    sinks: Box<[Sink]>,
}

/// Turns a statement and its slots into a stream: the message, which `ask` hands to the actor, and the rows. `patience`
/// is how long a reader may read nothing while rows wait for it; after that its statements are stopped.
pub fn streamed<S>(
    statement: S,
    slots: Vec<Outcome>,
    patience: Duration,
    ask: impl FnOnce(Streamed<S>, Vec<Outcome>) -> Replies<Outcome>,
) -> RowStream {
    let nodes: Vec<Arc<str>> = slots.iter().map(|slot| slot.node.clone()).collect();
    let pace = Arc::<ReaderPace>::default();
    let (sinks, sources) = nodes.iter().map(|_| sink::channel(&pace, patience)).unzip::<_, _, Vec<_>, Vec<_>>();
    let replies = ask(Streamed { statement, sinks: sinks.into() }, slots);
    RowStream::new(source::Sources::new(replies, nodes, sources, pace))
}

impl Answers<Streamed<Statement>> for Database {
    type Item = Outcome;
    const NAME: &'static str = "stream";

    fn answer(
        &mut self,
        Streamed { statement, sinks }: Streamed<Statement>,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let backstop = Backstop::of_stream(responder.deadline, statement.asked);
        // On a shared connection a slow reader would hold up all statements behind its own.
        let statement = Statement { mode: ConnMode::Exclusive, ..statement };
        self.spread(statement, backstop, sinks, responder)
    }
}

impl Answers<Streamed<AdHocStatement>> for AdHoc {
    type Item = Outcome;
    const NAME: &'static str = "stream";

    fn answer(
        &mut self,
        Streamed { statement, sinks }: Streamed<AdHocStatement>,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let started = Instant::now();
        let backstop = Backstop::of_stream(responder.deadline, started);
        let statement = AdHocStatement { mode: ConnMode::Exclusive, ..statement };
        self.execute(statement, backstop, sinks, started, responder)
    }
}
