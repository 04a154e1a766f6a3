//! A method of every member of a cluster: each answer is filtered on arrival, and all are merged at the end.

use skitai::prelude::*;

const CLUSTER: &str = "mysearch/rpc2";
const METHOD: &str = "generate_random_int_list";

fn sum<'v>(numbers: impl Iterator<Item = &'v Value>) -> i64 {
    numbers.filter_map(Value::as_i64).sum()
}

/// The sum of the numbers of all members that answered.
#[route("/test/map")]
pub(crate) async fn map(was: Was) -> i64 {
    let s = was.map(CLUSTER).call(METHOD, (5,));
    // Each member returns a list such as [4, 76, 7, 7, 21].
    let mut all = Vec::new();
    for rs in s.getswait(secs(5)).await {
        if rs.status == Status::Completed {
            all.extend(rs.data.into_list());
        }
    }
    sum(all.iter())
}

/// The sum of the numbers below 10. The filter runs on one member's answer while others still work; for a failed member
/// it adds nothing.
#[route("/test/map/filtered")]
pub(crate) async fn filtered(was: Was) -> i64 {
    let s = was
        .map(CLUSTER)
        .filter(|rs| {
            if rs.status == Status::Completed {
                rs.data.retain(|number| number.as_i64().is_some_and(|number| number < 10));
            } else {
                *rs.data = Value::List(Vec::new());
            }
        })
        .call(METHOD, (5,));
    let mut all = Vec::new();
    for rs in s.getswait(secs(5)).await {
        all.extend(rs.data.into_list());
    }
    sum(all.iter())
}
