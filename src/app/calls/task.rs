//! A call in flight: made at the verb, awaited when its answer is needed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::cache::{Begun, Follower, Leader};
use skitai_actors::kit::{OnArrival, Replies, Rule};
use skitai_actors::spec::Spread;
use skitai_actors::{Outcome, Reason};
use skitai_wire::Value;

use super::Options;
use super::arrivals::AsCompleted;
use super::caching::Caching;
use super::results::{AllFailed, Answered, Results};
use crate::app::coverage::record;
use crate::app::coverage::record::RecordedCall;
use crate::app::trail::Mark;
use crate::app::trail::noted::{CallSource, age};
use crate::app::was::Was;

/// Hands a call to its actor, now.
pub(crate) trait StartCall:
    FnOnce(Option<OnArrival<Outcome>>, Instant) -> Replies<Outcome> + Send + 'static
{
}
impl<F: FnOnce(Option<OnArrival<Outcome>>, Instant) -> Replies<Outcome> + Send + 'static> StartCall for F {}

/// An equal call in flight whose answer we will share, and our own call, which we make if that one fails.
struct Following(Follower, Option<OnArrival<Outcome>>, Box<dyn StartCall<Output = Replies<Outcome>>>);

/// A call in flight. Dropping it stops it: sockets to members are closed, statements are cancelled.
#[must_use = "a call that is not waited for is cancelled; use .getwait(…), .getswait(…) or .detach()"]
pub struct Task {
    call: Box<PendingCall>,
}

struct PendingCall {
    was: Was,
    /// Where the answers arrive; `None` while this call follows an equal one.
    replies: Option<Replies<Outcome>>,
    following: Option<Following>,
    caching: Option<Caching>,
    // Set by `.cache(ttl)` before the verb: the lifetime of the entry, and the duty to notify the calls that follow us.
    ttl: Option<Duration>,
    leader: Option<Leader>,
    rule: Rule,
    /// The cluster's name, for the coverage of the request.
    name: Arc<str>,
    /// Whether it went to one member; `fetch` then returns its data and not a list.
    single: bool,
    made: Instant,
    /// The number of members while they are waited for.
    awaited: Option<usize>,
    /// Its entry in the trail of the request.
    mark: Option<Mark>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("age", &self.call.made.elapsed()).finish_non_exhaustive()
    }
}

impl Task {
    /// A call whose answer is already known.
    pub(crate) fn ready(was: Was, name: Arc<str>, outcomes: Vec<Outcome>) -> Task {
        let (made, rule, single) = (Instant::now(), Rule::All, true);
        Task { call: PendingCall::new(was, name, Some(Replies::ready(outcomes)), rule, single, made) }
    }

    /// Dispatches a call, unless its answer is in the cache or an equal cached call is in flight.
    pub(crate) fn start(
        was: Was,
        name: Arc<str>,
        caching: Option<Caching>,
        spread: Spread,
        options: Options,
        dispatch: impl StartCall,
    ) -> Task {
        let Options { on_arrival, cache, rule, what } = options;
        let (made, single) = (Instant::now(), spread == Spread::One);
        let mark = what.and_then(|what| was.trail.call(made, what, rule, CallSource::Members));
        let mut call = PendingCall::new(was, name, None, rule, single, made);
        call.mark = mark;
        let ttl = cache.filter(|_| caching.is_some());
        let hit = match (&caching, ttl) {
            (Some(asked), Some(_)) => match asked.store().begin(asked.key()) {
                Begun::Hit(outcomes) => Some(outcomes),
                Begun::Lead(lead) => {
                    call.leader = Some(lead);
                    None
                }
                Begun::Follow(follower) => {
                    call.was.trail.comes_from(mark, CallSource::Equal);
                    call.following = Some(Following(follower, on_arrival, Box::new(dispatch)));
                    (call.caching, call.ttl) = (caching, ttl);
                    return Task { call };
                }
            },
            (Some(asked), None) if asked.store().is_used() => asked.store().get(&asked.key()),
            _ => None,
        };
        match hit {
            // An answer from the cache is not stored again, or it would never expire.
            Some(outcomes) => {
                call.was.trail.comes_from(mark, age(&outcomes));
                call.replies = Some(Replies::ready(outcomes.to_vec()));
            }
            None => {
                call.replies = Some(dispatch(on_arrival, made).under(rule));
                (call.caching, call.ttl) = (caching, ttl);
            }
        }
        Task { call }
    }

    /// Waits for the one answer of `lb`, `dlb`, `db`, `rpc`, `rest` or `wget`: at most until `timeout` after the call
    /// was made, and at most until the request's deadline less a reserve to answer (5 % of the time, at most 50 ms).
    /// The outcome of a call that is not answered by then has the reason `deadline`, and the call is stopped.
    pub async fn getwait(mut self, timeout: Duration) -> Answered {
        let until = after(self.call.made, timeout);
        let mut outcomes = self.call.gather(until).await;
        let outcome = match outcomes.len() {
            1 => outcomes.remove(0),
            several => Outcome::failed(
                Arc::from("?"),
                Reason::Unsendable,
                format!("getwait gives one outcome and this call has {several}; use getswait"),
            ),
        };
        Answered { outcome, caching: self.call.caching.take() }
    }

    /// The same as [`getwait`](Task::getwait).
    pub fn wait_one(self, timeout: Duration) -> impl Future<Output = Answered> {
        self.getwait(timeout)
    }

    /// Waits for the answers of `map` and `dmap`: one per member, in the order of the configuration, at most until
    /// `timeout` after the call was made. Members that have not answered by then get an outcome that says so, and their
    /// work is stopped. A completion rule set before the verb ends the wait earlier.
    #[doc(alias = "join_all")]
    pub async fn getswait(self, timeout: Duration) -> Results {
        let until = after(self.call.made, timeout);
        self.getswait_until(until).await
    }

    /// The same as [`getswait`](Task::getswait).
    pub fn wait_all(self, timeout: Duration) -> impl Future<Output = Results> {
        self.getswait(timeout)
    }

    pub(crate) async fn getswait_until(mut self, until: Instant) -> Results {
        let outcomes = self.call.gather(until).await;
        let PendingCall { caching, rule, .. } = &mut *self.call;
        Results { outcomes, caching: caching.take(), rule: *rule }
    }

    /// Waits like `getwait` or `getswait` and returns the data alone: one answer's data for `lb`, `dlb`, `db`, `rpc`
    /// and `wget`; a list with one entry per good answer for `map` and `dmap`. Returns an error with every reason
    /// unless every member answered, or as many as the completion rule requires.
    pub async fn fetch(self, timeout: Duration) -> Result<Value, AllFailed> {
        let until = after(self.call.made, timeout);
        self.fetch_until(until).await
    }

    pub(crate) async fn fetch_until(self, until: Instant) -> Result<Value, AllFailed> {
        let single = self.call.single;
        let mut data = self.getswait_until(until).await.met(single)?;
        if single && data.len() == 1 { Ok(data.remove(0)) } else { Ok(Value::List(data)) }
    }

    /// Returns the outcomes as a stream, in the order of their arrival. It ends with the last outcome, at the latest at
    /// the request's deadline less its reserve; [`within`](AsCompleted::within) sets an earlier end. The outcomes may
    /// come from the result cache but are not stored in it.
    pub fn as_completed(self) -> AsCompleted {
        let until = self.call.was.latest_wait();
        AsCompleted::new(self, until)
    }

    /// The receiver of the answers, and their record. The answers of an equal call in flight arrive together.
    pub(crate) async fn into_replies(mut self, until: Instant) -> (Replies<Outcome>, RecordedCall) {
        let replies = match self.call.replies.take() {
            Some(replies) => replies,
            None => Replies::ready(self.call.outcomes(until).await),
        };
        let recorded = self.recorded(replies.len());
        (replies, recorded)
    }

    /// When the call was made.
    pub(crate) fn made(&self) -> Instant {
        self.call.made
    }

    /// Lets the call run to its end, whatever happens to this request, and discards its answer.
    pub fn detach(mut self) {
        if let Some(replies) = self.call.replies.take() {
            replies.detach();
        }
    }

    /// The request it belongs to, and its entry in that request's trail.
    pub(crate) fn origin(&self) -> (Was, Option<Mark>) {
        (self.call.was.clone(), self.call.mark)
    }

    /// The record of a call whose outcomes are read one by one.
    fn recorded(&self, members: usize) -> RecordedCall {
        let PendingCall { was, name, rule, single, .. } = &*self.call;
        RecordedCall::new(was.clone(), name.clone(), *rule, members, *single)
    }
}

impl PendingCall {
    fn new(
        was: Was,
        name: Arc<str>,
        replies: Option<Replies<Outcome>>,
        rule: Rule,
        single: bool,
        made: Instant,
    ) -> Box<PendingCall> {
        let (following, caching, ttl, leader, mark) = (None, None, None, None, None);
        let awaited = None;
        Box::new(PendingCall { was, replies, following, caching, ttl, leader, rule, name, single, made, awaited, mark })
    }

    /// Waits for the outcomes and records them: for the coverage of the request, and for its trail.
    async fn gather(&mut self, until: Instant) -> Vec<Outcome> {
        // If the handler gives the wait up, the call is recorded when it is dropped.
        self.awaited = Some(self.replies.as_ref().map_or(1, Replies::len));
        let mut outcomes = self.outcomes(until).await;
        self.awaited = None;
        record::place(&self.was, &mut outcomes, self.single);
        self.was.trail.came(self.mark, &outcomes);
        record::record(&self.was, self.name.clone(), &outcomes, self.rule);
        outcomes
    }

    async fn outcomes(&mut self, until: Instant) -> Vec<Outcome> {
        let until = until.min(self.was.latest_wait());
        if let Some(following) = self.following.take()
            && let Some(outcomes) = self.follow(following, until).await
        {
            self.caching = None;
            return outcomes;
        }
        let Some(replies) = &mut self.replies else { return Vec::new() };
        let mut outcomes = replies.gather(until).await;
        for outcome in &mut outcomes {
            if outcome.latency.is_zero() && matches!(outcome.reason, Reason::Deadline | Reason::Cancelled) {
                outcome.latency = self.made.elapsed();
            }
        }
        if let (Some(leader), Some(ttl)) = (self.leader.take(), self.ttl) {
            // An incomplete answer is not kept; the calls that waited for it are notified and dispatch themselves.
            let _ = leader.finish(outcomes.clone().into(), ttl);
        }
        outcomes
    }

    /// Waits for an equal call's answer. Returns `None` if that call failed and ours has been dispatched instead.
    async fn follow(&mut self, mut following: Following, until: Instant) -> Option<Vec<Outcome>> {
        loop {
            let Following(follower, on_arrival, dispatch) = following;
            if let Some(outcomes) = follower.wait(until).await {
                return Some(outcomes.to_vec());
            }
            // The leader has failed or given up: one of its followers becomes the leader.
            match self.caching.as_ref().map(|caching| caching.store().begin(caching.key())) {
                Some(Begun::Hit(outcomes)) => {
                    self.was.trail.comes_from(self.mark, age(&outcomes));
                    return Some(outcomes.to_vec());
                }
                Some(Begun::Follow(follower)) if Instant::now() < until => {
                    following = Following(follower, on_arrival, dispatch);
                    continue;
                }
                Some(Begun::Lead(lead)) => self.leader = Some(lead),
                _ => {}
            }
            self.was.trail.comes_from(self.mark, CallSource::Members);
            self.replies = Some(dispatch(on_arrival, Instant::now()).under(self.rule));
            return None;
        }
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if let (Some(mark), Some(replies)) = (self.mark, self.replies.take()) {
            let mut left = replies.abandon();
            record::place(&self.was, &mut left, self.single);
            self.was.trail.abandoned(mark, left);
        }
        if let Some(members) = self.awaited {
            // Nothing has arrived that the handler could use, so all of it counts as cancelled.
            drop(RecordedCall::new(self.was.clone(), self.name.clone(), self.rule, members, self.single));
        }
    }
}

/// The instant `timeout` after `made`; a wait that overflows the clock is cut to a very long one.
pub(crate) fn after(made: Instant, timeout: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(365 * 24 * 3600);
    made + timeout.min(LONG)
}
