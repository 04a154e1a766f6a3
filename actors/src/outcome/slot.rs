//! An outcome as the item of a call's slot: what it says when no answer comes, and when the filter has run.

use std::borrow::Cow;
use std::time::Instant;

use super::deadline::Expired;
use super::{Data, EndedBy, Outcome, Reason, deadline};
use crate::kit::{Missed, Slot};

impl Slot for Outcome {
    fn missed(&mut self, why: Missed) {
        match why {
            Missed::Deadline => self.end_courses(EndedBy::Deadline),
            Missed::Cancelled => self.end_courses(EndedBy::Rule),
            Missed::NotAdmitted | Missed::Abandoned | Missed::Failed => self.end_courses(EndedBy::Answer),
        }
        let (reason, msg) = match why {
            // The actor already recorded why nothing was sent; the deadline must not turn that into "may have run".
            Missed::Deadline if self.reason.never_ran() && self.reason != Reason::NotAdmitted => return,
            Missed::Deadline => {
                let Expired { reason, msg } = deadline::caller_deadline();
                (reason, Cow::Owned(msg))
            }
            Missed::Cancelled => (Reason::Cancelled, "the answer was no longer wanted".into()),
            Missed::NotAdmitted => {
                (Reason::NotAdmitted, "not sent: too many calls of this cluster are in flight".into())
            }
            Missed::Abandoned => (Reason::Internal, "the actor failed while working on this call".into()),
            Missed::Failed => {
                (Reason::ActorFailed, "not sent: the cluster's actor panicked too often and rests".into())
            }
        };
        self.status = reason.status();
        self.reason = reason;
        self.msg = msg.into_owned();
        self.data = Data::default();
    }

    fn filtered(&mut self) {
        if let Some(course) = &mut self.course {
            course.filtered(Instant::now());
        }
    }

    fn filter_failed(&mut self, message: &str) {
        self.reason = Reason::FilterPanic;
        self.status = self.reason.status();
        self.msg = format!("the filter panicked: {message}");
        self.data = Data::default();
    }

    fn is_good(&self) -> bool {
        self.is_ok()
    }

    fn is_whole(&self) -> bool {
        Outcome::is_whole(self)
    }
}
