//! The address of an actor: `Clone`, `Send`, `Sync`, and the only way in.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Addr};

use super::actor_host::{ActorHost, Answers, Envelope, Permit};
use super::gather::{OnArrival, Replies};
use super::party::Party;
use super::report::{ActorReport, Gauges, Report, Reporter};

/// The limit of messages in flight through one actor. actix's mailbox limit does not apply to its `send`.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// Messages in flight (queued or running). Further ones are refused at the call.
    pub in_flight: usize,
}

impl Default for Admission {
    /// 10 000: far more than a thread serves within a deadline, far less than what fills the memory.
    fn default() -> Self {
        Admission { in_flight: 10_000 }
    }
}

/// The address of an actor that keeps a state `S` on its own thread.
pub struct ActorRef<S: Unpin + 'static> {
    // Shared, because every clone of an `Addr` adds an entry to the mailbox's list of senders, and an `ActorRef` is
    // cloned for every call.
    addr: Arc<Addr<ActorHost<S>>>,
    gauges: Arc<Gauges>,
}

impl<S: Unpin + 'static> Clone for ActorRef<S> {
    fn clone(&self) -> Self {
        ActorRef { addr: self.addr.clone(), gauges: self.gauges.clone() }
    }
}

impl<S: Unpin + 'static> std::fmt::Debug for ActorRef<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ActorRef").field(&self.gauges.name()).finish()
    }
}

impl<S: Unpin + 'static> ActorRef<S> {
    /// Starts the actor on the current thread. `make` builds its state, now and again after a panic.
    pub fn open(name: impl Into<String>, admission: Admission, make: impl Fn() -> S + 'static) -> ActorRef<S> {
        let gauges = Arc::new(Gauges::new(name.into(), admission.in_flight));
        let host = ActorHost::new(Box::new(make), gauges.clone());
        ActorRef { addr: Arc::new(host.start()), gauges }
    }

    /// The actor's counters.
    pub fn gauges(&self) -> &Arc<Gauges> {
        &self.gauges
    }

    /// Sends a message. `slots` are the expected answers in their "not sent" form. The work ends at `deadline` at the
    /// latest, or when the returned [`Replies`] is dropped. If the message is refused, the slots of the replies say so.
    pub fn ask<M>(
        &self,
        message: M,
        slots: Vec<S::Item>,
        on_arrival: Option<OnArrival<S::Item>>,
        deadline: Instant,
    ) -> Replies<S::Item>
    where
        M: Send + 'static,
        S: Answers<M>,
    {
        self.ask_for(Party::ALONE, message, slots, on_arrival, deadline)
    }

    /// As [`ask`](ActorRef::ask), on behalf of a request, whose calls share scarce permits fairly with other requests.
    pub fn ask_for<M>(
        &self,
        party: Party,
        message: M,
        slots: Vec<S::Item>,
        on_arrival: Option<OnArrival<S::Item>>,
        deadline: Instant,
    ) -> Replies<S::Item>
    where
        M: Send + 'static,
        S: Answers<M>,
    {
        let (replies, mut responder) = Replies::open(slots, on_arrival);
        (responder.deadline, responder.party) = (Some(deadline), party);
        if let Err(why) = self.gauges.enter(S::NAME) {
            responder.close(why);
            return replies;
        }
        let permit = Permit::new(self.gauges.clone());
        // `do_send` always enqueues at once. If the actor's thread is gone, the envelope is dropped, and its responder
        // closes the slots as abandoned.
        self.addr.do_send(Envelope { message, responder, deadline, permit });
        replies
    }

    /// The actor as a [`Reporter`], for the status actor.
    pub fn reporter(&self) -> Arc<dyn Reporter>
    where
        S: Answers<Report, Item = ActorReport>,
    {
        Arc::new(self.clone())
    }
}

impl<S> Reporter for ActorRef<S>
where
    S: Answers<Report, Item = ActorReport> + Unpin,
{
    fn name(&self) -> String {
        self.gauges.name().to_owned()
    }

    fn report(&self, deadline: Instant) -> Replies<ActorReport> {
        self.ask(Report, vec![ActorReport::unasked(&self.gauges)], None, deadline)
    }

    fn gauges(&self) -> Arc<Gauges> {
        self.gauges.clone()
    }
}
