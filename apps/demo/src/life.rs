//! Objects that live as long as the app: made at the start, shared with all other apps, cleaned up at the end.
//!
//! Startup runs once per process, before the first request; shutdown once, after the last. There is no `onreload` as in
//! the Python server Skitai: after a change of the code a new program starts.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use skitai::prelude::*;

use crate::shards::records;

/// Finds titles of works.
pub(crate) struct Searcher {
    titles: Vec<String>,
    asked: AtomicUsize,
}

impl Searcher {
    fn open() -> Searcher {
        let works = records(include_str!("../data/works.csv"));
        Searcher { titles: works.filter_map(|work| work.into_iter().nth(1)).collect(), asked: AtomicUsize::new(0) }
    }

    /// The titles that contain a word.
    pub(crate) fn titles(&self, keyword: &str) -> Vec<String> {
        self.asked.fetch_add(1, Relaxed);
        self.titles.iter().filter(|title| title.contains(keyword)).cloned().collect()
    }

    fn close(&self) {
        tracing::info!("the searcher was asked {} times", self.asked.load(Relaxed));
    }
}

/// What the status page shows of it, as `objects:searcher`.
impl HasStatus for Searcher {
    fn status(&self) -> Value {
        let number = |number: usize| Value::Int(number as i64);
        let told = [("titles", number(self.titles.len())), ("asked", number(self.asked.load(Relaxed)))];
        Value::from_pairs(told)
    }
}

/// Registers the searcher. Every app finds it as `was.registered::<Searcher>("searcher")`.
pub(crate) fn startup(wasc: &Wasc) -> Result<()> {
    let searcher = Searcher::open();
    tracing::info!("the searcher knows {} titles", searcher.titles.len());
    wasc.register_shown("searcher", searcher)
}

/// Runs at the end, even after failed requests.
pub(crate) fn shutdown(wasc: &Wasc) -> Result<()> {
    wasc.get::<Searcher>("searcher")?.close();
    wasc.unregister("searcher");
    Ok(())
}
