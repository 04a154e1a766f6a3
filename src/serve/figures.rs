//! Keeps the figures of the last minutes while the process serves, for the status page.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
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
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}
