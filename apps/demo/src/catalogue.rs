//! What a member of the demo serves: a third of a catalogue of musical works, and what the demo's other calls ask for.

use serde::Serialize;
use skitai::prelude::*;

use crate::shards::{SHARDS, records};

const WORKS: &str = include_str!("../data/works.csv");

/// One musical work.
#[derive(Clone, Debug, Serialize)]
struct Work {
    composer: String,
    title: String,
    year: String,
    opus: String,
}

/// The part of the catalogue that one member holds.
struct Catalogue(Vec<Work>);

/// The app of the member that holds this third.
pub(crate) fn app(third: usize) -> App {
    App::new("member").startup(move |wasc| wasc.register("catalogue", catalogue(third))).routes(routes![
        index,
        order,
        keep,
        search,
        generate_random_int_list
    ])
}

fn catalogue(third: usize) -> Catalogue {
    let works = records(WORKS).skip(third).step_by(SHARDS).map(|fields| {
        let field = |index: usize| fields.get(index).cloned().unwrap_or_default();
        Work { composer: field(0), title: field(1), year: field(2), opus: field(3) }
    });
    Catalogue(works.collect())
}

/// A page.
#[route("/")]
async fn index() -> &'static str {
    "<h1>A member of the demo</h1>"
}

/// Takes a form.
#[route("/order")]
async fn order(cid: i64, cname: String) -> String {
    format!("{cid} - {cname}")
}

/// Takes a form with a file.
#[route("/keep", methods = ["POST"])]
async fn keep(cid: i64, cname: String, file: Upload) -> String {
    format!("{cid} - {cname}, with {} of {} bytes", file.name(), file.size())
}

/// So many whole numbers, each from 0 to 99.
#[route("/generate_random_int_list")]
async fn generate_random_int_list(n: usize) -> Result<Vec<u32>> {
    if n > 1000 {
        return Err(Error::new(400, "at most 1000"));
    }
    // The clock is as random as a demo needs (a linear congruential generator, from Numerical Recipes).
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed()?.subsec_nanos();
    let next = |number: &u32| Some(number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    Ok(std::iter::successors(Some(seed), next).skip(1).take(n).map(|number| (number >> 16) % 100).collect())
}

/// The works whose composer or title holds the keyword, whatever its case.
#[route("/search")]
async fn search(was: Was, keyword: String) -> Result<Vec<Work>> {
    // A member that is switched off ends with requests under way, the last of which find it cleared.
    let catalogue = was.registered::<Catalogue>("catalogue").map_err(|_| Error::new(503, "this member is ending"))?;
    let keyword = keyword.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&keyword);
    Ok(catalogue.0.iter().filter(|work| holds(&work.composer) || holds(&work.title)).cloned().collect())
}
