//! A statement that shares its connection with others, from its place on a line to its result.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Member;
use crate::balance::verdict::Call;
use crate::db::Query;
use crate::db::flight::{Failure, Rows};
use crate::db::postgres::Postgres;
use crate::db::standing::Case;
use crate::kit::alarm;
use crate::kit::alarm::Alarm;
use crate::outcome::{Outcome, Reason};

impl Member {
    /// Dropped before its end, the statement goes on; its answer is thrown away.
    ///
    /// Nearly always there is a line, and the statement was prepared on it before. That way is written out here in one
    /// piece: of hundreds of statements under way each is looked at whenever another one of its call has news, so it
    /// pays that what one remembers is little and lies together.
    #[expect(clippy::manual_async_fn, reason = "an async function would have room for what it is given twice")]
    pub(super) fn pipelined<'m>(
        &'m self,
        postgres: &'m Postgres,
        query: Arc<Query>,
        call: Option<Call>,
        started: Instant,
    ) -> impl Future<Output = Outcome> + 'm {
        async move {
            // A trial makes a connection; the neighbours of one that is there prove nothing.
            let is_usual = call.map_or_else(|| !self.is_out(), |call| call == Call::Usual) && query.refused.is_none();
            let joined = if is_usual { postgres.join_prepared(&query, started) } else { None };
            let Some((mut place, prepared)) = joined else {
                let roundabout = self.counted(None, started, async move |sent| {
                    let case = self.admit(call, &query)?;
                    self.run_pipelined(postgres, query, case, started, sent).await
                });
                return Box::pin(roundabout).await;
            };
            let mark = self.tally.begin();
            self.tally.waited(Duration::ZERO, started);
            let answered = {
                let mut alarm = Alarm::at(started + self.limits.member_timeout);
                let mut sent = pin!(postgres.send_prepared(&mut place, &query, prepared));
                poll_fn(|context| alarm.bounds(sent.as_mut().poll(context), context)).await
            };
            let (result, is_news) = match answered {
                Some(ended) => {
                    let is_news = place.ended(&ended);
                    (ended.result, is_news)
                }
                None => (Err(self.unanswered()), true),
            };
            if is_news {
                Case::usual(self.pulse.as_deref()).ended(&result);
            }
            self.told(mark, result, None, started, Some(started))
        }
    }

    /// The same, where a line may have to be opened first, or the statement prepared.
    async fn run_pipelined(
        &self,
        postgres: &Postgres,
        query: Arc<Query>,
        mut case: Case<'_>,
        asked: Instant,
        sent: &mut Option<Instant>,
    ) -> Result<Rows, Failure> {
        let joined = if case.is_trial() { None } else { postgres.join(&query, asked) };
        let (mut place, since) = match joined {
            Some(place) => {
                self.tally.waited(Duration::ZERO, asked);
                (place, asked)
            }
            None => {
                let opened = pin!(postgres.open_line(&query));
                self.lent(&mut case, (asked, true), opened, || postgres.last_dial()).await?
            }
        };
        *sent = Some(since);
        let limit = since + self.limits.member_timeout;
        let Some(ended) = alarm::until(limit, pin!(postgres.send_on(&mut place, &query))).await else {
            let result = Err(self.unanswered());
            case.ended(&result);
            return result;
        };
        if place.ended(&ended) {
            case.ended(&ended.result);
        }
        ended.result
    }

    fn unanswered(&self) -> Failure {
        let limit = self.limits.member_timeout;
        let msg = format!(
            "no answer within the member's limit of {limit:?}; on a shared connection nothing is cancelled: the statement \
             may have run, or runs still"
        );
        Failure::new(Reason::Deadline, msg)
    }
}
