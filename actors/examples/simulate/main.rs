//! Compares the ways of choosing a member in virtual time, with the code that runs in the server: `pick`,
//! `latency_estimate`, `circuit`, `penalty`, `latency_histogram` and `retry_budget` behind one `Health`. Only the
//! members and the clock are made up.
//!
//! `cargo run --release -p skitai-actors --example simulate` prints the tables of `docs/decisions/0010-balancing.md`
//! and `0022-a-second-hedge.md`; the same seed prints the same tables.
//!
//! A thousand requests a second go to 1, 10, 100 and 1000 members. A healthy one answers in 1 ms and an exponential 4
//! ms on average, works on four requests at a time and queues the rest; one answer in two hundred stalls for 300 ms.
//! From ten members on, a tenth is ten times slower, a tenth flaps (5 s well, 5 s answering 503 within 1 ms), and a
//! tenth is dead (one half refuses, the other lets the dial time out after 1 s). A caller waits for 3 s. All calls are
//! idempotent. With `check` each member is asked every 5 s.
//!
//! A second table is of three members, two that answer in 20 ms and one in 200 ms, however many at a time; 200 requests
//! a second go to them. On a busy machine everything stands still now and then, for 5 to 60 ms about four times a
//! second and for 100 to 500 ms every four seconds: whatever was due happens at the end of the pause, all at once.
//!
//! A third table is of hedges alone: 10, 100 and 1000 members alike, as the healthy ones above, but one answer in
//! twenty takes a second more, from the first call on. It has the most that one member got beside the mean of all.
//!
//! - `scene`: which members are asked, how often, and on what machine;
//! - `world`: the clock, the members at work and their callers, who share every field.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod scene;
mod world;

use skitai_actors::spec::Balance;

use scene::Scene;
use world::{Figures, World};

fn main() {
    println!("| members | way | p50 ms | p99 ms | p99.9 ms | extra load | errors |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for members in [1, 10, 100, 1_000] {
        for way in WAYS {
            let figures = World::new(Scene::many(members), way).run();
            let Figures { p50, p99, p999, extra, errors, .. } = figures;
            let name = way.name;
            println!("| {members} | {name} | {p50:.1} | {p99:.1} | {p999:.1} | {extra:.2} % | {errors:.3} % |");
        }
    }
    println!();
    println!("| machine | members | way | p50 ms | p99 ms | p99.9 ms | the slow one's share |");
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: |");
    for is_busy in [false, true] {
        for (who, has_slow) in [("two healthy", false), ("and a slow one", true)] {
            for way in &WAYS[..4] {
                let Figures { p50, p99, p999, last, .. } = World::new(Scene::trio(has_slow, is_busy), *way).run();
                let (machine, name) = (if is_busy { "busy" } else { "calm" }, way.name);
                let share = if has_slow { format!("{last:.2} %") } else { String::new() };
                println!("| {machine} | {who} | {name} | {p50:.1} | {p99:.1} | {p999:.1} | {share} |");
            }
        }
    }
    stalls();
}

/// What each part of hedging does, and what it costs.
fn stalls() {
    println!();
    println!("| members | way | p50 ms | p99 ms | p99.9 ms | extra load | most / mean load |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for members in [10, 100, 1_000] {
        for (choice, balance) in [("P2C", Balance::P2c), ("P2C + pace", Balance::Ewma)] {
            for (hedging, hedges, has_prior) in HEDGING {
                let way = Way { hedges, has_prior, ..way(choice, balance) };
                let Figures { p50, p99, p999, extra, busiest, .. } = World::new(Scene::stalling(members), way).run();
                print!("| {members} | {choice}, {hedging} | {p50:.1} | {p99:.1} | {p999:.1} ");
                println!("| {extra:.2} % | {busiest:.2} |");
            }
        }
    }
}

const HEDGING: [(&str, u32, bool); 5] = [
    ("no hedge", 0, false),
    ("one hedge", 1, false),
    ("one hedge, prior", 1, true),
    ("two hedges", 2, false),
    ("two hedges, prior", 2, true),
];

/// One line of the table for each number of members.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    balance: Balance,
    retries: u32,
    hedges: u32,
    has_prior: bool,
    check: bool,
}

const fn way(name: &'static str, balance: Balance) -> Way {
    Way { name, balance, retries: 0, hedges: 0, has_prior: false, check: false }
}

/// As `hedge = yes` does it.
const fn hedged(way: Way) -> Way {
    Way { hedges: 2, has_prior: true, ..way }
}

const WAYS: [Way; 8] = [
    way("round robin", Balance::RoundRobin),
    way("least outstanding", Balance::Least),
    way("P2C", Balance::P2c),
    way("P2C + pace", Balance::Ewma),
    hedged(way("P2C, hedged", Balance::P2c)),
    hedged(way("P2C + pace, hedged", Balance::Ewma)),
    Way { check: true, retries: 1, ..way("P2C + pace, check, retries = 1", Balance::Ewma) },
    hedged(Way { check: true, retries: 1, ..way("P2C + pace, check, retries = 1, hedged", Balance::Ewma) }),
];
