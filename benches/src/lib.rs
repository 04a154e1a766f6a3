//! What Skitai is measured against. `benches/run` builds and runs all of it; nothing in here is part of the server.
//!
//! - `bin/bare-hello.rs`: actix-web and nothing else, for the price of a request;
//! - `bin/lean-fanout.rs`: three XML-RPC members asked with awc, as one would write it for this one purpose;
//! - `bin/pool-fanout.rs`: three PostgreSQL databases asked with deadpool, likewise;
//! - `bin/member.rs`: the XML-RPC members that both sides ask;
//! - `bin/counted-site.rs`: a Skitai site that counts its allocations, for `tests/allocations.rs`.
//!
//! A baseline puts out the same bytes as the demo's route of the same path and does not do less than it must: pooled
//! connections, prepared statements, one timer, errors told. It is what a good programmer would write without Skitai.

pub mod works;

use std::io;

/// The worker threads of a baseline and the ports it needs, from its command line: `PROGRAM THREADS PORT…`.
pub fn arguments<const PORTS: usize>() -> io::Result<(usize, [u16; PORTS])> {
    let usage = || io::Error::other(format!("usage: PROGRAM THREADS and {PORTS} ports"));
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().and_then(|word| word.parse::<u16>().ok()).ok_or_else(usage);
    let threads = usize::from(next()?);
    let mut ports = [0; PORTS];
    for port in &mut ports {
        *port = next()?;
    }
    Ok((threads, ports))
}
