//! Several calls, to different clusters and databases, awaited together.
//!
//! ```
//! # use skitai::prelude::*;
//! # #[route("/")]
//! # async fn both(was: Was) -> Result<Vec<Value>> {
//! let songs = was.map("songs/rpc2").call("search", ("Mozart",));
//! let cities = was.dlb("mydb").execute("SELECT name FROM cities", ());
//! let [songs, cities] = tasks![songs, cities].getswait(secs(2)).await;
//! # Ok(songs.ok()?.chain(cities.ok()?).collect())
//! # }
//! ```
//!
//! An array in, an array out: each call gets its own [`Results`] and coverage, even if it asked one member.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use skitai_wire::Value;

use super::results::{AllFailed, Results};
use super::task::{Task, after};

/// Calls in flight that are awaited together; made by [`tasks!`](crate::tasks). Dropping it stops them all.
#[must_use = "calls that are not waited for are cancelled; use .getswait(…) or .fetch(…)"]
#[derive(Debug)]
pub struct Tasks<const N: usize>([Task; N]);

impl<const N: usize> Tasks<N> {
    /// Combines these calls.
    pub fn new(tasks: [Task; N]) -> Tasks<N> {
        Tasks(tasks)
    }

    /// Waits for all calls under one deadline: at most until `timeout` after the first was made.
    #[doc(alias = "join_all")]
    pub async fn getswait(self, timeout: Duration) -> [Results; N] {
        let until = self.until(timeout);
        let results = join_all(self.0.into_iter().map(|task| task.getswait_until(until))).await;
        results.try_into().expect("there is one result for each of the N calls")
    }

    /// The same as [`getswait`](Tasks::getswait).
    pub fn wait_all(self, timeout: Duration) -> impl Future<Output = [Results; N]> {
        self.getswait(timeout)
    }

    /// Waits like [`getswait`](Tasks::getswait) and returns the data of each call as [`Task::fetch`] does. If several
    /// fail, the error is the first in the list.
    pub async fn fetch(self, timeout: Duration) -> Result<[Value; N], AllFailed> {
        let until = self.until(timeout);
        let data = join_all(self.0.into_iter().map(|task| task.fetch_until(until))).await;
        let data = data.into_iter().collect::<Result<Vec<Value>, AllFailed>>()?;
        Ok(data.try_into().expect("there is one value for each of the N calls"))
    }

    fn until(&self, timeout: Duration) -> Instant {
        after(self.0.iter().map(Task::made).min().unwrap_or_else(Instant::now), timeout)
    }
}

/// Waits for calls of different kinds together: `let [a, b] = tasks![a, b].getswait(secs(2)).await;`. The calls are
/// already in flight; the macro only puts them under one deadline.
#[macro_export]
macro_rules! tasks {
    ($($task:expr),+ $(,)?) => {
        $crate::app::Tasks::new([$($task),+])
    };
}
