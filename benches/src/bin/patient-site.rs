//! The demo's search in a site that waits for its members as long as the configuration's `deadline` allows: calls that
//! hang can be counted and weighed at leisure.

use std::process::ExitCode;

use skitai::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    skitai::main([App::new("patient").use_session(true).routes(routes![search])])
}

#[route("/search")]
async fn search(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Vec<Value>> {
    let found = was.map("mysearch/RPC2").call("search", (keyword,)).getswait(secs(3_600)).await;
    Ok(found.ok()?.flat_map(Value::into_list).collect())
}
