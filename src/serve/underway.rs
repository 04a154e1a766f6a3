//! What is under way: its name for the log, and the record of it, which is read if this process crashes.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::connection::list::{Connections, Serves, UnderWay};
use crate::edge::refused;
use crate::ipc::recorder::ThreadRecord;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(100);
/// What has been under way for so long is recorded.
const LONG: Duration = Duration::from_millis(100);
/// The longest path in a name, in octets.
const PATH: usize = 200;

/// Records what the connections of this thread serve, for as long as the thread lives.
pub(super) async fn record(connections: Rc<Connections>, mut record: ThreadRecord) {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut long = connections.under_way();
        long.retain(|under_way| under_way.since >= LONG);
        // A list that is too long is cut: the oldest come first.
        long.sort_by_key(|under_way| std::cmp::Reverse(under_way.since));
        let line = |under_way: &UnderWay| {
            let began = now.saturating_sub(under_way.since).as_millis();
            format!("{began}\t{}", what(under_way))
        };
        record.set(&long.iter().map(line).collect::<Vec<_>>());
        tokio::time::sleep(PERIOD).await;
    }
}

/// `GET /letters, a stream for 31.2 s`.
pub(super) fn name(under_way: &UnderWay) -> String {
    format!("{} for {:.1} s", what(under_way), under_way.since.as_secs_f64())
}

/// `GET /letters, a stream`. The query is left out: it may hold what is nobody's business.
fn what(under_way: &UnderWay) -> String {
    let (method, target) = refused::words(&under_way.head, PATH);
    let path = target.split('?').next().unwrap_or_default();
    format!("{method} {path}, a {}", word(under_way.serves))
}

pub(super) fn word(serves: Serves) -> &'static str {
    match serves {
        Serves::Request => "request",
        Serves::Stream => "stream",
        Serves::Socket => "socket",
    }
}
