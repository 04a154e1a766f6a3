//! The members that a call to one of them may still go to.

use std::cell::RefCell;

use super::ClusterParts;
use crate::balance::circuit::CallKind;
use crate::outcome::course::PickedBy;
use crate::outcome::{Outcome, Reason};

/// What is left to try for one call.
pub(super) struct Candidates<'a> {
    shared: &'a ClusterParts,
    /// For `balance = hash`.
    key: u64,
    /// The member that comes first, as long as it is in.
    preferred: Option<usize>,
    tried: RefCell<Vec<usize>>,
}

/// A member that was chosen, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) index: usize,
    pub(super) call: CallKind,
    pub(super) by: PickedBy,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(shared: &'a ClusterParts, key: u64) -> Candidates<'a> {
        Candidates { shared, key, preferred: None, tried: RefCell::default() }
    }

    /// The same, but that a client stays at the member of this node, if there is one.
    pub(super) fn preferring(self, node: Option<&str>) -> Candidates<'a> {
        let preferred = node.and_then(|node| self.shared.members.iter().position(|member| &*member.node == node));
        Candidates { preferred, ..self }
    }

    /// The next member to try: the preferred one, one whose trial is due, or what the balance chooses of the untried.
    pub(super) fn next(&self) -> Option<Pick> {
        let health = self.shared.health();
        let mut tried = self.tried.borrow_mut();
        if tried.is_empty()
            && let Some(index) = self.preferred.filter(|&index| self.is_in(index))
        {
            tried.push(index);
            return Some(Pick { index, call: CallKind::Regular, by: PickedBy::Affinity });
        }
        if tried.is_empty()
            && let Some(index) = health.due(health.now())
        {
            tried.push(index);
            return Some(Pick { index, call: CallKind::Trial, by: PickedBy::Trial });
        }
        let by = self.way(&tried);
        let index = self.choice(&tried, false)?;
        tried.push(index);
        Some(Pick { index, call: CallKind::Regular, by })
    }

    /// How the next of the untried members is chosen.
    fn way(&self, tried: &[usize]) -> PickedBy {
        match self.shared.members.len() - tried.len() {
            0 | 1 => PickedBy::OnlyOneLeft,
            _ => self.shared.picker.way(),
        }
    }

    /// An untried member that is healthy, if `is_paid`, which is asked once there is one.
    pub(super) fn healthy(&self, is_paid: impl FnOnce() -> bool) -> Option<Pick> {
        let mut tried = self.tried.borrow_mut();
        let by = self.way(&tried);
        let index = self.choice(&tried, true)?;
        if !is_paid() {
            return None;
        }
        tried.push(index);
        Some(Pick { index, call: CallKind::Regular, by })
    }

    fn is_in(&self, index: usize) -> bool {
        let candidate = self.shared.health().candidate(index, self.shared.health().now(), false);
        !candidate.is_out && !candidate.is_barred && candidate.weight > 0
    }

    fn choice(&self, tried: &[usize], is_picky: bool) -> Option<usize> {
        let (health, picker) = (self.shared.health(), &self.shared.picker);
        let (now, wants_estimate) = (health.now(), picker.wants_estimate());
        picker.pick(self.key, |index| {
            let mut candidate = health.candidate(index, now, wants_estimate);
            candidate.is_barred |= tried.contains(&index) || (is_picky && candidate.is_out);
            candidate
        })
    }

    /// The outcome of a call for which there was nobody to try: the cluster has no members, or operators keep all out.
    pub(super) fn nobody(&self) -> Outcome {
        let (reason, why) = self
            .shared
            .health()
            .all_aside()
            .unwrap_or_else(|| (Reason::Unsendable, "not sent: the cluster has no members".to_owned()));
        Outcome::failed(format!("@{}", self.shared.spec().name).into(), reason, why)
    }

    /// Whether every member was tried.
    pub(super) fn is_exhausted(&self) -> bool {
        self.tried.borrow().len() >= self.shared.members.len()
    }

    /// How many were.
    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.tried.borrow().len()).unwrap_or(u32::MAX)
    }
}
