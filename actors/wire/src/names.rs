//! Member names of one document, each kept once: a thousand rows have the same ten columns.

use std::collections::HashMap;
use std::sync::Arc;

/// Names kept per document. More distinct names than this are data rather than columns and are not worth remembering.
const KEPT: usize = 1024;
/// So many are looked through one by one, which costs less than a table. More may be somebody's who would slow us down.
const FEW: usize = 16;

/// The names seen so far, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Names {
    order: Vec<Arc<str>>,
    /// Where each is, once there are more than a few.
    known: HashMap<Arc<str>, usize>,
    /// Rows repeat their columns in order, so the name after the last one is tried before hashing.
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
                // The few that were looked through until now, and then each as it comes.
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
