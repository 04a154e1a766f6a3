//! What an app holds as long as it lives: made when the app starts, shared with all others, put away at the end.
//!
//! Start-up runs once in every thread process, before its first request; shutdown once after its last. There is nothing
//! to do after a change of the code, as there was with `onreload`: it is a new program, which starts anew.

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

    /// The titles that hold a word.
    pub(crate) fn titles(&self, keyword: &str) -> Vec<String> {
        self.asked.fetch_add(1, Relaxed);
        self.titles.iter().filter(|title| title.contains(keyword)).cloned().collect()
    }

    fn close(&self) {
        tracing::info!("the searcher was asked {} times", self.asked.load(Relaxed));
    }
}

/// Every app finds it as `was.registered::<Searcher>("searcher")`.
pub(crate) fn startup(wasc: &Wasc) -> Result<()> {
    let searcher = Searcher::open();
    tracing::info!("the searcher knows {} titles", searcher.titles.len());
    wasc.register("searcher", searcher)
}

/// Runs at the end, whatever became of the requests before.
pub(crate) fn shutdown(wasc: &Wasc) -> Result<()> {
    wasc.get::<Searcher>("searcher")?.close();
    wasc.unregister("searcher");
    Ok(())
}
