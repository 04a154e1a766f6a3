//! Cached answers: an equal call within their lifetime gets them without a request to any server.

use skitai::prelude::*;

/// Caches one database's answer for five minutes.
#[route("/test/cached/db")]
pub(crate) async fn database(was: Was) -> Result<Value> {
    let s = was.dlb("mydb").execute("SELECT count(*) AS cities FROM cities", ());
    let result = s.getwait(secs(2)).await;
    result.cache(secs(300));
    Ok(result.ok()?)
}

/// Caches all members' answers for a minute. They are cached only if every member answered.
#[route("/test/cached/map")]
pub(crate) async fn members(was: Was) -> Result<Vec<Value>> {
    let s = was.map("mysearch/rpc2").call("generate_random_int_list", (5,));
    let results = s.getswait(secs(2)).await;
    results.cache(secs(60));
    Ok(results.ok()?.collect())
}
