//! The clock, the members at work and their callers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use skitai_actors::balance::circuit::{CallKind as Part, Judged, judge};
use skitai_actors::balance::health::{CallEnd, Extra, FULL_WEIGHT};
use skitai_actors::balance::pick::{Dice, Picker};
use skitai_actors::cluster::Health;
use skitai_actors::spec::{Check, CheckKind, ClusterSpec, Member};
use skitai_actors::{Reason, Status};

use super::Way;
use super::scene::{LENGTH, MICROS, Nature, Scene};

/// What happens before is not counted: the members are met for the first time.
const WARM_UP: u64 = 60 * MICROS;
const PATIENCE: u64 = 3 * MICROS;
/// Between two checks of a member.
const CHECKED: u64 = 5 * MICROS;

struct Server {
    nature: Nature,
    busy: usize,
    queue: VecDeque<usize>,
}

struct Call {
    begun: u64,
    tried: Vec<usize>,
    open: Vec<usize>,
    retries: u32,
    /// Hedges that the member asked last may still have.
    hedges: u32,
    is_done: bool,
}

struct Attempt {
    call: usize,
    member: usize,
    part: Part,
    begun: u64,
    among: usize,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    /// No connection, or an error without work: the code of an answer, 0 for refused, 1 for a dial that timed out.
    Failed(usize, u16),
    Served(usize),
    Late(usize),
    GivenUp(usize),
    Checked(usize),
}

pub(crate) struct World {
    way: Way,
    health: Health,
    picker: Picker,
    dice: Dice,
    servers: Vec<Server>,
    slots: usize,
    period: u64,
    pauses: VecDeque<(u64, u64)>,
    calls: Vec<Call>,
    attempts: Vec<Attempt>,
    events: BinaryHeap<Reverse<(u64, usize, Event)>>,
    number: usize,
    now: u64,
    took: Vec<u64>,
    errors: u64,
    /// Requests that reached each member.
    sent: Vec<u64>,
}

pub(crate) struct Figures {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) extra: f64,
    pub(crate) errors: f64,
    /// The most that one member got, beside the mean of all.
    pub(crate) busiest: f64,
    /// The last member's share of what was sent.
    pub(crate) last: f64,
}

impl World {
    pub(crate) fn new(scene: Scene, way: Way) -> World {
        let count = scene.natures.len();
        let members =
            (0..count).map(|nth| Member { node: format!("member-{nth}").into(), ..Member::new("member", 80) });
        let spec = ClusterSpec {
            balance: way.balance,
            check: way.check.then(|| Check { kind: CheckKind::Tcp, interval: Duration::from_micros(CHECKED) }),
            retries: way.retries,
            // Without it there is no prior.
            hedge: way.has_prior,
            ..ClusterSpec::new("simulated", members.collect())
        };
        let server = |nature: &Nature| Server { nature: *nature, busy: 0, queue: VecDeque::new() };
        World {
            way,
            health: Health::new(&spec),
            picker: Picker::new(way.balance, &vec![1; count], FULL_WEIGHT, Dice::seeded(11)),
            dice: Dice::seeded(23),
            servers: scene.natures.iter().map(server).collect(),
            slots: scene.slots,
            period: scene.period,
            pauses: scene.pauses,
            calls: Vec::new(),
            attempts: Vec::new(),
            events: BinaryHeap::new(),
            number: 0,
            now: 0,
            took: Vec::new(),
            errors: 0,
            sent: vec![0; count],
        }
    }

    pub(crate) fn run(mut self) -> Figures {
        self.at(0, Event::Arrival);
        if self.way.check {
            let count = self.servers.len() as u64;
            (0..count).for_each(|nth| self.at(CHECKED * nth / count, Event::Checked(nth as usize)));
        }
        while let Some(Reverse((due, _, event))) = self.events.pop() {
            self.now = self.awake(due);
            match event {
                Event::Arrival => self.arrive(due),
                Event::Failed(attempt, code) => self.failed(attempt, code),
                Event::Served(attempt) => self.served(attempt),
                Event::Late(attempt) => self.late(attempt),
                Event::GivenUp(call) => self.settle(call, false),
                Event::Checked(member) => self.check(member),
            }
        }
        self.took.sort_unstable();
        let at = |share: f64| self.took[(self.took.len() as f64 * share) as usize] as f64 / 1e3;
        let calls = self.took.len() as f64;
        let count = |number: Option<&u64>| number.copied().unwrap_or_default() as f64;
        let (sent, most) = (self.sent.iter().sum::<u64>() as f64, count(self.sent.iter().max()));
        Figures {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            extra: (sent / calls - 1.0) * 100.0,
            errors: self.errors as f64 / calls * 100.0,
            busiest: most * self.sent.len() as f64 / sent,
            last: count(self.sent.last()) / sent * 100.0,
        }
    }

    /// When that happens which is due now.
    fn awake(&mut self, due: u64) -> u64 {
        while self.pauses.front().is_some_and(|(_, end)| *end <= due) {
            self.pauses.pop_front();
        }
        match self.pauses.front() {
            Some((begin, end)) if *begin <= due => *end,
            _ => due,
        }
    }

    fn at(&mut self, after: u64, event: Event) {
        self.number += 1;
        self.events.push(Reverse((self.now + after, self.number, event)));
    }

    fn time(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn arrive(&mut self, due: u64) {
        if due < LENGTH {
            // Random arrivals at the same rate: callers do not keep time, and do not wait where everything stands
            // still.
            let next = due + self.exponential(self.period);
            self.number += 1;
            self.events.push(Reverse((next, self.number, Event::Arrival)));
        }
        let call = self.calls.len();
        self.calls.push(Call {
            begun: due,
            tried: Vec::new(),
            open: Vec::new(),
            retries: self.way.retries,
            hedges: 0,
            is_done: false,
        });
        if self.way.retries > 0 || self.way.hedges > 0 {
            self.health.deposit(self.time());
        }
        self.at(PATIENCE, Event::GivenUp(call));
        match self.health.due(self.time()) {
            Some(member) => self.ask(call, member, Part::Trial),
            None => self.next(call),
        }
    }

    fn check(&mut self, member: usize) {
        let is_alive = match self.servers[member].nature {
            Nature::Healthy | Nature::Slow | Nature::Roomy(_) | Nature::Stalling => true,
            Nature::Flapping(shift) => !self.is_ill(shift),
            Nature::Refusing | Nature::BlackHole => false,
        };
        let result = if is_alive { Ok(()) } else { Err(String::new()) };
        self.health.member(member).checked(result, self.time());
        if self.now < LENGTH {
            self.at(CHECKED, Event::Checked(member));
        }
    }

    /// Whether a flapping member is in one of its bad times.
    fn is_ill(&self, shift: u64) -> bool {
        ((self.now + shift) / (5 * MICROS)) % 2 == 1
    }

    fn choice(&self, call: usize, is_picky: bool) -> Option<usize> {
        let (tried, now) = (&self.calls[call].tried, self.time());
        self.picker.pick(0, |index| {
            let mut candidate = self.health.candidate(index, now, self.picker.wants_estimate());
            candidate.is_barred = tried.contains(&index) || (is_picky && candidate.is_out);
            candidate
        })
    }

    fn next(&mut self, call: usize) {
        match self.choice(call, false) {
            Some(member) => self.ask(call, member, Part::Regular),
            None => self.settle(call, false),
        }
    }

    fn ask(&mut self, call: usize, member: usize, part: Part) {
        self.calls[call].hedges = if part == Part::Trial { 0 } else { self.way.hedges };
        self.send(call, member, part);
    }

    fn send(&mut self, call: usize, member: usize, part: Part) {
        let attempt = self.attempts.len();
        self.attempts.push(Attempt { call, member, part, begun: self.now, among: 0, is_over: false });
        self.calls[call].tried.push(member);
        self.calls[call].open.push(attempt);
        self.attempts[attempt].among = self.health.member(member).begun(self.time());
        let is_counted = self.calls[call].begun >= WARM_UP;
        match self.servers[member].nature {
            Nature::Refusing => self.at(300, Event::Failed(attempt, 0)),
            Nature::BlackHole => self.at(MICROS, Event::Failed(attempt, 1)),
            Nature::Flapping(shift) if self.is_ill(shift) => {
                self.sent[member] += u64::from(is_counted);
                self.at(1_000, Event::Failed(attempt, 503));
            }
            Nature::Healthy | Nature::Slow | Nature::Flapping(_) | Nature::Roomy(_) | Nature::Stalling => {
                self.sent[member] += u64::from(is_counted);
                if self.servers[member].busy < self.slots {
                    self.serve(attempt);
                } else {
                    self.servers[member].queue.push_back(attempt);
                }
            }
        }
        if self.calls[call].hedges > 0
            && let Some(late) = self.health.member(member).p95(self.time())
        {
            self.at(late.as_micros() as u64, Event::Late(attempt));
        }
    }

    fn serve(&mut self, attempt: usize) {
        let member = self.attempts[attempt].member;
        self.servers[member].busy += 1;
        if let Nature::Roomy(time) = self.servers[member].nature {
            let spread = self.dice.below(time / 10);
            return self.at(time + spread, Event::Served(attempt));
        }
        let mut time = 1_000 + self.exponential(4_000);
        if self.servers[member].nature == Nature::Slow {
            time *= 10;
        }
        let (one_in, stall) =
            if self.servers[member].nature == Nature::Stalling { (20, MICROS) } else { (200, 300_000) };
        if self.dice.below(one_in) == 0 {
            time += stall;
        }
        self.at(time, Event::Served(attempt));
    }

    fn served(&mut self, attempt: usize) {
        let Attempt { call, member, begun, is_over, .. } = self.attempts[attempt];
        self.servers[member].busy -= 1;
        while let Some(next) = self.servers[member].queue.pop_front() {
            // A call that has left the queue is not worked on.
            if !self.attempts[next].is_over {
                self.serve(next);
                break;
            }
        }
        if !is_over {
            let took = Some(Duration::from_micros(self.now - begun));
            self.end(attempt, Judged::Good, false, took, None);
            self.settle(call, true);
        }
    }

    fn failed(&mut self, attempt: usize, code: u16) {
        let Attempt { call, is_over, .. } = self.attempts[attempt];
        if is_over {
            return;
        }
        let (reason, status) = match code {
            0 => (Reason::Refused, Status::NotConnected),
            1 => (Reason::ConnectTimeout, Status::NotConnected),
            _ => (Reason::HttpStatus, Status::Error),
        };
        let is_answer = code > 1;
        self.end(attempt, judge(reason, status, code, false), is_answer, None, None);
        if !self.calls[call].open.is_empty() {
            // A hedge is still under way.
            return;
        }
        if !is_answer {
            self.next(call);
        } else if self.calls[call].retries > 0
            && self.calls[call].tried.len() < self.servers.len()
            && self.health.withdraw(Extra::Retry, self.time())
        {
            self.calls[call].retries -= 1;
            self.next(call);
        } else {
            self.settle(call, false);
        }
    }

    fn late(&mut self, attempt: usize) {
        let Attempt { call, member, .. } = self.attempts[attempt];
        // Only the member asked last is waited for.
        if self.calls[call].is_done || self.calls[call].tried.last() != Some(&member) {
            return;
        }
        if let Some(member) = self.choice(call, true)
            && self.health.withdraw(Extra::Hedge, self.time())
        {
            self.calls[call].hedges -= 1;
            self.send(call, member, Part::Regular);
        }
    }

    fn settle(&mut self, call: usize, is_ok: bool) {
        if std::mem::replace(&mut self.calls[call].is_done, true) {
            return;
        }
        for attempt in self.calls[call].open.clone() {
            // Outrun by another member's answer, or given up by the caller.
            let lasted = Duration::from_micros(self.now - self.attempts[attempt].begun);
            // What was not sent says nothing of how long answers take.
            let was_sent = self.servers[self.attempts[attempt].member].nature != Nature::BlackHole;
            let waited = was_sent.then_some(lasted);
            self.end(attempt, Judged::Neutral, false, waited.filter(|_| is_ok), waited);
        }
        let begun = self.calls[call].begun;
        if begun >= WARM_UP {
            self.took.push(self.now - begun);
            self.errors += u64::from(!is_ok);
        }
    }

    fn end(
        &mut self,
        attempt: usize,
        judged: Judged,
        is_refusal: bool,
        took: Option<Duration>,
        waited: Option<Duration>,
    ) {
        let Attempt { call, member, part, among, .. } = self.attempts[attempt];
        self.attempts[attempt].is_over = true;
        self.calls[call].open.retain(|open| *open != attempt);
        self.health
            .member(member)
            .ended(&CallEnd { call: part, judged, is_refusal, took, waited, among, msg: "" }, self.time());
    }

    fn exponential(&self, mean: u64) -> u64 {
        let uniform = (self.dice.below(1 << 53) + 1) as f64 / (1u64 << 53) as f64;
        (-uniform.ln() * mean as f64) as u64
    }
}
