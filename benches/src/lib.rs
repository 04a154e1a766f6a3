//! What Skitai is measured against. `benches/run` builds and runs all of it; nothing in here is part of the server.
//!
//! - `bin/bare-hello.rs`: actix-web and nothing else, for the price of a request;
//! - `bin/session-bare.rs`: actix-web with actix-session, and `bin/session-site.rs`, the same as a Skitai app;
//! - `bin/lean-fanout.rs`: XML-RPC members asked with awc, as one would write it for this one purpose;
//! - `bin/pool-fanout.rs`: three PostgreSQL databases asked with deadpool, likewise;
//! - `bin/pipelined-fanout.rs`: the same over one connection to each, shared by all requests;
//! - `bin/plproxy-fanout.rs`: the same left to PL/Proxy in a coordinating database;
//! - `rig/asyncpg_fanout.py`: the same in Python, with asyncpg and `gather`;
//! - `bin/member.rs`: the XML-RPC members that both sides ask;
//! - `bin/patient-site.rs`: a Skitai site that waits long for its members, for the memory of calls that hang;
//! - `bin/counted-site.rs`: a Skitai site that counts its allocations, for `tests/allocations.rs`.
//!
//! A baseline puts out the same bytes as the demo's route of the same path and does not do less than it must: pooled
//! connections, prepared statements, one timer, errors told. It is what a good programmer would write without Skitai.

pub mod cities;
pub mod works;

use std::io;

/// The worker threads of a baseline and the ports it needs, from its command line: `PROGRAM THREADS PORT…`.
pub fn arguments<const PORTS: usize>() -> io::Result<(usize, [u16; PORTS])> {
    let usage = || io::Error::other(format!("usage: PROGRAM THREADS and {PORTS} ports"));
    let (threads, ports) = numbers().ok_or_else(usage)?;
    Ok((threads, ports.try_into().map_err(|_| usage())?))
}

/// The same for a program with members, as many as are named: threads, its own port, those of the members.
pub fn arguments_and_members() -> io::Result<(usize, u16, Vec<u16>)> {
    let usage = || io::Error::other("usage: PROGRAM THREADS PORT MEMBER…");
    let (threads, mut ports) = numbers().ok_or_else(usage)?;
    if ports.len() < 2 {
        return Err(usage());
    }
    let own = ports.remove(0);
    Ok((threads, own, ports))
}

/// A count from the environment, where the usual one is not wanted.
pub fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn numbers() -> Option<(usize, Vec<u16>)> {
    let mut words = std::env::args().skip(1);
    let threads = words.next()?.parse().ok()?;
    Some((threads, words.map(|word| word.parse().ok()).collect::<Option<_>>()?))
}
