//! Records one call's outcomes as they come, and at the end, however it comes, adds them to the request's coverage.

use std::sync::{Arc, LazyLock};

use skitai_actors::kit::Rule;
use skitai_actors::{ClusterCoverage, Coverage, CoverageDetail, Outcome, Reason};

use crate::app::was::Was;

/// What stands for the cluster in a call to a URL.
pub(crate) static WEB: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("web"));
/// What stands for the cluster in a statement on a database that the code names.
pub(crate) static DB: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("db"));

static UNDECLARED: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("undeclared"));
/// The longest name of an undeclared cluster that is recorded, in octets.
const LONGEST: usize = 64;

/// The name under which a call that could not be made is recorded: the cluster's, if its outcome names one.
pub(crate) fn unsent_name(outcome: &Outcome, other: &Arc<str>) -> Arc<str> {
    match outcome.node.strip_prefix('@') {
        // An undeclared name may come from the client, and be of any length.
        Some(name) if name.len() <= LONGEST => Arc::from(name),
        Some(_) => UNDECLARED.clone(),
        None => other.clone(),
    }
}

/// Adds a finished call to the coverage of its request.
pub(crate) fn record(was: &Was, name: Arc<str>, outcomes: &[Outcome], rule: Rule) {
    let coverage = Coverage::of(outcomes);
    let is_enough = !matches!(rule, Rule::All | Rule::AllOrError) && coverage.meets(rule);
    was.coverage.add(ClusterCoverage::of(name, outcomes, coverage, is_enough));
}

/// Gives the outcomes of a call their positions, and masks them where the client may not learn addresses. `is_single`:
/// the call went to one member, whose actor has set its index.
pub(crate) fn place(was: &Was, outcomes: &mut [Outcome], is_single: bool) {
    let is_masked = was.coverage_detail() == CoverageDetail::Positions;
    for (outcome, index) in outcomes.iter_mut().zip(0..) {
        outcome.is_masked = is_masked;
        if !is_single {
            outcome.index = Some(index);
        }
    }
}

/// A call whose outcomes come one by one. Members that have not answered when it is dropped count as cancelled.
pub(crate) struct RecordedCall {
    was: Was,
    name: Arc<str>,
    rule: Rule,
    /// One for each member; the answers themselves are left out.
    outcomes: Vec<Outcome>,
}

impl RecordedCall {
    pub(crate) fn new(was: Was, name: Arc<str>, rule: Rule, members: usize, is_single: bool) -> RecordedCall {
        let unanswered = || Outcome::failed(Arc::from(""), Reason::Cancelled, "the answer was no longer wanted");
        let mut outcomes: Vec<Outcome> = (0..members).map(|_| unanswered()).collect();
        place(&was, &mut outcomes, is_single);
        RecordedCall { was, name, rule, outcomes }
    }

    /// Records the outcome of the member at this index, and gives the outcome its position.
    pub(crate) fn came(&mut self, index: usize, outcome: &mut Outcome) {
        let Some(slot) = self.outcomes.get_mut(index) else { return };
        outcome.is_masked = slot.is_masked;
        outcome.index = slot.index.or(outcome.index);
        *slot = outcome.without_data();
    }
}

impl Drop for RecordedCall {
    fn drop(&mut self) {
        record(&self.was, self.name.clone(), &self.outcomes, self.rule);
    }
}
