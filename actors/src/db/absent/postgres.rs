//! PostgreSQL in a program that was built without the feature `postgres`: every statement's outcome says so.
//!
//! It replaces the module `postgres` and has the same names, so that the rest of `db` is the same in every build. No
//! connection can be made, so its types have no values.

use std::future::{Future, Pending, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Query;
use super::backstop::Backstop;
use super::budget::Share;
use super::flight::{Rows, StatementEnd, StatementFailure};
use super::member::{Connections, MemberLimits, PostgresLogin};
use super::stream::Sink;
use crate::balance::circuit::CallKind;
use crate::balance::health::MemberHealth;
use crate::kit::Party;
use crate::kit::gate::{Gate, Pass};
use crate::outcome::Reason;
use crate::wire::Value;

#[derive(Debug)]
pub(super) struct Postgres;

fn absent() -> StatementFailure {
    StatementFailure::new(
        Reason::Unsendable,
        "not sent: this program was built without PostgreSQL (skitai's feature `postgres`)",
    )
}

impl Postgres {
    pub(super) fn new(
        _: &PostgresLogin<'_>,
        _: MemberLimits,
        _: Option<Arc<MemberHealth>>,
        _: Share,
        _: Arc<Gate>,
    ) -> Postgres {
        Postgres
    }

    pub(super) fn follow_budget(&self) {}

    pub(super) fn checkout(&self, _: Party, _: Instant) -> impl Future<Output = Result<PooledConn, StatementFailure>> {
        ready(Err(absent()))
    }

    pub(super) fn open_pipelined(&self, _: &Arc<Query>) -> impl Future<Output = Result<Ticket, StatementFailure>> {
        ready(Err(absent()))
    }

    pub(super) fn join(&self, _: &Arc<Query>, _: Instant) -> Option<Ticket> {
        None
    }

    pub(super) fn last_dial(&self) -> Option<Duration> {
        None
    }

    pub(super) fn continue_dial(&self) -> Option<BackgroundDial> {
        None
    }

    pub(super) fn close_old(&self, _: Duration, _: Duration) {}

    pub(super) fn connections(&self) -> Connections {
        Connections { open: 0, idle: 0, limit: 0, configured: 0 }
    }

    pub(super) fn pipeline_report(&self) -> Value {
        Value::Nil
    }

    pub(super) fn pipeline_holders(&self) -> String {
        String::new()
    }

    pub(super) fn send(&self, conn: PooledConn, _: Arc<Query>) -> Pending<Result<Rows, StatementFailure>> {
        match conn {}
    }

    pub(super) fn pour(&self, conn: PooledConn, _: Arc<Query>, _: Sink) -> Pending<Result<Rows, StatementFailure>> {
        match conn {}
    }

    pub(super) fn session(&self, conn: PooledConn) -> PostgresSession {
        match conn {}
    }

    pub(super) fn send_on(&self, ticket: &mut Ticket, _: &Arc<Query>) -> Pending<StatementEnd> {
        match *ticket {}
    }
}

pub(super) enum PooledConn {}

impl PooledConn {
    pub(super) fn of_stream(self, _: Option<Pass>) -> PooledConn {
        self
    }
}

pub(super) enum Ticket {}

impl Ticket {
    pub(super) fn ended(self, _: &StatementEnd) -> bool {
        match self {}
    }
}

pub(super) enum BackgroundDial {}

impl BackgroundDial {
    pub(super) fn spawn(self, _: Arc<MemberHealth>, _: CallKind) {
        match self {}
    }
}

pub(super) enum PostgresSession {}

impl PostgresSession {
    pub(super) fn limit_to(&self, _: Backstop) -> Pending<Option<String>> {
        match *self {}
    }

    pub(super) fn send(&self, _: Arc<Query>) -> Pending<Result<Rows, StatementFailure>> {
        match *self {}
    }

    pub(super) fn leave(self, _: bool) -> Pending<()> {
        match self {}
    }
}
