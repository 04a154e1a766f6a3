//! A statement in the form in which its members get it.

use std::borrow::Cow;
use std::sync::Arc;

use super::backstop::Backstop;
use super::statement_guard::StatementContext;
use super::{ConnMode, statement_guard};
use crate::kit::Party;
use crate::wire::Value;

/// Text and parameters, shared by the members they go to.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sql: Cow<'static, str>,
    pub(super) params: Arc<[Value]>,
    pub(super) asker: &'static str,
    /// Why the statement is refused before any member is asked; found once for all members.
    pub(super) refused: Option<String>,
    /// Whether it shares a connection with others.
    pub(super) pipelined: bool,
    /// The time limit the server itself is to apply.
    pub(super) backstop: Backstop,
    /// The request that the statement belongs to.
    pub(super) party: Party,
}

impl Query {
    /// Builds the query for the connection that `mode` asks for. `pipelined` is the cluster's own setting.
    pub(super) fn on(
        mode: ConnMode,
        pipelined: bool,
        sql: Cow<'static, str>,
        params: Arc<[Value]>,
        asker: &'static str,
        (backstop, party): (Backstop, Party),
    ) -> Arc<Query> {
        let wants = mode == ConnMode::Pipelined || (mode == ConnMode::Configured && pipelined);
        let alone = || (false, statement_guard::refused(&sql, StatementContext::Alone));
        let (shares, refused) = if statement_guard::is_plain(&sql) {
            (wants, None)
        } else if wants {
            match statement_guard::unshared(&sql) {
                // The refusal is returned only to a handler that asked for a shared connection itself.
                Some(_) if mode == ConnMode::Configured => alone(),
                why => (true, why),
            }
        } else {
            alone()
        };
        Query { sql, params, asker, refused, pipelined: shares, backstop, party }.checked()
    }

    /// One of several statements on a held connection, where the conversation checks it.
    pub(super) fn among(sql: Cow<'static, str>, params: Arc<[Value]>, asker: &'static str) -> Arc<Query> {
        let (refused, backstop, party) = (None, Backstop::Kept, Party::ALONE);
        Query { sql, params, asker, refused, pipelined: false, backstop, party }.checked()
    }

    /// Also refuses a text that no database protocol can carry.
    fn checked(mut self) -> Arc<Query> {
        if self.refused.is_none() && self.sql.as_bytes().contains(&0) {
            self.refused = Some("the statement's text contains a NUL character".to_owned());
        }
        Arc::new(self)
    }
}
