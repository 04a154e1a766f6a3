//! A thousand random panics among good calls, in every real actor: each panic fails only its own call, each restart is
//! counted, and afterwards every actor still answers.
//!
//! No message of a user makes an actor panic, so here each actor also answers a message that does.

use std::collections::HashMap;

use super::*;
use crate::balance::Health;
use crate::balance::pick::Dice;
use crate::cache::{CacheActor, Store};
use crate::cluster::{Cluster, Roster, UrlClient, UrlClientLimits};
use crate::db::{AdHoc, Database};
use crate::kit::actor_host::now;
use crate::session::{SealedCookies, Sealer, SessionActor};
use crate::spec::{ClusterSpec, DbSpec};
use crate::status::{Registry, StatusActor};

const WAIT: Duration = Duration::from_millis(500);
const PANICS: u64 = 1_000;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Spark {
    Fine,
    PanicAtOnce,
    PanicLater,
}

macro_rules! burn {
    ($($actor:ty),* $(,)?) => {$(
        impl Answers<Spark> for $actor {
            type Item = Word;
            const NAME: &'static str = "spark";

            fn answer(&mut self, spark: Spark, responder: Responder<Word>) -> impl Future<Output = ()> + 'static {
                if matches!(spark, Spark::PanicAtOnce) {
                    resume_unwind(Box::new("at once"));
                }
                async move {
                    if matches!(spark, Spark::PanicLater) {
                        resume_unwind(Box::new("later"));
                    }
                    responder.put(0, Word::Said("fine"));
                }
            }
        }
    )*};
}

burn!(Cluster, UrlClient, Database, AdHoc, CacheActor, SessionActor<SealedCookies>, StatusActor);

/// An actor of any type, to be sent sparks.
struct Burning {
    spark: Box<dyn Fn(Spark) -> Replies<Word>>,
    gauges: Arc<report::Gauges>,
}

fn open<S>(name: &str, make: impl Fn() -> S + 'static) -> (String, Burning)
where
    S: Answers<Spark, Item = Word> + Unpin,
{
    let actor = ActorRef::open(name, Admission::default(), make);
    let gauges = actor.gauges().clone();
    let spark = Box::new(move |spark| actor.ask(spark, vec![Word::Unsent], None, now() + WAIT));
    (name.to_owned(), Burning { spark, gauges })
}

/// One of every kind that a thread has, and the status actor.
fn all() -> HashMap<String, Burning> {
    let roster = Roster::new(ClusterSpec::new("c", Vec::new()));
    let spec = Arc::new(DbSpec::new("d", Vec::new()));
    let health = Arc::new(Health::of_databases(&spec));
    let (store, sealer, registry) = (Store::new(10), Arc::new(Sealer::new(&[7; 32], &[])), Registry::new());
    HashMap::from([
        open("cluster", move || Cluster::new(roster.clone())),
        open("web", || UrlClient::new(UrlClientLimits::default())),
        open("database", move || Database::new(spec.clone(), health.clone())),
        open("ad-hoc", || AdHoc::new(1, SECOND, SECOND, SECOND)),
        open("cache", move || CacheActor::new(store.clone())),
        open("session", move || SessionActor::new(SealedCookies::new(sealer.clone(), "S"))),
        open("status", move || StatusActor::new(registry.clone(), crate::wire::Value::Nil)),
    ])
}

#[test]
fn a_thousand_panics_in_actors_of_every_type_stop_nobody() {
    in_system(async {
        let actors = all();
        let names: Vec<&String> = actors.keys().collect();
        let dice = Dice::seeded(11);
        let mut at_once: HashMap<&String, u64> = HashMap::new();
        let (mut panics, mut fine) = (0, 0);
        while panics < PANICS {
            let name = names[dice.below(names.len() as u64) as usize];
            let spark = [Spark::PanicAtOnce, Spark::PanicLater, Spark::Fine, Spark::Fine][dice.below(4) as usize];
            let begun = now();
            let said = (actors[name].spark)(spark).all(begun + WAIT).await;
            assert!(now() - begun <= WAIT, "{name} stuck at {spark:?}");
            match (spark, &said[..]) {
                (Spark::Fine, [Word::Said("fine")]) => fine += 1,
                (Spark::PanicAtOnce | Spark::PanicLater, [Word::Missed(Missed::Abandoned)]) => {
                    panics += 1;
                    if matches!(spark, Spark::PanicAtOnce) {
                        *at_once.entry(name).or_default() += 1;
                    }
                }
                // Six panics within ten seconds by chance: the actor pauses and says so.
                (_, [Word::Missed(Missed::Failed)]) => {}
                other => panic!("{name}: {other:?}"),
            }
            tokio::time::sleep(SECOND).await;
        }
        assert!(fine > 800, "{fine}");
        tokio::time::sleep(SECOND * 61).await;
        for (name, actor) in &actors {
            assert!(at_once[name] > 30, "{at_once:?}");
            assert_eq!(actor.gauges.restarts(), at_once[name], "{name}");
            assert_eq!(actor.gauges.in_flight(), 0, "{name}");
            assert_eq!((actor.spark)(Spark::Fine).all(now() + WAIT).await, [Word::Said("fine")], "{name}");
        }
    });
}
