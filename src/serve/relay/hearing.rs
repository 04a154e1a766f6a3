//! What a process does with what its supervisor says. Most of it is done on the thread that hears it; what the event
//! loop does is passed on.

use std::sync::Arc;

use skitai_actors::db::{BudgetKey, Budgets};
use tokio::sync::mpsc::UnboundedSender;

use super::{Order, named, tls_files};
use crate::ipc::messages::{ConnectionCount, ToProcess};
use crate::ipc::recorder::Recorder;
use crate::ipc::{Line, LineError};
use crate::observe::log;
use crate::serve::acting::Acting;
use crate::serve::siblings::{OpenQuestions, Returned};
use crate::tls::tickets::Tickets;

/// Who is told at once, whatever the event loops do.
pub(super) struct AtOnce {
    pub(super) budgets: Option<Arc<Budgets>>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) open: Arc<OpenQuestions>,
    pub(super) acting: Arc<Acting>,
    pub(super) recorder: Option<Arc<Recorder>>,
}

/// Hears the supervisor until its line ends: does what can be done at once, and passes on the rest.
pub(super) fn hear(line: &mut Line, sender: &UnboundedSender<Order>, at_once: &AtOnce) -> Result<(), LineError> {
    let AtOnce { budgets, tickets, open, acting, recorder } = at_once;
    loop {
        let order = match line.wait()? {
            ToProcess::Drain { is_replaced } => Order::Drain { is_replaced },
            ToProcess::End => Order::End,
            ToProcess::Reopen { descriptors } => match named(line, descriptors) {
                Ok(named) => Order::Reopen(named),
                Err(error) => {
                    tracing::error!("{error}; log files stay as they are");
                    continue;
                }
            },
            ToProcess::Grants { connections } => {
                each(budgets.as_deref(), connections, Budgets::granted);
                continue;
            }
            ToProcess::Wants { connections } => {
                each(budgets.as_deref(), connections, Budgets::asked);
                continue;
            }
            ToProcess::Announce { is_on } => {
                recorder.iter().for_each(|recorder| recorder.set_announces(is_on));
                continue;
            }
            ToProcess::Levels { levels } => {
                log::set_levels(levels.as_deref());
                continue;
            }
            ToProcess::Question(question) => Order::Question(question),
            ToProcess::Asked { number, processes } => {
                open.returned(number, Returned::Asked(processes));
                continue;
            }
            ToProcess::Answer { from, number, body } => {
                open.returned(number, Returned::Answer { from, body });
                continue;
            }
            ToProcess::Reckoning { number, reckoning } => {
                open.returned(number, Returned::Reckoning(reckoning));
                continue;
            }
            ToProcess::MemberWords { words, restored } => {
                acting.heard(words, restored.as_ref());
                continue;
            }
            ToProcess::Audited(entry) => {
                acting.audited(entry);
                continue;
            }
            ToProcess::Acted { number, is_done, text } => {
                open.returned(number, Returned::Acted(if is_done { Ok(text) } else { Err(text) }));
                continue;
            }
            ToProcess::TicketSecrets { secrets } => {
                tickets.set(secrets);
                continue;
            }
            ToProcess::TlsFiles { descriptors } => match named(line, descriptors) {
                Ok(named) => Order::TakeUp(tls_files(named).0),
                Err(error) => {
                    tracing::error!("{error}; certificates stay as they are");
                    continue;
                }
            },
            ToProcess::Unknown => continue,
        };
        if sender.send(order).is_err() {
            return Ok(());
        }
    }
}

fn each(budgets: Option<&Budgets>, connections: Vec<ConnectionCount>, act: impl Fn(&Budgets, &BudgetKey, usize)) {
    for ConnectionCount { cluster, member, count, .. } in connections {
        if let Some(budgets) = budgets {
            act(budgets, &(cluster.into(), member.into()), count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::serve::relay::Relay;
    use crate::serve::siblings::ThroughSupervisor;
    use crate::tls::tickets::TicketSecrets;

    #[test]
    fn a_new_key_of_tickets_is_taken_up_whatever_the_event_loops_do() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let (mut here, mut supervisor) = (Line::from(here), Line::from(there));
        let (old, new) = (TicketSecrets::made(), TicketSecrets::made());
        let open = Arc::<OpenQuestions>::default();
        let siblings = Arc::new(ThroughSupervisor { relay: Relay(Arc::default()), open: open.clone() });
        let acting = Arc::new(Acting::of_instance(siblings, Vec::new(), Vec::new()));
        let at_once = AtOnce { budgets: None, tickets: Tickets::of(old), open, acting, recorder: None };
        supervisor.queue(&ToProcess::TicketSecrets { secrets: new.clone() }).expect("it is short");
        supervisor.flush().expect("there is room");
        drop(supervisor);
        // Nobody reads this: no event loop is asked.
        let (sender, _receiver) = unbounded_channel();
        assert!(matches!(hear(&mut here, &sender, &at_once), Err(LineError::Ended)));
        assert!(at_once.tickets.are(&new));
    }
}
