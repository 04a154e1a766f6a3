//! A call under way: made at the verb, waited for when its answer is needed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::cache::{Begun, Follower, Leader, Question};
use skitai_actors::kit::{Inlet, OnArrival, Rule};
use skitai_actors::{Coverage, Outcome, Reason};
use skitai_wire::Value;

use super::arrivals::AsCompleted;
use super::caching::Caching;
use super::calls::{Options, Way};
use super::results::{AllFailed, Answered, Results};
use super::trace::Mark;
use super::was::Was;

/// Hands a call to its actor. Boxed because a call that waits for an equal one may yet have to be made.
pub(super) type Dispatch = Box<dyn FnOnce(Option<OnArrival<Outcome>>) -> Inlet<Outcome> + Send>;

/// Where the answers come from.
enum Source {
    Inlet(Inlet<Outcome>),
    /// An equal call is under way; its answer will be ours.
    Follow(Follower, Option<OnArrival<Outcome>>, Dispatch),
}

/// A call under way. Dropping it stops it: the members' sockets are closed, statements are cancelled.
#[must_use = "a call that is not waited for is cancelled; use .getwait(…), .getswait(…) or .detach()"]
pub struct Task {
    was: Was,
    source: Source,
    caching: Option<Caching>,
    // Set for `.cache(ttl)` before the verb: what is to be kept, and the duty to tell those who wait for the same.
    ttl: Option<Duration>,
    leader: Option<Leader>,
    rule: Rule,
    /// It went to one member, so `fetch` gives its data and not a list.
    single: bool,
    made: Instant,
    /// Its place in what devel mode remembers of the request.
    mark: Option<Mark>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("age", &self.made.elapsed()).finish_non_exhaustive()
    }
}

impl Task {
    /// A call whose answer is known already.
    pub(super) fn ready(was: Was, outcomes: Vec<Outcome>) -> Task {
        let source = Source::Inlet(Inlet::ready(outcomes));
        let (caching, ttl, leader, rule) = (None, None, None, Rule::All);
        Task { was, source, caching, ttl, leader, rule, single: true, made: Instant::now(), mark: None }
    }

    /// Dispatches a call, unless its answer is in the cache or an equal call that is to be cached is under way.
    pub(super) fn start(was: Was, question: Option<Question>, way: Way, options: Options, dispatch: Dispatch) -> Task {
        let Options { on_arrival, cache, rule, what } = options;
        let mark = was.trace().zip(what).and_then(|(trace, what)| trace.call(&what, was.request.begun));
        let (made, single) = (Instant::now(), way == Way::Lb);
        let caching = question.map(|question| Caching { hands: was.hands().clone(), question });
        let ttl = cache.filter(|_| caching.is_some());
        let mut leader = None;
        let hit = match (&caching, ttl) {
            (Some(caching), Some(_)) => match caching.store().begin(caching.question.key()) {
                Begun::Hit(outcomes) => Some(outcomes),
                Begun::Lead(lead) => {
                    leader = Some(lead);
                    None
                }
                Begun::Follow(follower) => {
                    let source = Source::Follow(follower, on_arrival, dispatch);
                    let caching = Some(Caching::clone(caching));
                    return Task { was, source, caching, ttl, leader: None, rule, single, made, mark };
                }
            },
            (Some(caching), None) if caching.store().is_used() => caching.store().get(&caching.question.key()),
            _ => None,
        };
        match hit {
            // What came from the cache is not kept anew: it would never grow old.
            Some(outcomes) => Task { rule, single, made, mark, ..Task::ready(was, outcomes.to_vec()) },
            None => {
                let source = Source::Inlet(dispatch(on_arrival).under(rule));
                Task { was, source, caching, ttl, leader, rule, single, made, mark }
            }
        }
    }

    /// Waits for the one answer of `lb`, `dlb`, `db`, `rpc` and `wget`, at most until `timeout` after the call was
    /// made, and no longer than the request may last.
    pub async fn getwait(self, timeout: Duration) -> Answered {
        let until = after(self.made, timeout);
        let (mut outcomes, caching) = self.gather(until).await;
        let outcome = match outcomes.len() {
            1 => outcomes.remove(0),
            several => Outcome::failed(
                Arc::from("?"),
                Reason::Unsendable,
                format!("getwait gives one outcome and this call has {several}; use getswait"),
            ),
        };
        Answered { outcome, caching }
    }

    /// Waits for the answers of `map` and `dmap`: one per member, in the order of the configuration, at most until
    /// `timeout` after the call was made. Members that have not answered by then are outcomes that say so, and their
    /// work is stopped. A completion rule chosen before the verb ends the wait earlier. A wait of half a second or more may end
    /// 16 ms late.
    pub async fn getswait(self, timeout: Duration) -> Results {
        let until = after(self.made, timeout);
        self.getswait_until(until).await
    }

    pub(super) async fn getswait_until(self, until: Instant) -> Results {
        let (was, rule) = (self.was.clone(), self.rule);
        let (outcomes, caching) = self.gather(until).await;
        let coverage = Coverage::of(&outcomes);
        if coverage.ok > 0 && !coverage.is_complete() {
            // A partial answer is never silent: the client can see it and, unless it was asked for, so can the operator.
            if !rule.is_met(coverage.asked, coverage.ok) {
                let failed: Vec<String> = outcomes
                    .iter()
                    .filter(|outcome| !outcome.is_ok())
                    .map(|outcome| format!("{} {}", outcome.node, outcome.reason.word()))
                    .collect();
                tracing::warn!(uri = was.request.uri(), "partial answer: {coverage}: {}", failed.join(", "));
            }
            was.response.set("x-coverage", coverage.to_string());
        }
        Results { outcomes, caching, rule }
    }

    /// Waits like `getwait` or `getswait` and gives the data alone: of `lb`, `dlb`, `db`, `rpc` and `wget` the one
    /// answer's, of `map` and `dmap` a list with one entry per good answer. It is an error with every reason unless
    /// every member answered, or as many as the completion rule asked for.
    pub async fn fetch(self, timeout: Duration) -> Result<Value, AllFailed> {
        let until = after(self.made, timeout);
        self.fetch_until(until).await
    }

    pub(super) async fn fetch_until(self, until: Instant) -> Result<Value, AllFailed> {
        let single = self.single;
        let mut data = self.getswait_until(until).await.met()?;
        if single && data.len() == 1 { Ok(data.remove(0)) } else { Ok(Value::List(data)) }
    }

    /// The outcomes in the order of their arrival, as a stream that ends with the last of them, at the latest with the
    /// request's time; [`within`](AsCompleted::within) sets an earlier end. What comes this way is not kept in the
    /// result cache, though it may come from it.
    pub fn as_completed(self) -> AsCompleted {
        let until = self.was.latest_wait();
        AsCompleted::new(self, until)
    }

    /// Where the answers arrive. Those of an equal call under way arrive together.
    pub(super) async fn into_inlet(self, until: Instant) -> Inlet<Outcome> {
        match self {
            Task { source: Source::Inlet(inlet), .. } => inlet,
            following => Inlet::ready(following.outcomes(until).await.0),
        }
    }

    /// When the call was made.
    pub(super) fn made(&self) -> Instant {
        self.made
    }

    /// Lets the call run to its end, whatever becomes of this request. Its answer is not wanted.
    pub fn detach(self) {
        match self.source {
            Source::Inlet(inlet) => inlet.detach(),
            Source::Follow(..) => {}
        }
    }

    pub(super) async fn gather(self, until: Instant) -> (Vec<Outcome>, Option<Caching>) {
        let (was, mark) = (self.was.clone(), self.mark);
        let gathered = self.outcomes(until).await;
        Self::remember(&was, mark, &gathered.0);
        gathered
    }

    /// Devel mode remembers what came.
    pub(super) fn remember(was: &Was, mark: Option<Mark>, outcomes: &[Outcome]) {
        if let (Some(trace), Some(mark)) = (was.trace(), mark) {
            trace.came(mark, outcomes, was.request.begun);
        }
    }

    /// The request it belongs to, and its place in what is remembered of that.
    pub(super) fn origin(&self) -> (Was, Option<Mark>) {
        (self.was.clone(), self.mark)
    }

    async fn outcomes(self, until: Instant) -> (Vec<Outcome>, Option<Caching>) {
        let Task { was, mut source, caching, ttl, mut leader, rule, made, .. } = self;
        let until = until.min(was.latest_wait());
        let mut outcomes = loop {
            match source {
                Source::Inlet(inlet) => break inlet.all(until).await,
                Source::Follow(follower, on_arrival, dispatch) => {
                    if let Some(outcomes) = follower.wait(until).await {
                        return (outcomes.to_vec(), None);
                    }
                    // The one who led has failed or given up: one of those who waited leads now.
                    let begun = caching.as_ref().map(|caching| caching.store().begin(caching.question.key()));
                    source = match begun {
                        Some(Begun::Hit(outcomes)) => return (outcomes.to_vec(), None),
                        Some(Begun::Follow(follower)) if Instant::now() < until => {
                            Source::Follow(follower, on_arrival, dispatch)
                        }
                        Some(Begun::Lead(lead)) => {
                            leader = Some(lead);
                            Source::Inlet(dispatch(on_arrival).under(rule))
                        }
                        _ => Source::Inlet(dispatch(on_arrival).under(rule)),
                    };
                }
            }
        };
        for outcome in &mut outcomes {
            if outcome.latency.is_zero() && matches!(outcome.reason, Reason::Deadline | Reason::Cancelled) {
                outcome.latency = made.elapsed();
            }
        }
        if let (Some(leader), Some(ttl)) = (leader, ttl) {
            // An incomplete answer is not kept; those who waited for it are told and ask for themselves.
            let _ = leader.finish(outcomes.clone().into(), ttl);
        }
        (outcomes, caching)
    }
}

/// An instant so much later; a wait beyond what a clock can say is as long as any.
pub(super) fn after(made: Instant, timeout: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(365 * 24 * 3600);
    made + timeout.min(LONG)
}
