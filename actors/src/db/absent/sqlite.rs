//! SQLite in a program that was built without the feature `sqlite`: every statement's outcome says so. It replaces the
//! module `sqlite`, as `absent/postgres` replaces `postgres`.

use std::future::{Future, Pending, ready};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Query;
use super::flight::{Rows, StatementFailure};
use super::member::{Connections, MemberLimits};
use super::stream::Sink;
use crate::kit::Party;
use crate::kit::gate::Pass;
use crate::outcome::Reason;

#[derive(Debug)]
pub(super) struct Sqlite;

impl Sqlite {
    pub(super) fn new(_: &Path, _: MemberLimits) -> Sqlite {
        Sqlite
    }

    pub(super) fn checkout(&self, _: Party, _: Instant) -> impl Future<Output = Result<SqliteConn, StatementFailure>> {
        let msg = "not sent: this program was built without SQLite (skitai's feature `sqlite`)";
        ready(Err(StatementFailure::new(Reason::Unsendable, msg)))
    }

    pub(super) fn close_old(&self, _: Duration, _: Duration) {}

    pub(super) fn connections(&self) -> Connections {
        Connections { open: 0, idle: 0, limit: 0, configured: 0 }
    }

    pub(super) fn send(&self, connection: SqliteConn, _: Arc<Query>) -> Pending<Result<Rows, StatementFailure>> {
        match connection {}
    }

    pub(super) fn pour(
        &self,
        connection: SqliteConn,
        _: Arc<Query>,
        _: Sink,
    ) -> Pending<Result<Rows, StatementFailure>> {
        match connection {}
    }

    pub(super) fn session(&self, connection: SqliteConn) -> SqliteSession {
        match connection {}
    }
}

pub(super) enum SqliteConn {}

impl SqliteConn {
    pub(super) fn of_stream(self, _: Option<Pass>) -> SqliteConn {
        self
    }
}

pub(super) enum SqliteSession {}

impl SqliteSession {
    pub(super) fn send(&self, _: Arc<Query>) -> Pending<Result<Rows, StatementFailure>> {
        match *self {}
    }

    pub(super) fn leave(self, _: bool) {
        match self {}
    }
}

/// The SQLite files that the databases of a site have open: none.
#[derive(Debug, Default)]
pub struct Files;

impl Files {
    pub(in crate::db) fn keep(&self, _: &Sqlite) {}

    /// There is nothing to close.
    pub fn close(&self, _: Duration) {}
}
