//! The ring of kept records: bounded by bytes, the oldest go first. One for each process, which the threads share; the
//! processes of an instance share out its size. It is found in any of them, by way of the status.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skitai_wire::{Value, json};

/// Records kept in each second: where everything fails, records must not be what the time goes to.
const EACH_SECOND: u32 = 100;
/// Records in a list.
const LISTED: usize = 50;
/// What an entry costs beside its texts, in bytes.
const OVERHEAD: usize = size_of::<KeptRecord>();

/// The kept records of a process.
#[derive(Debug)]
pub(crate) struct TrailRing {
    limit: usize,
    ring: Mutex<RingState>,
}

#[derive(Debug)]
struct RingState {
    kept: VecDeque<KeptRecord>,
    bytes: usize,
    /// The second that is counted, and how many came in it.
    since: Instant,
    came: u32,
    skipped: u64,
}

/// A record as JSON, and what a list says of it.
#[derive(Debug)]
pub(crate) struct KeptRecord {
    pub(super) id: String,
    pub(super) short: String,
    pub(super) whole: String,
}

impl KeptRecord {
    fn bytes(&self) -> usize {
        OVERHEAD + self.id.len() + self.short.len() + self.whole.len()
    }
}

impl TrailRing {
    /// A ring of at most this many bytes.
    pub(crate) fn new(limit: usize) -> TrailRing {
        let (kept, since) = (VecDeque::new(), Instant::now());
        TrailRing { limit, ring: RingState { kept, bytes: 0, since, came: 0, skipped: 0 }.into() }
    }

    fn lock(&self) -> MutexGuard<'_, RingState> {
        // No state is left half-updated under the lock.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another record may be made now.
    pub(super) fn has_time(&self) -> bool {
        let mut ring = self.lock();
        if ring.since.elapsed() >= Duration::from_secs(1) {
            (ring.since, ring.came) = (Instant::now(), 0);
        }
        ring.came += 1;
        if ring.came > EACH_SECOND {
            ring.skipped += 1;
        }
        ring.came <= EACH_SECOND
    }

    /// Keeps a record, in place of the oldest ones. What is larger than the ring is not kept.
    pub(super) fn keep(&self, record: KeptRecord) {
        let bytes = record.bytes();
        let mut ring = self.lock();
        if bytes > self.limit {
            ring.skipped += 1;
            return;
        }
        while ring.bytes + bytes > self.limit
            && let Some(oldest) = ring.kept.pop_front()
        {
            ring.bytes -= oldest.bytes();
        }
        ring.bytes += bytes;
        ring.kept.push_back(record);
    }

    /// The newest records in short, newest first; or all of the request with this id.
    pub(crate) fn told(&self, id: Option<&str>) -> Value {
        let ring = self.lock();
        let newest = ring.kept.iter().rev();
        let texts: Vec<&str> = match id {
            None => newest.take(LISTED).map(|kept| kept.short.as_str()).collect(),
            Some(id) => newest.filter(|kept| kept.id == id).map(|kept| kept.whole.as_str()).collect(),
        };
        Value::List(texts.into_iter().filter_map(|text| json::parse_value(text.as_bytes()).ok()).collect())
    }

    /// How full it is, for the status.
    pub(crate) fn tree(&self) -> Value {
        let ring = self.lock();
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Value::from_pairs([
            ("entries", number(ring.kept.len())),
            ("size", number(ring.bytes)),
            ("limit", number(self.limit)),
            ("refused", Value::Int(ring.skipped.cast_signed())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: usize, letters: usize) -> KeptRecord {
        KeptRecord {
            id: id.to_string(),
            short: format!("{{\"id\":{id}}}"),
            whole: format!("\"{}\"", "x".repeat(letters)),
        }
    }

    #[test]
    fn the_oldest_go_before_there_are_too_many_bytes() {
        let ring = TrailRing::new(10_000);
        for id in 0..100 {
            ring.keep(record(id, 500 + id));
            assert!(ring.lock().bytes <= 10_000);
            let bytes: usize = ring.lock().kept.iter().map(KeptRecord::bytes).sum();
            assert_eq!(ring.lock().bytes, bytes);
        }
        let listed = ring.told(None);
        let listed = listed.as_list().expect("a list");
        assert_eq!(listed[0].get("id"), Some(&Value::Int(99)));
        assert!((10..20).contains(&listed.len()), "{}", listed.len());
        assert_eq!(ring.told(Some("99")).as_list().map(<[_]>::len), Some(1));
        assert_eq!(ring.told(Some("1")).as_list().map(<[_]>::len), Some(0));
    }

    #[test]
    fn what_is_larger_than_the_ring_pushes_nothing_out() {
        let ring = TrailRing::new(2_000);
        ring.keep(record(1, 100));
        ring.keep(record(2, 5_000));
        assert_eq!(ring.told(Some("1")).as_list().map(<[_]>::len), Some(1));
        assert_eq!(ring.tree().get("refused"), Some(&Value::Int(1)));
    }

    #[test]
    fn a_storm_is_not_written_down_whole() {
        let ring = TrailRing::new(2_000);
        let made = (0..1_000).filter(|_| ring.has_time()).count();
        assert!((100..=200).contains(&made), "{made}");
    }
}
