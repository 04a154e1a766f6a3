//! What this process has counted is told to the supervisor: once a second, and at the end, so that it stays in the sums
//! of the instance when the process is gone.

use std::sync::Arc;
use std::time::Duration;

use skitai_actors::kit::{ActorRef, tasks};
use skitai_actors::status::{self, StatusActor};
use skitai_wire::Value;

use super::relay::Relay;
use super::site::OpenSite;

/// How often it is told: so much may be lost of a process that is killed.
const EVERY: Duration = Duration::from_secs(1);
/// How long an actor may take to say what it has counted. Of a later one the last is taken.
const WITHIN: Duration = Duration::from_millis(300);

/// Begins to tell the supervisor.
pub(crate) fn tell(site: &Arc<OpenSite>, relay: Relay) {
    let actor = site.process.status.clone();
    tasks::spawn("what is counted, for the supervisor", async move {
        let mut last = Value::Nil;
        while relay.is_heard() {
            if let Some((number, now)) = counted(&actor).await
                && now != last
            {
                let (to, told) = (relay.clone(), now.clone());
                // Waits for room in the socket's buffer.
                let _ = tokio::task::spawn_blocking(move || to.counted(number, &told, false)).await;
                last = now;
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

/// Tells the supervisor the last of it, while the threads are still there.
pub(crate) async fn tell_last(site: Arc<OpenSite>, relay: Relay) {
    if let Some((number, counters)) = counted(&site.process.status).await {
        relay.counted(number, &counters, true);
    }
}

async fn counted(actor: &ActorRef<StatusActor>) -> Option<(u64, Value)> {
    let snapshot = status::counted(actor, WITHIN).await?;
    Some((snapshot.number, snapshot.counters()))
}
