//! Compares the ways of choosing a member in virtual time, with the code that runs in the server: `pick`, `verdict`,
//! `trust`, `latency` and `budget` behind one `Health`. Only the members and the clock are made up.
//!
//! `cargo run --release -p skitai-actors --example simulate` prints the table of `docs/decisions/0010-balancing.md`; the
//! same seed prints the same table.
//!
//! A thousand requests a second go to 1, 10, 100 and 1000 members. A healthy one answers in 1 ms and an exponential 4 ms
//! on average, works on four requests at a time and queues the rest; one answer in two hundred stalls for 300 ms. From
//! ten members on, a tenth is ten times slower, a tenth flaps (5 s well, 5 s answering 503 within 1 ms), and a tenth is
//! dead (one half refuses, the other lets the dial time out after 1 s). A caller waits for 3 s. All calls are idempotent.
//! With `check` each member is asked every 5 s.
//!
//! Long because it is one world: members, clock and callers share every field, and an example is a single file.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use skitai_actors::cluster::Health;
use skitai_actors::cluster::health::{Ended, Extra, FULL_WEIGHT};
use skitai_actors::cluster::pick::{Dice, Picker};
use skitai_actors::cluster::verdict::{Call as Part, Judged, judge};
use skitai_actors::http::Encoding;
use skitai_actors::spec::{Balance, Check, CheckKind, ClusterSpec, Member, Rules};
use skitai_actors::{Reason, Status};

const MICROS: u64 = 1_000_000;
/// Between two calls.
const PERIOD: u64 = MICROS / 1_000;
const LENGTH: u64 = 180 * MICROS;
/// What happens before is not counted: the members are met for the first time.
const WARM_UP: u64 = 60 * MICROS;
const PATIENCE: u64 = 3 * MICROS;
/// Between two checks of a member.
const CHECKED: u64 = 5 * MICROS;

fn main() {
    println!("| members | way | p50 ms | p99 ms | p99.9 ms | extra load | errors |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for members in [1, 10, 100, 1_000] {
        for way in WAYS {
            let figures = World::new(members, way).run();
            let Figures { p50, p99, p999, extra, errors } = figures;
            let name = way.name;
            println!("| {members} | {name} | {p50:.1} | {p99:.1} | {p999:.1} | {extra:.2} % | {errors:.3} % |");
        }
    }
}

/// One line of the table for each number of members.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    balance: Balance,
    retries: u32,
    hedge: bool,
    check: bool,
}

const fn way(name: &'static str, balance: Balance) -> Way {
    Way { name, balance, retries: 0, hedge: false, check: false }
}

const WAYS: [Way; 8] = [
    way("round robin", Balance::RoundRobin),
    way("least outstanding", Balance::Least),
    way("P2C", Balance::P2c),
    way("P2C + EWMA", Balance::Ewma),
    Way { hedge: true, ..way("P2C, hedged", Balance::P2c) },
    Way { hedge: true, ..way("P2C + EWMA, hedged", Balance::Ewma) },
    Way { check: true, retries: 1, ..way("P2C + EWMA, check, retries = 1", Balance::Ewma) },
    Way { check: true, retries: 1, hedge: true, ..way("P2C + EWMA, check, retries = 1, hedged", Balance::Ewma) },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    Healthy,
    Slow,
    /// Ill in every other five seconds; the number shifts them against each other.
    Flapping(u64),
    Refusing,
    BlackHole,
}

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
    is_done: bool,
}

struct Attempt {
    call: usize,
    member: usize,
    part: Part,
    begun: u64,
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

struct World {
    way: Way,
    health: Health,
    picker: Picker,
    dice: Dice,
    servers: Vec<Server>,
    /// Requests a member works on at a time.
    slots: usize,
    calls: Vec<Call>,
    attempts: Vec<Attempt>,
    events: BinaryHeap<Reverse<(u64, usize, Event)>>,
    number: usize,
    now: u64,
    took: Vec<u64>,
    errors: u64,
    sent: u64,
}

struct Figures {
    p50: f64,
    p99: f64,
    p999: f64,
    extra: f64,
    errors: f64,
}

impl World {
    fn new(count: usize, way: Way) -> World {
        let members = (0..count).map(|nth| Member {
            node: format!("member-{nth}").into(),
            host: "member".to_owned(),
            port: 80,
            address: None,
            weight: 1,
        });
        let spec = ClusterSpec {
            name: "simulated".into(),
            tls: false,
            authority: None,
            members: members.collect(),
            discover: None,
            connect_timeout: Duration::from_secs(1),
            member_timeout: Duration::from_secs(10),
            connections: 100,
            max_answer: 1 << 20,
            encoding: Encoding::default(),
            login: None,
            balance: way.balance,
            rules: Rules::default(),
            check: way.check.then(|| Check { kind: CheckKind::Tcp, interval: Duration::from_micros(CHECKED) }),
            retries: way.retries,
            hedge: way.hedge,
        };
        let tenth = count / 10;
        let nature = |index: usize| match index.checked_div(tenth) {
            Some(0) => Nature::Slow,
            Some(1) => Nature::Flapping(index as u64 * 1_234_567),
            Some(2) if index.is_multiple_of(2) => Nature::Refusing,
            Some(2) => Nature::BlackHole,
            _ => Nature::Healthy,
        };
        let server = |index| Server { nature: nature(index), busy: 0, queue: VecDeque::new() };
        World {
            way,
            health: Health::new(&spec),
            picker: Picker::new(way.balance, &vec![1; count], FULL_WEIGHT, Dice::seeded(11)),
            dice: Dice::seeded(23),
            servers: (0..count).map(server).collect(),
            slots: if count == 1 { 16 } else { 4 },
            calls: Vec::new(),
            attempts: Vec::new(),
            events: BinaryHeap::new(),
            number: 0,
            now: 0,
            took: Vec::new(),
            errors: 0,
            sent: 0,
        }
    }

    fn run(mut self) -> Figures {
        self.at(0, Event::Arrival);
        if self.way.check {
            let count = self.servers.len() as u64;
            (0..count).for_each(|nth| self.at(CHECKED * nth / count, Event::Checked(nth as usize)));
        }
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            self.now = now;
            match event {
                Event::Arrival => self.arrive(),
                Event::Failed(attempt, code) => self.failed(attempt, code),
                Event::Served(attempt) => self.served(attempt),
                Event::Late(call) => self.late(call),
                Event::GivenUp(call) => self.settle(call, false),
                Event::Checked(member) => self.check(member),
            }
        }
        self.took.sort_unstable();
        let at = |share: f64| self.took[(self.took.len() as f64 * share) as usize] as f64 / 1e3;
        let calls = self.took.len() as f64;
        Figures {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            extra: (self.sent as f64 / calls - 1.0) * 100.0,
            errors: self.errors as f64 / calls * 100.0,
        }
    }

    fn at(&mut self, after: u64, event: Event) {
        self.number += 1;
        self.events.push(Reverse((self.now + after, self.number, event)));
    }

    fn time(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn arrive(&mut self) {
        if self.now < LENGTH {
            // Random arrivals at the same rate: callers do not keep time.
            let gap = self.exponential(PERIOD);
            self.at(gap, Event::Arrival);
        }
        let call = self.calls.len();
        self.calls.push(Call {
            begun: self.now,
            tried: Vec::new(),
            open: Vec::new(),
            retries: self.way.retries,
            is_done: false,
        });
        if self.way.retries > 0 || self.way.hedge {
            self.health.deposit(self.time());
        }
        self.at(PATIENCE, Event::GivenUp(call));
        match self.health.due(self.time()) {
            Some(member) => self.send(call, member, Part::Trial),
            None => self.next(call),
        }
    }

    fn check(&mut self, member: usize) {
        let is_alive = match self.servers[member].nature {
            Nature::Healthy | Nature::Slow => true,
            Nature::Flapping(shift) => !self.is_ill(shift),
            Nature::Refusing | Nature::BlackHole => false,
        };
        let result = if is_alive { Ok(()) } else { Err(String::new()) };
        self.health.pulse(member).checked(result, self.time());
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
            let mut candidate = self.health.candidate(index, now, self.picker.wants_micros());
            candidate.is_barred = tried.contains(&index) || (is_picky && candidate.is_out);
            candidate
        })
    }

    fn next(&mut self, call: usize) {
        match self.choice(call, false) {
            Some(member) => self.send(call, member, Part::Usual),
            None => self.settle(call, false),
        }
    }

    fn send(&mut self, call: usize, member: usize, part: Part) {
        let attempt = self.attempts.len();
        self.attempts.push(Attempt { call, member, part, begun: self.now, is_over: false });
        self.calls[call].tried.push(member);
        self.calls[call].open.push(attempt);
        self.health.pulse(member).begun();
        let is_counted = self.calls[call].begun >= WARM_UP;
        match self.servers[member].nature {
            Nature::Refusing => self.at(300, Event::Failed(attempt, 0)),
            Nature::BlackHole => self.at(MICROS, Event::Failed(attempt, 1)),
            Nature::Flapping(shift) if self.is_ill(shift) => {
                self.sent += u64::from(is_counted);
                self.at(1_000, Event::Failed(attempt, 503));
            }
            Nature::Healthy | Nature::Slow | Nature::Flapping(_) => {
                self.sent += u64::from(is_counted);
                if self.servers[member].busy < self.slots {
                    self.serve(attempt);
                } else {
                    self.servers[member].queue.push_back(attempt);
                }
            }
        }
        if self.way.hedge
            && self.calls[call].tried.len() == 1
            && let Some(late) = self.health.pulse(member).p95()
        {
            self.at(late.as_micros() as u64, Event::Late(call));
        }
    }

    fn serve(&mut self, attempt: usize) {
        let member = self.attempts[attempt].member;
        self.servers[member].busy += 1;
        let mut time = 1_000 + self.exponential(4_000);
        if self.servers[member].nature == Nature::Slow {
            time *= 10;
        }
        if self.dice.below(200) == 0 {
            time += 300_000;
        }
        self.at(time, Event::Served(attempt));
    }

    fn served(&mut self, attempt: usize) {
        let Attempt { call, member, begun, is_over, .. } = self.attempts[attempt];
        self.servers[member].busy -= 1;
        while let Some(next) = self.servers[member].queue.pop_front() {
            // Whoever has left the queue is not worked on.
            if !self.attempts[next].is_over {
                self.serve(next);
                break;
            }
        }
        if !is_over {
            let took = Some(Duration::from_micros(self.now - begun));
            self.end(attempt, Judged::Good, false, took);
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
        self.end(attempt, judge(reason, status, code, false), is_answer, None);
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

    fn late(&mut self, call: usize) {
        if self.calls[call].is_done || self.calls[call].tried.len() > 1 {
            return;
        }
        if let Some(member) = self.choice(call, true)
            && self.health.withdraw(Extra::Hedge, self.time())
        {
            self.send(call, member, Part::Usual);
        }
    }

    fn settle(&mut self, call: usize, is_ok: bool) {
        if std::mem::replace(&mut self.calls[call].is_done, true) {
            return;
        }
        for attempt in self.calls[call].open.clone() {
            // Outrun by another member's answer, or given up by the caller.
            let outrun = is_ok.then(|| Duration::from_micros(self.now - self.attempts[attempt].begun));
            self.end(attempt, Judged::Neutral, false, outrun);
        }
        let begun = self.calls[call].begun;
        if begun >= WARM_UP {
            self.took.push(self.now - begun);
            self.errors += u64::from(!is_ok);
        }
    }

    fn end(&mut self, attempt: usize, judged: Judged, is_refusal: bool, took: Option<Duration>) {
        let Attempt { call, member, part, .. } = self.attempts[attempt];
        self.attempts[attempt].is_over = true;
        self.calls[call].open.retain(|open| *open != attempt);
        self.health.pulse(member).ended(&Ended { call: part, judged, is_refusal, took, msg: "" }, self.time());
    }

    fn exponential(&self, mean: u64) -> u64 {
        let uniform = (self.dice.below(1 << 53) + 1) as f64 / (1u64 << 53) as f64;
        (-uniform.ln() * mean as f64) as u64
    }
}
