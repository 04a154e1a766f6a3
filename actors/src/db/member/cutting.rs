//! A statement ends when an operator ejects its member.

use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::future::{Either, select};

use super::SqlMember;
use crate::db::flight::{Rows, StatementFailure};

impl SqlMember {
    /// Runs a statement, unless an operator ejects the member first. To drop it is to cancel it at its database.
    pub(super) async fn unless_cut(
        &self,
        run: Pin<&mut impl Future<Output = Result<Rows, StatementFailure>>>,
        was_sent: impl FnOnce() -> bool,
    ) -> Result<Rows, StatementFailure> {
        let (Some(switch), Some(health)) = (&self.switch, &self.health) else { return run.await };
        match select(run, pin!(switch.cut())).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let (reason, why) = health.cut_off(was_sent());
                Err(StatementFailure::new(reason, why))
            }
        }
    }
}
