//! Discovery: finds the members of a cluster by DNS; every address of a name is a member of its own. Without it, the
//! configuration would change whenever a member is added or removed.
//!
//! Period: the cluster's `discover`, ±10 % jitter so that the processes of a site do not resolve in step; each name
//! separately, first at the start. One per cluster and process; it ends when its [`Discovery`] is dropped or its thread
//! stops.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::roster::Roster;
use crate::balance::pick::Dice;
use crate::dns::names::Names;
use crate::kit::tasks::OwnedTask;

/// How long to wait for a name server before it counts as a failure. A later answer is not lost: the look-up goes on,
/// and the next round joins it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The look-ups of one cluster; dropping it ends them.
#[derive(Debug)]
pub struct Discovery {
    _task: OwnedTask,
}

impl Discovery {
    /// Starts the look-ups on the current thread; `None` without `discover` or without names to resolve.
    pub fn start(roster: &Arc<Roster>, names: Arc<dyn Names>) -> Option<Discovery> {
        let period = roster.spec().discover?;
        let hosts = roster.hosts();
        let roster = roster.clone();
        (!hosts.is_empty()).then(|| Discovery {
            _task: OwnedTask::spawn("discovery of members", async move {
                join_all(hosts.iter().map(|host| follow(&roster, host, &*names, period))).await;
            }),
        })
    }
}

async fn follow(roster: &Roster, host: &str, names: &dyn Names, period: Duration) {
    let dice = Dice::new();
    loop {
        let found = match timeout(PATIENCE, names.look_up(host)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".to_owned()),
            Ok(found) => found.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer from the name server within {PATIENCE:?}")),
        };
        roster.found(host, found);
        sleep(dice.jittered(period)).await;
    }
}
