//! The row of slots of one call: what each holds, which are filled, and in what order they were.

use smallvec::SmallVec;

/// Why a slot closed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// The deadline passed first.
    Deadline,
    /// The one who waited no longer needs this answer (a completion rule was met).
    Cancelled,
    /// The actor had no room: it was never handed over.
    NotAdmitted,
    /// The actor's task ended without answering: it panicked, or its thread is gone.
    Abandoned,
    /// The actor panics again and again and is left alone for a while: it was never handed over.
    Failed,
}

/// What a slot holds. It is opened in its "not sent" form, so that a slot nobody touched is still a true statement.
pub trait Slot: Send + 'static {
    /// Turns the item into the statement that no answer came, and why.
    fn missed(&mut self, why: Missed);
    /// Turns the item into the statement that the caller's filter failed on it.
    fn filter_failed(&mut self, message: &str);
    /// True for an answer that a completion rule counts as good.
    fn is_good(&self) -> bool {
        true
    }
}

/// The slots. The items lie apart from what is known of them: they come as a list, and as that list they are given out.
pub(super) struct Slots<T> {
    items: Vec<Option<T>>,
    /// In their place for a few.
    marks: SmallVec<[SlotLink; 4]>,
    empty: usize,
    good: usize,
    /// The filled slots, in the order in which they were, and how many of them were given out.
    arrived: SmallVec<[u32; 4]>,
    given: usize,
}

#[derive(Clone, Default)]
struct SlotLink {
    filled: bool,
    /// Closed because nobody wanted it any more.
    unwanted: bool,
}

impl<T: Slot> Slots<T> {
    /// One slot per item, empty but for that.
    pub(super) fn open(items: Vec<T>) -> Slots<T> {
        let (empty, marks) = (items.len(), smallvec::smallvec![SlotLink::default(); items.len()]);
        let items = items.into_iter().map(Some).collect();
        Slots { items, marks, empty, good: 0, arrived: SmallVec::new(), given: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// How many are not filled.
    pub(super) fn empty(&self) -> usize {
        self.empty
    }

    /// How many hold a good answer.
    pub(super) fn good(&self) -> usize {
        self.good
    }

    /// True for a slot that there is and that is not filled.
    pub(super) fn is_open(&self, index: usize) -> bool {
        self.marks.get(index).is_some_and(|mark| !mark.filled)
    }

    /// True for a slot that is filled, and not because nobody wanted it any more.
    pub(super) fn is_settled(&self, index: usize) -> bool {
        self.marks.get(index).is_some_and(|mark| mark.filled && !mark.unwanted)
    }

    /// True where something arrived that was not given out yet.
    pub(super) fn has_arrivals(&self) -> bool {
        self.given < self.arrived.len()
    }

    /// What an empty slot says should nobody fill it.
    pub(super) fn open_item(&mut self, index: usize) -> Option<&mut T> {
        if self.is_open(index) { self.items.get_mut(index)?.as_mut() } else { None }
    }

    /// Takes out what the first empty slot says, to be put back in its final form.
    pub(super) fn take_open(&mut self) -> Option<(usize, T)> {
        let open = |(mark, item): (&SlotLink, &Option<T>)| !mark.filled && item.is_some();
        let index = self.marks.iter().zip(&self.items).position(open)?;
        Some((index, self.items[index].take()?))
    }

    /// Fills a slot. False for one that is filled already, or that there is not: the first item of a slot stays.
    pub(super) fn fill(&mut self, index: usize, item: T, unwanted: bool) -> bool {
        if !self.is_open(index) {
            return false;
        }
        self.good += usize::from(item.is_good());
        self.empty -= 1;
        self.items[index] = Some(item);
        (self.marks[index].filled, self.marks[index].unwanted) = (true, unwanted);
        self.arrived.push(u32::try_from(index).expect("a call has fewer slots than 32 bits count"));
        true
    }

    /// Gives out what has arrived first of all that was not given out yet.
    pub(super) fn give(&mut self) -> Option<(usize, T)> {
        let index = *self.arrived.get(self.given)? as usize;
        self.given += 1;
        Some((index, self.items.get_mut(index)?.take()?))
    }

    /// Takes all that was not given out, in the order of the slots.
    #[expect(
        clippy::filter_map_identity,
        reason = "the list becomes the other in its place, which `flatten` does not do"
    )]
    pub(super) fn take(&mut self) -> Vec<T> {
        self.given = self.arrived.len();
        std::mem::take(&mut self.items).into_iter().filter_map(|item| item).collect()
    }
}
