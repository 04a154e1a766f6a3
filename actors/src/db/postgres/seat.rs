//! A connection that is kept for several statements.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use deadpool_postgres::Client;

use super::{Lent, Postgres, Run, dial::Dialer, discard};
use crate::db::Query;
use crate::db::flight::Flight;

/// How long a connection may take to forget what a session left behind; after it the connection is closed instead.
const CLEAN_WITHIN: Duration = Duration::from_secs(1);

/// The right to one connection. Dropped before it was left, the connection is closed, and the server ends what was open.
pub(in crate::db) struct Seat {
    client: Option<Arc<Client>>,
    named: Arc<AtomicBool>,
    dialer: Dialer,
}

impl Postgres {
    pub(in crate::db) fn seat(&self, client: Client) -> Seat {
        Seat { client: Some(Arc::new(client)), named: self.named.clone(), dialer: self.dialer.clone() }
    }
}

impl Seat {
    /// A statement. Dropped before its end it is cancelled, and the connection is not used again.
    pub(in crate::db) fn send(&self, query: Arc<Query>) -> Flight<Lent> {
        let client = self.client.clone().expect("only leaving takes it");
        let stop = Arc::new(AtomicBool::new(false));
        let run = Run { client: client.clone(), stop: stop.clone(), named: self.named.clone(), query };
        // While the seat holds the connection, too, the lease has nothing to close; once it does not, it must.
        Flight::new(Box::pin(run.end()), Lent { client, stop, dialer: self.dialer.clone(), closes: true })
    }

    /// Gives the connection back to the pool. Unless it is `clean`, it first forgets everything: an open transaction,
    /// settings, subscriptions, temporary tables, locks, prepared statements.
    pub(in crate::db) async fn leave(mut self, clean: bool) {
        let Some(client) = &self.client else { return };
        if clean {
            self.client = None;
            return;
        }
        let forget = async {
            client.batch_execute("ROLLBACK").await?;
            client.batch_execute("DISCARD ALL").await
        };
        if matches!(tokio::time::timeout(CLEAN_WITHIN, forget).await, Ok(Ok(()))) {
            client.statement_cache.clear();
            self.client = None;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            discard(client);
        }
    }
}
