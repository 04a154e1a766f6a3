//! The three RPC members of the demo: small Skitai servers on ports of their own, each holding a third of a catalogue
//! of musical works. Besides the catalogue they have what the demo's other calls ask for.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Serialize;
use skitai::prelude::*;
use skitai::{Background, NotStarted};

use crate::shards::{SHARDS, records};

const WORKS: &str = include_str!("../data/works.csv");
/// Where the demo is found unless it is told otherwise.
const USUAL: u16 = 5000;
/// The first of the ports that its members have there.
const FIRST: u16 = 5001;

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

/// Starts the members for a demo on this port. Beside the usual port they have the usual ones, if all of those are free;
/// else they take free ports.
pub(crate) fn start(beside: u16) -> Result<Vec<Background>> {
    let first = (beside == USUAL).then_some(FIRST);
    let members = match all_at(first) {
        Err(taken) if first.is_some() => {
            tracing::info!("{taken}; the members take free ports");
            all_at(None)?
        }
        started => started?,
    };
    let shown: Vec<String> = members.iter().map(|member| member.address().to_string()).collect();
    tracing::info!("the members listen on {}", shown.join(", "));
    Ok(members)
}

/// All members or none, on ports from the first on or on free ones.
fn all_at(first: Option<u16>) -> Result<Vec<Background>, NotStarted> {
    let port = |third| first.map_or(0, |first| first + third as u16);
    let start =
        |third| {
            let app = App::new("member")
                .startup(move |wasc| wasc.register("catalogue", catalogue(third)))
                .routes(routes![index, order, keep, search, generate_random_int_list]);
            Background::start(app, SocketAddr::from((Ipv4Addr::LOCALHOST, port(third))))
        };
    (0..SHARDS).map(start).collect()
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
    let catalogue = was.registered::<Catalogue>("catalogue")?;
    let keyword = keyword.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&keyword);
    Ok(catalogue.0.iter().filter(|work| holds(&work.composer) || holds(&work.title)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn where_a_usual_port_is_taken_all_members_have_free_ones() {
        // Whoever has 5001, this test or a demo that runs beside it, is a stranger to these members.
        let foreign = TcpListener::bind(("127.0.0.1", FIRST));
        assert!(foreign.as_ref().map_or_else(|error| error.kind() == ErrorKind::AddrInUse, |_| true), "{foreign:?}");
        let members = start(USUAL).expect("started");
        assert_eq!(members.len(), SHARDS);
        for member in members {
            assert!(!(FIRST..FIRST + 3).contains(&member.address().port()), "{}", member.address());
            TcpStream::connect(member.address()).expect("it listens");
        }
    }
}
