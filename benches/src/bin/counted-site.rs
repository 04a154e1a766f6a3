//! A site whose allocations are counted: two routes as the demo has them, and `/allocations`, the count so far.
//!
//! It is a program of its own because the count is of the whole process: client and members are elsewhere.
#![expect(unsafe_code, reason = "an allocator can only be counted by being one; it hands every call on unchanged")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use skitai::prelude::*;

/// The system's allocator with a counter. A reallocation counts like a new one: it is the same work.
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every method passes its arguments on to `System`, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are the ones `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() -> ExitCode {
    skitai::main([App::new("counted").use_session(true).routes(routes![hello, search, allocations])])
}

#[route("/hello")]
async fn hello() -> &'static str {
    "Hello World"
}

#[route("/search")]
async fn search(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Vec<Value>> {
    let found = was.map("mysearch/RPC2").call("search", (keyword,)).getswait(secs(2)).await;
    Ok(found.ok()?.flat_map(Value::into_list).collect())
}

#[route("/allocations")]
async fn allocations() -> u64 {
    COUNT.load(Relaxed)
}
