//! The slots of one call: their items, which of them are filled, and in which order.

use smallvec::SmallVec;

/// Why a slot closed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// The deadline passed first.
    Deadline,
    /// The caller no longer needs this answer (a completion rule was met).
    Cancelled,
    /// The actor's queue was full: the message was never sent.
    NotAdmitted,
    /// The actor's task ended without answering: it panicked, or its thread is gone.
    Abandoned,
    /// The actor is paused after repeated panics: the message was never sent.
    Failed,
}

/// The item of a slot. It starts in its "not sent" form, so that a slot that is never filled is still true.
pub trait Slot: Send + 'static {
    /// Changes the item to say that no answer came, and why.
    fn missed(&mut self, why: Missed);
    /// The caller's filter has run on the item.
    fn filtered(&mut self) {}
    /// Changes the item to say that the caller's filter panicked on it.
    fn filter_failed(&mut self, message: &str);
    /// True if a completion rule counts the item as a good answer.
    fn is_good(&self) -> bool {
        true
    }
    /// True for a good answer from which nothing is missing.
    fn is_whole(&self) -> bool {
        self.is_good()
    }
}

/// The slots. Items and their state are two vectors, so that the input `Vec` can be returned without a new allocation.
pub(super) struct Slots<T> {
    items: Vec<Option<T>>,
    /// Inline for up to four slots.
    marks: SmallVec<[SlotMark; 4]>,
    empty: usize,
    good: usize,
    whole: usize,
    /// The filled slots, in order of arrival, and how many of them were handed out.
    arrived: SmallVec<[u32; 4]>,
    given: usize,
}

#[derive(Clone, Default)]
struct SlotMark {
    filled: bool,
    /// Closed because the answer was no longer wanted.
    unwanted: bool,
}

impl<T: Slot> Slots<T> {
    /// One open slot per item.
    pub(super) fn open(items: Vec<T>) -> Slots<T> {
        let (empty, marks) = (items.len(), smallvec::smallvec![SlotMark::default(); items.len()]);
        let items = items.into_iter().map(Some).collect();
        Slots { items, marks, empty, good: 0, whole: 0, arrived: SmallVec::new(), given: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// How many are open.
    pub(super) fn empty(&self) -> usize {
        self.empty
    }

    /// How many hold a good answer.
    pub(super) fn good(&self) -> usize {
        self.good
    }

    /// How many hold a good answer from which nothing is missing.
    pub(super) fn whole(&self) -> usize {
        self.whole
    }

    /// True for an existing slot that is not filled.
    pub(super) fn is_open(&self, index: usize) -> bool {
        self.marks.get(index).is_some_and(|mark| !mark.filled)
    }

    /// True for a filled slot, unless it was closed because the answer was no longer wanted.
    pub(super) fn is_settled(&self, index: usize) -> bool {
        self.marks.get(index).is_some_and(|mark| mark.filled && !mark.unwanted)
    }

    /// True if an arrival was not handed out yet.
    pub(super) fn has_arrivals(&self) -> bool {
        self.given < self.arrived.len()
    }

    /// The item of an open slot: its final one if no answer comes.
    pub(super) fn open_item(&mut self, index: usize) -> Option<&mut T> {
        if self.is_open(index) { self.items.get_mut(index)?.as_mut() } else { None }
    }

    /// Takes the item of the first open slot, to be put back in its final form.
    pub(super) fn take_open(&mut self) -> Option<(usize, T)> {
        let open = |(mark, item): (&SlotMark, &Option<T>)| !mark.filled && item.is_some();
        let index = self.marks.iter().zip(&self.items).position(open)?;
        Some((index, self.items[index].take()?))
    }

    /// Fills a slot. False for a filled or missing slot: the first item of a slot stays.
    pub(super) fn fill(&mut self, index: usize, item: T, unwanted: bool) -> bool {
        if !self.is_open(index) {
            return false;
        }
        self.good += usize::from(item.is_good());
        self.whole += usize::from(item.is_whole());
        self.empty -= 1;
        self.items[index] = Some(item);
        (self.marks[index].filled, self.marks[index].unwanted) = (true, unwanted);
        self.arrived.push(u32::try_from(index).expect("a call has fewer slots than 32 bits count"));
        true
    }

    /// Hands out the next arrival.
    pub(super) fn give(&mut self) -> Option<(usize, T)> {
        let index = *self.arrived.get(self.given)? as usize;
        self.given += 1;
        Some((index, self.items.get_mut(index)?.take()?))
    }

    /// The item of a slot, filled or not, until it is handed out.
    pub(super) fn item(&self, index: usize) -> Option<&T> {
        self.items.get(index)?.as_ref()
    }

    /// Takes all items that were not handed out, in slot order, because nobody waits for the open ones any more.
    pub(super) fn give_up(&mut self) -> Vec<T> {
        for mark in self.marks.iter_mut().filter(|mark| !mark.filled) {
            (mark.filled, mark.unwanted) = (true, true);
        }
        self.empty = 0;
        self.take()
    }

    /// Takes all items that were not handed out, in slot order.
    #[expect(
        clippy::filter_map_identity,
        reason = "the result reuses the allocation of the list; with `flatten` it does not"
    )]
    pub(super) fn take(&mut self) -> Vec<T> {
        self.given = self.arrived.len();
        std::mem::take(&mut self.items).into_iter().filter_map(|item| item).collect()
    }
}
