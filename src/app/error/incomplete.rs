//! The refusal of an answer from which members are missing.

use skitai_actors::{CoverageDetail, CoverageReport};

/// An answer was ready, but members are missing from it, and the client or the route does not take that.
#[derive(Clone, Debug, PartialEq)]
pub struct Incomplete {
    /// What is missing.
    pub report: CoverageReport,
    /// True if the client gets the answer all the same when it sends `Prefer: allow-partial`.
    pub may_consent: bool,
}

impl Incomplete {
    /// The text for a reader who may learn this much.
    pub(crate) fn described(&self, detail: CoverageDetail) -> String {
        let missing = self.report.described(detail);
        let how = if self.may_consent { "; send `Prefer: allow-partial` to get what there is" } else { "" };
        format!("the answer is incomplete: {missing}{how}")
    }
}

impl std::fmt::Display for Incomplete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.described(CoverageDetail::Names))
    }
}

impl std::error::Error for Incomplete {}
