//! How a statement gets its connection: the wait and the dial, and the share of connections that streams of rows may
//! use.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Engine, MemberLimits, SqlMember};
use crate::balance::circuit::CallKind;
use crate::balance::health::MemberHealth;
use crate::db::conversation::HeldConnection;
use crate::db::flight::StatementFailure;
use crate::db::health_report::HealthReport;
use crate::db::postgres::Postgres;
use crate::kit::Party;
use crate::kit::gate::Pass;
use crate::outcome::course::Instants;
use crate::outcome::{Course, Reason};

impl SqlMember {
    /// Drives a checkout to its end and gives the connection with the moment it came. Records the wait and the dial
    /// separately. The error of a wait in vain names the statements that hold all connections.
    pub(super) async fn lent<C>(
        &self,
        report: &mut HealthReport<'_>,
        // `is_now`: no time has passed since `asked`, so the clock need not be read again.
        (asked, is_now): (Instant, bool),
        // By reference, so that the future is not moved.
        mut checkout: Pin<&mut impl Future<Output = Result<C, StatementFailure>>>,
        last_dial: impl Fn() -> Option<Duration>,
        course: &Cell<Course>,
    ) -> Result<(C, Instant), StatementFailure> {
        let (mut lent, now) = {
            // If the caller gives up, the dial continues in the background. Otherwise callers with deadlines shorter
            // than a dial would never get a connection, nor learn that the server is down.
            let mut dialling = match (&self.engine, &self.health) {
                (Engine::Postgres(postgres), Some(health)) => Some(Dialling { postgres, health, report: Some(report) }),
                _ => None,
            };
            let mut is_first = is_now;
            let lent = poll_fn(|context| {
                let was_first = std::mem::take(&mut is_first);
                // An idle connection is ready at the first poll; the clock need not be read for it.
                checkout.as_mut().poll(context).map(|lent| (lent, if was_first { asked } else { Instant::now() }))
            })
            .await;
            if let Some(dialling) = &mut dialling {
                dialling.report = None;
            }
            lent
        };
        match &lent {
            Ok(_) => report.connected(),
            Err(_) => report.ended(&lent),
        }
        let took = now - asked;
        let dial = match &lent {
            // The dial was cut off at its limit, so all of the time up to that limit was dialling.
            Err(failure) if failure.reason == Reason::ConnectTimeout => Some(self.limits.connect_timeout.min(took)),
            _ => last_dial(),
        };
        course.update(|course| self::lent(course, now, dial, lent.is_ok()));
        self.counters.waited(took.saturating_sub(dial.unwrap_or_default()), now);
        if let Some(dial) = dial {
            self.counters.dialled(dial, now);
        }
        if let Err(failure) = &mut lent
            && failure.reason == Reason::NoPermit
        {
            failure.msg += &self.holders.text();
            if let Engine::Postgres(postgres) = &self.engine {
                failure.msg += &postgres.pipeline_holders();
            }
        }
        Ok((lent?, now))
    }

    /// The permit for one of the connections that streams of rows may use, and whether it was granted without waiting.
    /// A reader may be slow, and other statements must not wait for it.
    pub(super) async fn share(&self, party: Party, asked: Instant) -> Result<(Pass, bool), StatementFailure> {
        if let Some(share) = self.streams.enter(party) {
            return Ok((share, true));
        }
        let MemberLimits { wait, .. } = self.limits;
        let connections = self.connections().limit;
        if let Some(share) = self.streams.pass(party, Some(asked + wait)).await {
            return Ok((share, false));
        }
        let now = Instant::now();
        self.counters.waited(now - asked, now);
        let most = self.streams.limit();
        let msg = format!(
            "no connection was free for a stream of rows within {wait:?}: streams have {most} of the {connections} \
             connections of this thread, which is all that `stream_share` gives them; read them faster, or allow more \
             connections or a larger share{}",
            self.holders.text()
        );
        Err(StatementFailure::new(Reason::NoPermit, msg))
    }

    /// A connection to be held for several statements.
    pub(super) async fn hold(
        &self,
        call: Option<CallKind>,
        party: Party,
        course: &Cell<Course>,
    ) -> Result<HeldConnection, StatementFailure> {
        let mut report = self.open(call)?;
        match &self.engine {
            Engine::Postgres(postgres) => {
                let asked = Instant::now();
                let checkout = pin!(postgres.checkout(party, asked));
                let (conn, _) =
                    self.lent(&mut report, (asked, true), checkout, || postgres.last_dial(), course).await?;
                Ok(HeldConnection::Postgres(postgres.session(conn)))
            }
            Engine::Sqlite(sqlite) => {
                let asked = Instant::now();
                let checkout = pin!(sqlite.checkout(party, asked));
                let (conn, _) = self.lent(&mut report, (asked, true), checkout, || None, course).await?;
                Ok(HeldConnection::Sqlite(sqlite.session(conn)))
            }
        }
    }
}

/// The course of a statement whose checkout has ended: with a connection, or in vain.
pub(super) fn lent(mut course: Course, now: Instant, dial: Option<Duration>, is_there: bool) -> Course {
    course.is_dialled = dial.is_some();
    match dial.and_then(|dial| now.checked_sub(dial)) {
        Some(begun) => course.mark(Instants::Permitted, begun),
        None if is_there => course.mark(Instants::Permitted, now),
        None => {}
    }
    if is_there {
        course.mark(Instants::Connected, now);
    }
    course
}

/// A checkout under way. If it is dropped before the connection came, the dial continues in the background.
struct Dialling<'d, 'm> {
    postgres: &'d Postgres,
    health: &'d Arc<MemberHealth>,
    report: Option<&'d mut HealthReport<'m>>,
}

impl Drop for Dialling<'_, '_> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take()
            && let Some(dial) = self.postgres.continue_dial()
        {
            dial.spawn(self.health.clone(), report.hand_over());
        }
    }
}
