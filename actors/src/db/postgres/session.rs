//! A connection held for several statements.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{
    Postgres, PostgresLease, StatementShared, dial::Dialer, discard, prepare_strategy::PrepareStrategy,
    queue::PooledConn, run,
};
use crate::db::Query;
use crate::db::backstop::Backstop;
use crate::db::flight::Flight;
use crate::kit::placed::placed;

/// How long the clean-up after a session may take; after that the connection is closed instead.
const CLEAN_WITHIN: Duration = Duration::from_secs(1);

/// The right to one connection. If it is dropped before `leave`, the connection is closed and the server ends any open
/// transaction.
pub(in crate::db) struct PostgresSession {
    shared: Option<Arc<StatementShared>>,
    strategy: Arc<PrepareStrategy>,
    dialer: Arc<Dialer>,
}

impl Postgres {
    pub(in crate::db) fn session(&self, conn: PooledConn) -> PostgresSession {
        // Minutes may pass between two statements, or after the last one.
        conn.doubt();
        let shared = Arc::new(StatementShared { conn, stop: AtomicBool::new(false) });
        PostgresSession { shared: Some(shared), strategy: self.strategy.clone(), dialer: self.dialer.clone() }
    }
}

impl PostgresSession {
    /// Sets the server's time limit to what the caller has left. Behind a pooler it returns the setting instead, which
    /// must be made inside the transaction: a setting of the connection would reach other clients there.
    pub(in crate::db) async fn limit_to(&self, backstop: Backstop) -> Option<String> {
        let conn = &self.shared.as_ref()?.conn;
        if self.dialer.limit().is_none() {
            let Backstop::Within(limit) = backstop else { return None };
            return Some(format!("SET LOCAL statement_timeout = {}", limit.as_millis()));
        }
        if !conn.has(backstop) {
            conn.limit_to(backstop).await;
        }
        None
    }

    /// Runs a statement. If the future is dropped before its end, the statement is cancelled and the connection is not
    /// used again.
    pub(in crate::db) fn send(&self, query: Arc<Query>) -> Flight<PostgresLease> {
        // A stopped statement also stops all that follow: the connection is not used again.
        let shared = self.shared.clone().expect("only leaving takes it");
        let work = placed(|| run::alone(shared.clone(), self.strategy.clone(), query));
        // As long as the session also holds the connection, the lease cannot close it; once it does not, the lease
        // must.
        Flight::new(work, PostgresLease { shared, dialer: self.dialer.clone(), closes: true })
    }

    /// Returns the connection to the pool. Unless it is `clean`, it is reset first: an open transaction, settings,
    /// subscriptions, temporary tables, locks and prepared statements are discarded.
    pub(in crate::db) async fn leave(mut self, clean: bool) {
        let Some(StatementShared { conn, .. }) = self.shared.as_deref() else { return };
        if clean {
            self.shared = None;
            return;
        }
        let forget = async {
            conn.batch_execute("ROLLBACK").await?;
            conn.batch_execute("DISCARD ALL").await?;
            self.dialer.limited(conn).await
        };
        if matches!(tokio::time::timeout(CLEAN_WITHIN, forget).await, Ok(Ok(()))) {
            conn.forget_all();
            conn.limit_is_new();
            self.shared = None;
        }
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            discard(shared);
        }
    }
}
