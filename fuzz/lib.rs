//! What the targets of both codecs need: inputs made longer, a limit of time, and the marks of a good error.

use std::fs;
use std::time::Duration;

use skitai_wire::{Error, Limits, Value};

/// Bytes a repeated input grows to: long enough that quadratic work takes longer than `ENOUGH`.
const LONG: usize = 128 << 10;
/// Time of a processor for one document of that length. Linear work takes less than a tenth of it.
const ENOUGH: Duration = Duration::from_secs(2);

/// Limits low enough that the fuzzer finds their edges.
pub fn limits() -> Limits {
    Limits { values: 20_000, ..Limits::default() }
}

/// The document an input stands for. One in three parts, parted by a byte that no UTF-8 has, is its middle part many
/// times over between the other two: that is how the fuzzer looks for inputs whose time grows faster than they do.
pub fn document(input: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = input.split(|&byte| byte == 0xff).collect();
    match parts[..] {
        [head, unit, tail] if !unit.is_empty() => [head, &unit.repeat(LONG / unit.len()), tail].concat(),
        _ => input.to_vec(),
    }
}

/// Does the work and sees that it took the processor no longer than it may. The clock would count what others do, too.
pub fn in_time(document: &[u8], work: impl FnOnce()) {
    if document.len() < LONG / 2 {
        return work();
    }
    let before = on_processor();
    work();
    let took = on_processor() - before;
    assert!(took < ENOUGH, "{} bytes took {took:?}", document.len());
}

/// How long this thread has been on a processor, as Linux counts it.
fn on_processor() -> Duration {
    let counts = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with scheduler statistics");
    let nanos = counts.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the first count is of nanoseconds"))
}

/// An error fits on a line or two and points into the document.
pub fn check_error(error: &Error, document: &[u8]) {
    assert!(error.to_string().len() < 700, "{error}");
    assert!(error.offset.is_none_or(|offset| offset <= document.len()), "{error}");
}

/// How deep containers are nested in a value.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}
