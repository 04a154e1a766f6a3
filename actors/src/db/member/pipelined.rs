//! A statement that shares its connection with others, from joining the connection to its result.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::SqlMember;
use super::lending::lent;
use crate::balance::circuit::CallKind;
use crate::db::Query;
use crate::db::flight::{Rows, StatementFailure};
use crate::db::health_report::HealthReport;
use crate::db::postgres::Postgres;
use crate::db::statement_counters::RunningStatement;
use crate::outcome::{Course, Outcome, deadline};

impl SqlMember {
    /// Runs the statement on a shared connection. If the future is dropped before its end, the statement still runs,
    /// and its answer is discarded.
    pub(super) async fn pipelined(
        &self,
        postgres: &Postgres,
        query: Arc<Query>,
        call: Option<CallKind>,
        started: Instant,
        course: Rc<Cell<Course>>,
    ) -> Outcome {
        self.counted(None, started, course, async move |running| {
            let report = self.admit(call, &query)?;
            self.run_pipelined(postgres, query, report, started, running).await
        })
        .await
    }

    /// Runs to the end, on a shared connection that makes progress or on one opened for this statement.
    async fn run_pipelined(
        &self,
        postgres: &Postgres,
        query: Arc<Query>,
        mut report: HealthReport<'_>,
        asked: Instant,
        running: &RunningStatement<'_>,
    ) -> Result<Rows, StatementFailure> {
        let joined = if report.is_trial() { None } else { postgres.join(&query, asked) };
        let (mut ticket, since) = match joined {
            Some(ticket) => {
                self.counters.waited(Duration::ZERO, asked);
                running.course.update(|course| lent(course, asked, None, true));
                (ticket, asked)
            }
            None => {
                let opened = pin!(postgres.open_pipelined(&query));
                self.lent(&mut report, (asked, true), opened, || postgres.last_dial(), &running.course).await?
            }
        };
        running.sends(since);
        let limit = self.limits.member_timeout;
        let sent = postgres.send_on(&mut ticket, &query);
        let Ok(ended) = timeout_at((since + limit).into(), sent).await else {
            let result = Err(deadline::not_cancelled(limit).into());
            report.ended(&result);
            return result;
        };
        if ticket.ended(&ended) {
            report.ended(&ended.result);
        }
        ended.result
    }
}
