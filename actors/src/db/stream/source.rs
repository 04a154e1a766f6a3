//! The reader's end of a stream: the rows of each member, and its outcome.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::sink::{Batch, ReaderPace, RowReceiver};
use crate::kit::{Replies, Rule};
use crate::outcome::Outcome;
use crate::outcome::columns::Columns;
use crate::wire::Value;

/// The rows of all members, each in its own order.
pub(super) struct Sources {
    replies: Replies<Outcome>,
    members: Vec<Source>,
    pace: Arc<ReaderPace>,
}

/// The rows of one member.
struct Source {
    node: Arc<str>,
    flow: RowReceiver,
    rows: std::vec::IntoIter<Value>,
    /// Taken once, from the first batch.
    columns: Option<Columns>,
    outcome: Option<Outcome>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

impl Sources {
    pub(super) fn new(
        replies: Replies<Outcome>,
        nodes: Vec<Arc<str>>,
        flows: Vec<RowReceiver>,
        pace: Arc<ReaderPace>,
    ) -> Sources {
        let source = |(node, flow)| {
            let rows = Vec::new().into_iter();
            Source { node, flow, rows, columns: None, outcome: None }
        };
        Sources { replies, members: nodes.into_iter().zip(flows).map(source).collect(), pace }
    }

    /// Sources without rows, each at its end.
    pub(super) fn ended(outcomes: Vec<Outcome>) -> Sources {
        let nodes: Vec<Arc<str>> = outcomes.iter().map(|outcome| outcome.node.clone()).collect();
        let flows = nodes.iter().map(|_| RowReceiver::dry()).collect();
        Sources::new(Replies::ready(outcomes), nodes, flows, Arc::default())
    }

    /// Applies a completion rule.
    pub(super) fn under(self, rule: Rule) -> Sources {
        Sources { replies: self.replies.under(rule), ..self }
    }

    /// Stops all statements that still run.
    pub(super) fn stop(&mut self) {
        self.replies = Replies::ready(Vec::new());
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn node(&self, index: usize) -> &Arc<str> {
        &self.members[index].node
    }

    /// The columns of a member, once, when they become known.
    pub(super) fn columns(&mut self, index: usize) -> Option<Columns> {
        self.members[index].columns.take()
    }

    /// The outcome of a member; `None` while more rows may come.
    pub(super) fn outcome(&self, index: usize) -> Option<&Outcome> {
        self.members[index].outcome.as_ref()
    }

    /// The reader's progress, which the members' ends see.
    pub(super) fn pace(&self) -> &ReaderPace {
        &self.pace
    }

    /// A member's next row; `None` at its end, after which its outcome is known.
    pub(super) fn poll_row(&mut self, index: usize, context: &mut Context<'_>) -> Poll<Option<Value>> {
        loop {
            if let Some(row) = self.members[index].rows.next() {
                return Poll::Ready(Some(row));
            }
            if let Poll::Ready(Some(batch)) = self.members[index].flow.batches.poll_recv(context) {
                self.members[index].take(batch);
                continue;
            }
            while let Poll::Ready(Some((member, outcome))) = self.replies.poll_arrival(context) {
                self.members[member].outcome = Some(outcome);
            }
            // The outcome comes after the last batch, which may have arrived since the channel was polled above.
            match self.members[index].flow.batches.try_recv() {
                Ok(batch) => self.members[index].take(batch),
                Err(_) if self.members[index].outcome.is_some() => {
                    self.members[index].ends();
                    return Poll::Ready(None);
                }
                Err(_) => {
                    self.members[index].flow.wanted();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Source {
    fn take(&mut self, batch: Batch) {
        if let Some(columns) = batch.columns {
            self.columns = Some(columns);
        }
        self.rows = batch.rows.into_iter();
    }

    /// If a member had no rows, its columns come with its outcome.
    fn ends(&mut self) {
        if let Some(columns) = self.outcome.as_ref().and_then(|outcome| outcome.columns.clone()) {
            self.columns = Some(columns);
        }
        self.flow.batches.close();
    }
}
