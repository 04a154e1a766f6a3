//! Keeps the figures of the last minutes while the process serves, for the status page.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use skitai_actors::kit::tasks;

use super::process::Process;
use crate::observe::counts::Counts;
use crate::observe::recent_figures::{ProcessFigures, STEP};

/// At every second step the routes are marked, too.
const MARKED: u32 = 2;

/// Begins to keep figures. Must be called inside the actor system.
pub(super) fn keep(process: &Arc<Process>) {
    // An app's objects end with the process, whoever still looks at it.
    let process = Arc::downgrade(process);
    tasks::spawn("figures of the last minutes", async move {
        let mut step = 0_u32;
        while let Some(process) = process.upgrade() {
            process.figures.keep(now(&process));
            if step.is_multiple_of(MARKED) {
                process.routes.mark(Instant::now());
            }
            drop(process);
            step = step.wrapping_add(1);
            tokio::time::sleep(STEP).await;
        }
    });
}

fn now(process: &Process) -> ProcessFigures {
    let counted = Counts::tree(&process.counts);
    let number = |name: &str| counted[name].as_i64().unwrap_or(0).cast_unsigned();
    ProcessFigures {
        requests: number("requests"),
        errors: number("5xx"),
        cpu_ms: u64::try_from(cpu().as_millis()).unwrap_or(u64::MAX),
        in_flight: process.routes.in_flight(),
        connections: process.connections.count() as u64,
        rss_bytes: resident_bytes().unwrap_or(0),
    }
}

/// How long the processor has worked for this process.
fn cpu() -> Duration {
    // The C library's: rustix reads what the kernel gives at the start, and cannot where valgrind has given it.
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}
