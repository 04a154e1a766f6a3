//! Interns the member names of one document: a thousand rows have the same ten columns.

use std::collections::HashMap;
use std::sync::Arc;

/// Maximum of names kept per document. More distinct names than this are data and not columns, and not worth keeping.
const KEPT: usize = 1024;
/// Up to this many names a linear search is cheaper than a hash table. With more, hostile input could make it slow.
const FEW: usize = 16;

/// The names so far, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Names {
    order: Vec<Arc<str>>,
    /// The index of each name, once there are more than [`FEW`].
    known: HashMap<Arc<str>, usize>,
    /// Rows repeat their columns in order, so the name after the last match is tried first.
    next: usize,
}

impl Names {
    pub(crate) fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(guess) = self.order.get(self.next)
            && **guess == *name
        {
            let found = Arc::clone(guess);
            self.follow(self.next);
            return found;
        }
        let known = match self.order.len() {
            0..=FEW => self.order.iter().position(|known| **known == *name),
            _ => self.known.get(name).copied(),
        };
        if let Some(at) = known {
            self.follow(at);
            return Arc::clone(&self.order[at]);
        }
        let new: Arc<str> = Arc::from(name);
        if self.order.len() < KEPT {
            self.order.push(Arc::clone(&new));
            if self.order.len() > FEW {
                // At first all the names of the linear search, later each new name.
                let unknown = self.known.len();
                self.known.extend(self.order.iter().cloned().zip(0..).skip(unknown));
            }
            self.next = 0;
        }
        new
    }

    fn follow(&mut self, at: usize) {
        self.next = if at + 1 == self.order.len() { 0 } else { at + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_however_many_there_are() {
        for count in [1, FEW, FEW + 1, FEW + 2, 100, KEPT, KEPT + 50] {
            let mut names = Names::default();
            let name = |number: usize| format!("name {number}");
            let first: Vec<_> = (0..count).map(|number| names.intern(&name(number))).collect();
            for number in (0..count).chain((0..count).rev()).chain((0..count).step_by(7)) {
                let again = names.intern(&name(number));
                assert_eq!(*again, *name(number));
                assert_eq!(Arc::ptr_eq(&again, &first[number]), number < KEPT, "{number} of {count}");
            }
        }
    }
}
