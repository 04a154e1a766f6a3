//! A statement as its members get it.

use std::borrow::Cow;
use std::sync::Arc;

use super::ConnMode;
use super::backstop::Backstop;
use super::statement_guard;
use super::statement_guard::StatementContext;
use crate::kit::Party;
use crate::wire::Value;

/// Text and parameters, shared by the members they go to.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sql: Cow<'static, str>,
    pub(super) params: Arc<[Value]>,
    pub(super) asker: &'static str,
    /// Why no member is asked: found once for all of them.
    pub(super) refused: Option<String>,
    /// It shares a connection with others.
    pub(super) pipelined: bool,
    /// What the server is to do by itself.
    pub(super) backstop: Backstop,
    /// The request it is of.
    pub(super) party: Party,
}

impl Query {
    /// One for the lane it wants, of a cluster that has its statements `pipelined` or not.
    pub(super) fn on(
        lane: ConnMode,
        pipelined: bool,
        sql: Cow<'static, str>,
        params: Arc<[Value]>,
        asker: &'static str,
        (backstop, party): (Backstop, Party),
    ) -> Arc<Query> {
        let wants = lane == ConnMode::Pipelined || (lane == ConnMode::Configured && pipelined);
        let alone = || (false, statement_guard::refused(&sql, StatementContext::Alone));
        let (shares, refused) = if statement_guard::is_plain(&sql) {
            (wants, None)
        } else if wants {
            match statement_guard::unshared(&sql) {
                // Only who asked for a shared connection himself is told that he cannot have one.
                Some(_) if lane == ConnMode::Configured => alone(),
                why => (true, why),
            }
        } else {
            alone()
        };
        Query { sql, params, asker, refused, pipelined: shares, backstop, party }.checked()
    }

    /// One of several on a connection, which are looked at there.
    pub(super) fn among(sql: Cow<'static, str>, params: Arc<[Value]>, asker: &'static str) -> Arc<Query> {
        let (refused, backstop, party) = (None, Backstop::Kept, Party::ALONE);
        Query { sql, params, asker, refused, pipelined: false, backstop, party }.checked()
    }

    /// Refused, too, where no protocol can carry the text.
    fn checked(mut self) -> Arc<Query> {
        if self.refused.is_none() && self.sql.as_bytes().contains(&0) {
            self.refused = Some("the statement's text contains a NUL character".to_owned());
        }
        Arc::new(self)
    }
}
