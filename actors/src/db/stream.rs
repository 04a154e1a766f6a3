//! Rows on their way to a reader, as a stream: a result of any size in a few kilobytes.
//!
//! Each member's rows travel through a channel of their own, in batches, and there is room for few of them. A reader
//! who takes his time therefore stops the statement: its connection is no longer read, and the server waits in its
//! write. What a member's end has to say comes as its outcome, through the slots of every call; its rows end with it.
//!
//! Three clocks run, and each is for one fault alone:
//!
//! - the server's silence: no row within the member's limit, while it is the server that is waited for;
//! - the reader's: nothing read for as long as the patience, while it is the reader that is waited for;
//! - the deadline, which is for all of it.
//!
//! - here: the message; [`sink`]: the database's end; [`source`]: the reader's; [`rows`]: the rows of all members as
//!   one stream, in the order of their arrival, of the members, or of their values.

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

/// Batches that wait for the reader, for each member: one to be read while the next one is made.
const BATCHES: usize = 2;

/// A statement whose rows go to a reader as they come: a [`Statement`] or an [`AdHocStatement`]. Made by [`streamed`].
#[derive(Debug)]
pub struct Streamed<S> {
    statement: S,
    /// One for each slot.
    sinks: Box<[Sink]>,
}

/// A statement with these slots as a stream: the message, which `ask` hands to the actor, and the rows. `patience`: how
/// long a reader may read nothing while rows wait for it; then its statements are stopped.
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
        // One who takes his time would hold up all behind him.
        let statement = Statement { lane: ConnMode::Exclusive, ..statement };
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
        let statement = AdHocStatement { lane: ConnMode::Exclusive, ..statement };
        self.execute(statement, backstop, sinks, started, responder)
    }
}
