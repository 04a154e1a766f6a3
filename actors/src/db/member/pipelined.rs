//! A statement that shares its connection with others, from its place on a line to its result.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Member;
use crate::db::Query;
use crate::db::flight::{Failure, Rows};
use crate::db::postgres::Postgres;
use crate::db::standing::Case;
use crate::kit::alarm;
use crate::outcome::Reason;

impl Member {
    /// Dropped before its end, the statement goes on; its answer is thrown away.
    pub(super) async fn run_pipelined(
        &self,
        postgres: &Postgres,
        query: Arc<Query>,
        mut case: Case<'_>,
        asked: Instant,
        sent: &mut Option<Instant>,
    ) -> Result<Rows, Failure> {
        let (mut place, since) = {
            // A trial makes a connection; the neighbours of one that is there prove nothing.
            let joined = if case.is_trial() { None } else { postgres.join(&query, asked) };
            match joined {
                Some(place) => {
                    self.tally.waited(Duration::ZERO, asked);
                    (place, asked)
                }
                None => {
                    let opened = pin!(postgres.open_line(&query));
                    self.lent(&mut case, asked, opened, || postgres.last_dial()).await?
                }
            }
        };
        *sent = Some(since);
        let limit = self.limits.member_timeout;
        // In its place: passed by value it would be moved at every step down.
        let answered = alarm::until(since + limit, pin!(postgres.send_on(&mut place, query))).await;
        let Some(ended) = answered else {
            let msg = format!(
                "no answer within the member's limit of {limit:?}; on a shared connection nothing is cancelled: the \
                 statement may have run, or runs still"
            );
            let result = Err(Failure::new(Reason::Deadline, msg));
            case.ended(&result);
            return result;
        };
        if place.ended(&ended) {
            case.ended(&ended.result);
        }
        ended.result
    }
}
