//! The app of the demo's members: each serves a third of a catalogue of musical works, and pages for the other
//! examples.

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

/// The app of the member with this third.
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

/// Accepts a form.
#[route("/order")]
async fn order(cid: i64, cname: String) -> String {
    format!("{cid} - {cname}")
}

/// Accepts a form with a file.
#[route("/keep", methods = ["POST"])]
async fn keep(cid: i64, cname: String, file: Upload) -> String {
    format!("{cid} - {cname}, with {} of {} bytes", file.name(), file.size())
}

/// Returns `n` random whole numbers, each from 0 to 99.
#[route("/generate_random_int_list")]
async fn generate_random_int_list(n: usize) -> Result<Vec<u32>> {
    if n > 1000 {
        return Err(Error::new(400, "at most 1000"));
    }
    // The clock is random enough for a demo (a linear congruential generator, from Numerical Recipes).
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed()?.subsec_nanos();
    let next = |number: &u32| Some(number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    Ok(std::iter::successors(Some(seed), next).skip(1).take(n).map(|number| (number >> 16) % 100).collect())
}

/// Finds the works whose composer or title contains the keyword, in upper or lower case.
#[route("/search")]
async fn search(was: Was, keyword: String) -> Result<Vec<Work>> {
    // A member that is switched off finishes its requests; the last of them may find its registry cleared.
    let catalogue = was.registered::<Catalogue>("catalogue").map_err(|_| Error::new(503, "this member is ending"))?;
    let keyword = keyword.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&keyword);
    Ok(catalogue.0.iter().filter(|work| holds(&work.composer) || holds(&work.title)).cloned().collect())
}
