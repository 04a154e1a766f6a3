//! The coverage of a request: what its calls asked, what came, and how much of that the client may learn.
//!
//! Each call records its outcomes here when they are given to the handler, whatever the handler does with them: `Task`
//! and `AsCompleted` in `calls`, `Rows` in `sql`. `edge::partial` reads the record when the answer is written.

pub(crate) mod prefer;
pub(crate) mod record;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use skitai_actors::{ClusterCoverage, CoverageDetail, CoverageReport};

use self::prefer::Preferences;
use super::request::Request;
use super::was::RequestContext;
use crate::config::PartialAnswers;

/// What one request knows of its own completeness.
#[derive(Debug, Default)]
pub(crate) struct RequestCoverage {
    report: Mutex<CoverageReport>,
    detail: OnceLock<CoverageDetail>,
    /// The body has the coverage, too.
    is_in_body: AtomicBool,
    /// The answer would be another with another `Prefer`.
    is_varied: AtomicBool,
    /// The answer is an error, whose line in the log says why.
    is_failed: AtomicBool,
}

/// Who reads an answer or an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    /// An author in devel mode, who also sees the causes of internal faults.
    pub(crate) devel: bool,
    /// How much of missing members the reader may learn.
    pub(crate) detail: CoverageDetail,
}

impl Audience {
    /// A client of which nothing is known.
    pub(crate) fn stranger(devel: bool) -> Audience {
        Audience { devel, detail: if devel { CoverageDetail::Names } else { CoverageDetail::Positions } }
    }

    /// The client of a request that did not come to a handler. What devel mode shows is for this machine alone.
    pub(crate) fn of(request: &Request, devel: bool) -> Audience {
        Audience::stranger(devel && request.is_local())
    }
}

impl RequestCoverage {
    fn lock(&self) -> MutexGuard<'_, CoverageReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, call: ClusterCoverage) {
        self.lock().add(call);
    }

    /// What is recorded so far.
    pub(crate) fn report(&self) -> CoverageReport {
        self.lock().clone()
    }

    /// True if a call was made.
    pub(crate) fn has_calls(&self) -> bool {
        !self.lock().is_empty()
    }

    /// The value of `X-Coverage`; empty if no call was made.
    pub(crate) fn header(&self) -> String {
        self.lock().to_header()
    }

    /// Notes that the body has the coverage, too.
    pub(crate) fn put_in_body(&self) {
        self.is_in_body.store(true, Relaxed);
    }

    pub(crate) fn is_in_body(&self) -> bool {
        self.is_in_body.load(Relaxed)
    }

    /// Notes that the answer would be another with another `Prefer`.
    pub(crate) fn vary(&self) {
        self.is_varied.store(true, Relaxed);
    }

    pub(crate) fn is_varied(&self) -> bool {
        self.is_varied.load(Relaxed)
    }

    /// Notes that the answer is an error.
    pub(crate) fn fail(&self) {
        self.is_failed.store(true, Relaxed);
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.is_failed.load(Relaxed)
    }

    /// True if something that was wanted is missing.
    pub(crate) fn has_gap(&self) -> bool {
        self.lock().has_gap()
    }
}

impl RequestContext {
    /// What the calls of this request asked and what came, so far.
    pub fn coverage(&self) -> CoverageReport {
        self.coverage.report()
    }

    /// How much of missing members the client may learn: what the configuration says (`coverage_detail`), else names in
    /// devel mode (for clients on this machine) and for the user `admin`, else positions.
    pub fn coverage_detail(&self) -> CoverageDetail {
        *self.coverage.detail.get_or_init(|| {
            let site = &self.services.site;
            let may_learn = || self.shows_devel() || self.is_known_admin();
            site.server.coverage_detail.unwrap_or_else(|| match may_learn() {
                true => CoverageDetail::Names,
                false => CoverageDetail::Positions,
            })
        })
    }

    pub(crate) fn audience(&self) -> Audience {
        let devel = self.shows_devel();
        match self.coverage.has_calls() || self.services.site.server.coverage_detail.is_some() {
            true => Audience { devel, detail: self.coverage_detail() },
            // There is nothing to tell, so nobody is asked who he is.
            false => Audience::stranger(devel),
        }
    }

    /// Whether the client gets what devel mode shows. That is for this machine alone: a proxy on it, such as a tunnel
    /// of the author's, may let in others.
    pub(crate) fn shows_devel(&self) -> bool {
        self.app().is_devel() && self.request.is_local()
    }

    /// What the client prefers (RFC 7240), as far as it is about coverage.
    pub(crate) fn preferences(&self) -> Preferences {
        Preferences::of(&self.request.headers)
    }

    /// True if a JSON answer of this request has its coverage in the body.
    pub(crate) fn has_coverage_in_body(&self) -> bool {
        self.route.covered || self.preferences().coverage_in_body
    }

    /// What becomes of an answer from which members are missing.
    pub(crate) fn partial_answers(&self) -> PartialAnswers {
        self.route.partial.unwrap_or(self.services.site.server.partial)
    }

    /// True if the client gets an answer from which members are missing.
    pub(crate) fn allows_partial(&self) -> bool {
        match self.partial_answers() {
            PartialAnswers::Tell => true,
            PartialAnswers::Consent => self.preferences().allow_partial,
            PartialAnswers::Refuse => false,
        }
    }
}
