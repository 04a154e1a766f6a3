//! What the members of a cluster do besides statements: idle connections are closed, shares of connections followed.

use std::rc::{Rc, Weak};

use super::budget::Budgets;
use super::member::SqlMember;
use super::{IDLE_LIMIT, LIFETIME, TEND_EVERY};
use crate::kit::tasks;

/// Closes idle connections every [`TEND_EVERY`] until the actor's state is dropped. Without it a pool would only grow.
pub(super) fn tend(members: &Rc<[Rc<SqlMember>]>) {
    let members = Rc::downgrade(members);
    tasks::spawn("closing of idle connections", async move {
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            let Some(members) = members.upgrade() else { return };
            members.iter().for_each(|member| member.close_old(IDLE_LIMIT, LIFETIME));
        }
    });
}

/// Follows the shares of the connections until the actor's state is dropped.
pub(super) fn follow(members: &Rc<[Rc<SqlMember>]>, budgets: &Budgets) {
    let (members, mut changes) = (Rc::downgrade(members), budgets.follow());
    tasks::spawn("shares of connections", async move {
        loop {
            // At once: the shares may have changed while the pools were made.
            let Some(members) = Weak::upgrade(&members) else { return };
            members.iter().for_each(|member| member.follow_budget());
            drop(members);
            if changes.changed().await.is_err() {
                return;
            }
        }
    });
}
