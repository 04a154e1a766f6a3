//! Member names of one document, each kept once: a thousand rows have the same ten columns.

use std::collections::HashMap;
use std::sync::Arc;

/// Names kept per document. More distinct names than this are data rather than columns and are not worth remembering.
const KEPT: usize = 1024;

/// The names seen so far, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Names {
    order: Vec<Arc<str>>,
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
        if let Some(&at) = self.known.get(name) {
            self.follow(at);
            return Arc::clone(&self.order[at]);
        }
        let new: Arc<str> = Arc::from(name);
        if self.order.len() < KEPT {
            self.known.insert(Arc::clone(&new), self.order.len());
            self.order.push(Arc::clone(&new));
            self.next = 0;
        }
        new
    }

    fn follow(&mut self, at: usize) {
        self.next = if at + 1 == self.order.len() { 0 } else { at + 1 };
    }
}
