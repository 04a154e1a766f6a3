//! A call to every member of a cluster at once, and to one of them.

use skitai::prelude::*;

/// Searches every member and merges the answers that came in time. If no member answered, this is an error with every
/// reason, never an empty success. If some did not, a visitor is better served with the others' works, so the answer is
/// sent, and the header `X-Coverage` says what is missing.
#[route("/search", partial = "tell")]
pub(crate) async fn search(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Vec<Value>> {
    // The call leaves now; anything written here would run while the members work.
    let asked = was.map("mysearch/RPC2").call("search", (keyword,));
    let found = asked.getswait(secs(2)).await;
    Ok(found.ok()?.flat_map(Value::into_list).collect())
}

/// Searches one member, the least busy one, and says which it was.
#[route("/lb")]
pub(crate) async fn lb(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Value> {
    let found = was.lb("mysearch/RPC2").call("search", (keyword,)).getwait(secs(2)).await;
    let member = found.node.to_string();
    Ok(Value::from_pairs([("member", Value::from(member)), ("found", found.ok()?)]))
}
