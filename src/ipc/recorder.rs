//! The flight recorder: what a process does at the moment, in memory that its supervisor can still read when the
//! process is gone.
//!
//! Each process has a file in memory, of a fixed size, that its supervisor has open, too. A process that is killed, or
//! calls `abort`, has no time to say anything: what is to be known of its end must be there before.
//!
//! ```text
//!   file: | announcement of OS thread 0 | 1 | … | requests of event loop 0 | 1 | … |
//! ```
//!
//! Each event loop writes which of its requests have been under way for some time ([`ThreadRecord`]). When processes
//! crash, each thread writes before it runs a handler which one that is, and deletes it afterwards ([`Announced`]): a
//! system call each time, so this is on for as long as there are crashes.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::{pread, pwrite};

/// The longest announcement, and how many threads can make one: event loops, and those of the blocking pool.
const ANNOUNCEMENT: usize = 256;
const THREADS: usize = 512;
/// The longest list of requests of one event loop, and how many loops can write one.
const LIST: usize = 4096;
const LOOPS: usize = 96;
/// The octets of a file. Only what was written takes memory.
const SIZE: usize = ANNOUNCEMENT * THREADS + LIST * LOOPS;

/// The supervisor's end, for one process.
#[derive(Debug)]
pub(crate) struct Recording(File);

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The handlers that threads ran, where they announced it.
    pub(crate) announced: Vec<String>,
    /// Requests that had been under way for some time: a line each, as it was written.
    pub(crate) under_way: Vec<String>,
}

impl Recording {
    /// A new file. Whoever has it cannot make it larger, so a process takes no more memory than its own file.
    pub(crate) fn new() -> io::Result<Recording> {
        let file = File::from(memfd_create("requests", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.set_len(SIZE as u64)?;
        fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Recording(file))
    }

    /// One of an earlier program of this supervisor.
    pub(crate) fn resumed(file: File) -> Recording {
        Recording(file)
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reads what a process has left.
    pub(crate) fn read(&self) -> Recorded {
        let mut octets = vec![0; SIZE];
        let read = pread(&self.0, &mut octets, 0).unwrap_or_else(|error| {
            tracing::error!("what a process did cannot be read: {error}");
            0
        });
        octets.truncate(read);
        let (announcements, lists) = octets.split_at(read.min(ANNOUNCEMENT * THREADS));
        let announced = announcements.chunks(ANNOUNCEMENT).map(text).filter(|text| !text.is_empty());
        let lines = lists.chunks(LIST).map(text);
        let under_way = lines.flat_map(|lines| lines.lines().map(str::to_owned).collect::<Vec<_>>());
        Recorded { announced: announced.collect(), under_way: under_way.collect() }
    }
}

/// Up to the first NUL.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.split(|octet| *octet == 0).next().unwrap_or_default()).into_owned()
}

/// The process's end.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: OwnedFd,
    announces: AtomicBool,
    threads: Mutex<PlacePool>,
    loops: Mutex<PlacePool>,
}

/// The numbers of places that are taken. Threads end, those of the blocking pool after some seconds without work, and
/// give theirs back.
#[derive(Debug, Default)]
struct PlacePool {
    free: Vec<usize>,
    /// So many have ever been taken at a time.
    count: usize,
}

impl PlacePool {
    fn take(places: &Mutex<PlacePool>, most: usize) -> Option<usize> {
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.free.is_empty() && places.count < most {
            places.count += 1;
            return Some(places.count - 1);
        }
        places.free.pop()
    }

    fn give_back(places: &Mutex<PlacePool>, place: usize) {
        places.lock().unwrap_or_else(PoisonError::into_inner).free.push(place);
    }
}

/// The place of an OS thread's announcement.
struct ThreadPlace {
    recorder: Weak<Recorder>,
    number: usize,
}

impl Drop for ThreadPlace {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.upgrade() {
            PlacePool::give_back(&recorder.threads, self.number);
        }
    }
}

thread_local! {
    /// That of this thread; given back at its end.
    static PLACE: RefCell<Option<ThreadPlace>> = const { RefCell::new(None) };
}

impl Recorder {
    pub(crate) fn new(file: OwnedFd, announces: bool) -> Recorder {
        let (threads, loops) = Default::default();
        Recorder { file, announces: AtomicBool::new(announces), threads, loops }
    }

    pub(crate) fn set_announces(&self, announces: bool) {
        self.announces.store(announces, Relaxed);
    }

    /// What is to be announced, if that is on. `what` is asked then alone.
    pub(crate) fn announcement(self: &Arc<Self>, what: impl FnOnce() -> String) -> Option<Announcement> {
        self.announces.load(Relaxed).then(|| Announcement { recorder: self.clone(), what: cut(what(), ANNOUNCEMENT) })
    }

    /// The record of one more event loop. Those above the number that there is room for write nothing.
    pub(crate) fn thread(self: &Arc<Self>) -> Option<ThreadRecord> {
        let number = PlacePool::take(&self.loops, LOOPS)?;
        Some(ThreadRecord { recorder: self.clone(), number, last: String::new() })
    }

    /// A record is read when the process has ended, or never: who cannot write it has nobody to tell.
    fn write(&self, octets: &[u8], at: usize) {
        let _ = pwrite(&self.file, octets, at as u64);
    }

    fn place(self: &Arc<Self>) -> Option<usize> {
        let number = PLACE.with_borrow_mut(|place| {
            let own = place.as_ref().filter(|place| std::ptr::eq(place.recorder.as_ptr(), Arc::as_ptr(self)));
            if let Some(own) = own {
                return Some(own.number);
            }
            let number = PlacePool::take(&self.threads, THREADS)?;
            *place = Some(ThreadPlace { recorder: Arc::downgrade(self), number });
            Some(number)
        })?;
        Some(ANNOUNCEMENT * number)
    }
}

/// A text that fits, with a NUL behind it.
fn cut(mut text: String, room: usize) -> String {
    let mut length = text.len().min(room - 1);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    text.truncate(length);
    text.push('\0');
    text
}

/// What a thread announces before it runs a handler.
#[derive(Debug)]
pub(crate) struct Announcement {
    recorder: Arc<Recorder>,
    what: String,
}

/// A handler runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Announced<'a>(&'a Recorder, usize);

impl Announcement {
    /// Announces it, for the current thread.
    pub(crate) fn begin(&self) -> Option<Announced<'_>> {
        let place = self.recorder.place()?;
        self.recorder.write(self.what.as_bytes(), place);
        Some(Announced(&self.recorder, place))
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.write(b"\0", self.1);
    }
}

/// What an event loop says of its requests.
#[derive(Debug)]
pub(crate) struct ThreadRecord {
    recorder: Arc<Recorder>,
    number: usize,
    last: String,
}

impl ThreadRecord {
    /// Writes the lines, if they are others than the last.
    pub(crate) fn set(&mut self, lines: &[String]) {
        let text = cut(lines.join("\n"), LIST);
        if text != self.last {
            self.recorder.write(text.as_bytes(), self.at());
            self.last = text;
        }
    }

    fn at(&self) -> usize {
        ANNOUNCEMENT * THREADS + LIST * self.number
    }
}

impl Drop for ThreadRecord {
    fn drop(&mut self) {
        self.recorder.write(b"\0", self.at());
        PlacePool::give_back(&self.recorder.loops, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(recording: &Recording, announces: bool) -> Arc<Recorder> {
        let file = recording.file().try_clone_to_owned().expect("a descriptor");
        Arc::new(Recorder::new(file, announces))
    }

    #[test]
    fn what_was_written_last_is_read() {
        let recording = Recording::new().expect("a file in memory");
        let recorder = of(&recording, true);
        let mut record = recorder.thread().expect("it is the first");
        record.set(&["GET /a".to_owned(), "GET /b".to_owned()]);
        record.set(&["GET /ß".to_owned()]);
        let announce = |what: &str| recorder.announcement(|| what.to_owned()).expect("it is on");
        drop(announce("GET /over").begin());
        let long = announce(&"ß".repeat(500));
        let under_way = long.begin();
        let recorded = recording.read();
        assert_eq!(recorded.under_way, ["GET /ß"]);
        assert_eq!(recorded.announced, ["ß".repeat(127)]);
        drop(under_way);
        assert!(recording.read().announced.is_empty());
        recorder.set_announces(false);
        assert!(recorder.announcement(|| unreachable!("nobody asks")).is_none());
    }

    #[test]
    fn threads_that_end_give_their_places_back() {
        let recording = Recording::new().expect("a file in memory");
        let recorder = of(&recording, true);
        // The pool has some threads at a time, and others after each pause.
        for _ in 0..THREADS / 4 + 2 {
            let announces = || {
                let recorder = recorder.clone();
                std::thread::spawn(move || {
                    let announcement = recorder.announcement(|| "GET /over".to_owned()).expect("it is on");
                    announcement.begin().is_some()
                })
            };
            let threads = [(); 4].map(|()| announces());
            assert!(threads.map(|thread| thread.join().expect("it ends")).iter().all(|has_place| *has_place));
        }
        for _ in 0..2 * LOOPS {
            recorder.thread().expect("there is a place").set(&["GET /over".to_owned()]);
        }
        let announcement = recorder.announcement(|| "GET /last".to_owned()).expect("it is on");
        let _last = announcement.begin().expect("there is a place");
        assert_eq!(recording.read(), Recorded { announced: vec!["GET /last".to_owned()], under_way: Vec::new() });
    }

    #[test]
    fn more_event_loops_than_there_is_room_for_write_nothing() {
        let recording = Recording::new().expect("a file in memory");
        let recorder = of(&recording, false);
        let mut records: Vec<_> = (0..LOOPS + 3).map_while(|_| recorder.thread()).collect();
        assert_eq!(records.len(), LOOPS);
        records[LOOPS - 1].set(&["x".repeat(10_000)]);
        assert_eq!(recording.read().under_way[0].len(), LIST - 1);
    }

    #[test]
    fn a_process_cannot_make_its_file_larger() {
        let recording = Recording::new().expect("a file in memory");
        let file = File::from(recording.file().try_clone_to_owned().expect("a descriptor"));
        assert!(pwrite(&file, b"x", SIZE as u64).is_err() && file.set_len(0).is_err());
        assert_eq!(recording.read(), Recorded::default());
    }
}
