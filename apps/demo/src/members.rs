//! The three RPC members of the demo: small Skitai servers on ports of their own, each holding a third of a catalogue
//! of musical works.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Serialize;
use skitai::Background;
use skitai::prelude::*;

use crate::shards::{SHARDS, records};

const WORKS: &str = include_str!("../data/works.csv");
const FIRST_PORT: u16 = 5001;

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

/// Starts the members on 127.0.0.1, ports 5001 to 5003.
pub(crate) fn start() -> Result<Vec<Background>> {
    let mut members = Vec::new();
    for (third, port) in (0..SHARDS).zip(FIRST_PORT..) {
        let app = App::new("member")
            .startup(move |wasc| wasc.register("catalogue", catalogue(third)))
            .routes(routes![search]);
        members.push(Background::start(app, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?);
    }
    Ok(members)
}

fn catalogue(third: usize) -> Catalogue {
    let works = records(WORKS).skip(third).step_by(SHARDS).map(|fields| {
        let field = |index: usize| fields.get(index).cloned().unwrap_or_default();
        Work { composer: field(0), title: field(1), year: field(2), opus: field(3) }
    });
    Catalogue(works.collect())
}

/// The works whose composer or title holds the keyword, whatever its case.
#[route("/search")]
async fn search(was: Was, keyword: String) -> Result<Vec<Work>> {
    let catalogue = was.registered::<Catalogue>("catalogue")?;
    let keyword = keyword.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&keyword);
    Ok(catalogue.0.iter().filter(|work| holds(&work.composer) || holds(&work.title)).cloned().collect())
}
