use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key};
use proptest::prelude::*;
use skitai_wire::{Map, Value};

use super::seal::NotSealed;
use super::*;
use crate::kit::{ActorRef, Admission, Reporter};

const TTL: Duration = Duration::from_secs(1_200);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn sealer() -> Sealer {
    Sealer::new(b"a secure key of the site", &[])
}

fn state(pairs: &[(&str, &str)]) -> State {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn seal(sealer: &Sealer, data: &State) -> String {
    sealer.seal("SESSION", None, data, TTL, at(0)).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn what_is_sealed_opens() {
    let sealer = sealer();
    let data = state(&[("user", r#""Ann""#), ("cart", "[1,2.50,{\"a\":null}]")]);
    let cookie = seal(&sealer, &data);
    assert!(cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cookie}");
    let opened = sealer.open("SESSION", &cookie, at(1)).unwrap();
    assert_eq!(opened.data, data);
    assert!(!opened.needs_renewal);
    assert_eq!(opened.sid.unwrap().len(), 16);
    assert_ne!(cookie, seal(&sealer, &data), "every sealing has a nonce of its own");
}

#[test]
fn keys_of_any_length_work() {
    for len in [0, 1, 16, 28, 32, 200] {
        let sealer = Sealer::new(&vec![7; len], &[]);
        let cookie = seal(&sealer, &state(&[("a", "1")]));
        assert!(sealer.open("SESSION", &cookie, at(0)).is_ok(), "{len} bytes");
    }
}

#[test]
fn every_changed_byte_is_refused() {
    let sealer = sealer();
    let cookie = seal(&sealer, &state(&[("user", r#""Ann""#)]));
    for index in 0..cookie.len() {
        for other in [b'A', b'_', b'z', b'=', b' '] {
            let mut bytes = cookie.clone().into_bytes();
            if bytes[index] != other {
                bytes[index] = other;
                let changed = String::from_utf8(bytes).unwrap();
                let refusal = sealer.open("SESSION", &changed, at(1)).unwrap_err();
                assert!(matches!(refusal, Refusal::Forged | Refusal::Foreign), "byte {index}: {refusal:?}");
            }
        }
        assert!(sealer.open("SESSION", &cookie[..index], at(1)).is_err(), "cut off at {index}");
    }
    assert!(sealer.open("SESSION", &format!("{cookie}AA"), at(1)).is_err());
}

#[test]
fn refusals_are_told_apart_and_counted() {
    let sealer = sealer();
    let data = state(&[("a", "1")]);
    let cookie = seal(&sealer, &data);
    let of_another_site = seal(&Sealer::new(b"another key", &[]), &data);
    let future = sealer.seal("SESSION", None, &data, TTL, at(61)).unwrap();
    let pickled = "YTNmMDk=?user=UydBbm4nCnAwCi4=&_expires=STE3MDAwMDEyMDAKLg==";
    let too_long = "A".repeat(LIMIT + 1);
    let cases = [
        ("SESSION", pickled, Refusal::Foreign),
        ("SESSION", "", Refusal::Foreign),
        ("SESSION", "AQ", Refusal::Foreign),
        ("SESSION", too_long.as_str(), Refusal::Foreign),
        ("SESSION", of_another_site.as_str(), Refusal::Forged),
        ("OTHER", cookie.as_str(), Refusal::Forged),
        ("SESSION", future.as_str(), Refusal::Future),
    ];
    for (name, cookie, expected) in cases {
        let before = sealer.refused(expected);
        assert_eq!(sealer.open(name, cookie, at(0)), Err(expected), "{name} {cookie}");
        assert_eq!(sealer.refused(expected), before + 1);
    }
    assert!(sealer.open("SESSION", &future, at(1)).is_ok(), "clocks may be a minute apart");
}

#[test]
fn a_session_ends_on_the_servers_side() {
    let sealer = sealer();
    let cookie = seal(&sealer, &state(&[("a", "1")]));
    assert!(sealer.open("SESSION", &cookie, at(1_199)).is_ok());
    assert_eq!(sealer.open("SESSION", &cookie, at(1_200)), Err(Refusal::Expired));
    let at_once = sealer.seal("SESSION", None, &state(&[("a", "1")]), Duration::ZERO, at(0)).unwrap();
    assert_eq!(sealer.open("SESSION", &at_once, at(0)), Err(Refusal::Expired));
}

#[test]
fn a_session_is_renewed_after_a_tenth_of_its_life() {
    let sealer = sealer();
    let cookie = seal(&sealer, &state(&[("a", "1")]));
    assert!(!sealer.open("SESSION", &cookie, at(119)).unwrap().needs_renewal);
    assert!(sealer.open("SESSION", &cookie, at(120)).unwrap().needs_renewal);
}

#[test]
fn a_previous_key_opens_and_asks_for_renewal() {
    let data = state(&[("a", "1")]);
    let old = seal(&Sealer::new(b"old", &[]), &data);
    let older = seal(&Sealer::new(b"older", &[]), &data);
    let rotated = Sealer::new(b"new", &[b"old".to_vec(), b"older".to_vec()]);
    for cookie in [old, older] {
        let opened = rotated.open("SESSION", &cookie, at(0)).unwrap();
        assert_eq!(opened.data, data);
        assert!(opened.needs_renewal);
    }
    let new = seal(&rotated, &data);
    assert!(!rotated.open("SESSION", &new, at(0)).unwrap().needs_renewal);
    assert_eq!(Sealer::new(b"old", &[]).open("SESSION", &new, at(0)), Err(Refusal::Forged));
}

#[test]
fn what_does_not_fit_into_a_cookie_is_an_error() {
    let sealer = sealer();
    let of = |len: usize| state(&[("a", &format!("\"{}\"", "x".repeat(len)))]);
    let fits = (1..4_000).take_while(|len| sealer.seal("SESSION", None, &of(*len), TTL, at(0)).is_ok()).last().unwrap();
    assert!((2_700..2_800).contains(&fits), "{fits} bytes of a value fit");
    assert!(seal(&sealer, &of(fits)).len() <= LIMIT);
    let Err(NotSealed::TooLarge(error)) = sealer.seal("SESSION", None, &of(fits + 100), TTL, at(0)) else {
        panic!("too large a session must be refused")
    };
    assert!(error.size > LIMIT && error.limit == LIMIT);
    let text = error.to_string();
    assert!(text.contains(&format!("{} bytes sealed, 3800 is the limit", error.size)), "{text}");
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?}", Sealer::new(b"TOP-SECRET", &[b"TOP-SECRET-2".to_vec()]));
    assert!(!printed.contains("SECRET"), "{printed}");
}

proptest! {
    #[test]
    fn no_text_makes_opening_panic(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        use base64::Engine;
        let sealer = sealer();
        prop_assert!(sealer.open("SESSION", &text, at(0)).is_err());
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([vec![1], bytes].concat());
        prop_assert!(sealer.open("SESSION", &bytes, at(0)).is_err());
    }

    #[test]
    fn any_session_comes_back(data in proptest::collection::hash_map(".{0,10}", any::<i64>(), 0..20)) {
        let sealer = sealer();
        let data: State = data.into_iter().map(|(name, number)| (name, number.to_string())).collect();
        prop_assert_eq!(sealer.open("SESSION", &seal(&sealer, &data), at(0)).unwrap().data, data);
    }
}

/// A clock that a test can set.
fn clock() -> (Arc<AtomicU64>, Clock) {
    let seconds = Arc::new(AtomicU64::new(0));
    let read = seconds.clone();
    (seconds, Arc::new(move || at(read.load(SeqCst))))
}

fn cookies(clock: Clock) -> SealedCookies {
    SealedCookies::new(Arc::new(sealer()), "SESSION").clock(clock)
}

#[test]
fn sealed_cookies_are_a_session_store() {
    actix_rt::System::new().block_on(async {
        let (seconds, clock) = clock();
        let store = cookies(clock);
        let ttl = time::Duration::seconds(1_200);
        assert_eq!(store.load(&generate_session_key()).await.unwrap(), None);

        let data = state(&[("a", "1")]);
        let key = store.save(data.clone(), &ttl).await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(data));
        let sid = store.open(&key).await.unwrap().unwrap().sid;

        seconds.store(1_000, SeqCst);
        let data = state(&[("a", "2")]);
        let key = store.update(key, data.clone(), &ttl).await.unwrap();
        store.update_ttl(&key, &ttl).await.unwrap();
        seconds.store(2_000, SeqCst);
        let opened = store.open(&key).await.unwrap().unwrap();
        assert_eq!((opened.data, opened.sid), (data, sid), "updated, prolonged, and still the same session");
        store.delete(&key).await.unwrap();

        seconds.store(2_200, SeqCst);
        assert_eq!(store.load(&key).await.unwrap(), None);
        let not_json = store.save(state(&[("a", "{")]), &ttl).await.unwrap_err();
        assert!(matches!(not_json, SaveError::Serialization(_)));
    });
}

/// A server-side store for actix-session, to show that the actor accepts any.
#[derive(Clone, Default)]
struct Shelf {
    sessions: Rc<RefCell<HashMap<String, State>>>,
    broken: Rc<RefCell<bool>>,
}

impl Shelf {
    fn check(&self) -> Result<(), anyhow::Error> {
        if *self.broken.borrow() { Err(anyhow::anyhow!("the shelf fell down")) } else { Ok(()) }
    }
}

impl SessionStore for Shelf {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        self.check().map_err(LoadError::Other)?;
        Ok(self.sessions.borrow().get(key.as_ref()).cloned())
    }

    async fn save(&self, state: State, _: &time::Duration) -> Result<SessionKey, SaveError> {
        self.check().map_err(SaveError::Other)?;
        let key = generate_session_key();
        self.sessions.borrow_mut().insert(key.as_ref().to_owned(), state);
        Ok(key)
    }

    async fn update(&self, key: SessionKey, state: State, _: &time::Duration) -> Result<SessionKey, UpdateError> {
        self.check().map_err(UpdateError::Other)?;
        self.sessions.borrow_mut().insert(key.as_ref().to_owned(), state);
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> Result<(), anyhow::Error> {
        self.check()
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.check()?;
        self.sessions.borrow_mut().remove(key.as_ref());
        Ok(())
    }
}

impl Backend for Shelf {
    const NAME: &'static str = "shelf";
}

async fn load<B: Backend>(actor: &ActorRef<SessionActor<B>>, cookie: &str) -> LoadResult {
    let replies = actor.ask(Load { cookie: cookie.to_owned() }, slots(), None, soon());
    replies.all(soon()).await.remove(0)
}

async fn save<B: Backend>(actor: &ActorRef<SessionActor<B>>, cookie: Option<&str>, state: &Map) -> Saved {
    let message = Save { cookie: cookie.map(str::to_owned), state: state.clone(), ttl: TTL };
    actor.ask(message, slots(), None, soon()).all(soon()).await.remove(0)
}

fn ann() -> Map {
    let cart = Value::List(vec![Value::Int(1), Value::Double(2.0), Value::Nil, Value::Bool(true)]);
    let inner = Value::from_pairs([("z", Value::Int(i64::MAX)), ("a", Value::String("é\"<\0".to_owned()))]);
    Map(vec![("cart".into(), cart), ("inner".into(), inner), ("user".into(), Value::String("Ann".to_owned()))])
}

fn cookie(saved: Saved) -> String {
    match saved {
        Saved::Cookie(cookie) => cookie,
        other => panic!("expected a cookie, got {other:?}"),
    }
}

#[test]
fn the_actor_keeps_sessions_in_cookies() {
    actix_rt::System::new().block_on(async {
        let (seconds, clock) = clock();
        let store = cookies(clock);
        let actor = ActorRef::open("session", Admission::default(), move || SessionActor::new(store.clone()));
        assert_eq!(load(&actor, "garbage").await, LoadResult::Nothing);
        assert_eq!(load(&actor, &"x".repeat(5_000)).await, LoadResult::Nothing);

        let first = cookie(save(&actor, None, &ann()).await);
        let LoadResult::Session(session) = load(&actor, &first).await else { panic!("it was saved") };
        assert_eq!(session.state, ann());
        assert!(!session.needs_renewal);

        seconds.store(600, SeqCst);
        let LoadResult::Session(aged) = load(&actor, &first).await else { panic!("it is half way") };
        assert!(aged.needs_renewal);
        let second = cookie(save(&actor, Some(&first), &aged.state).await);
        seconds.store(1_700, SeqCst);
        assert_eq!(load(&actor, &first).await, LoadResult::Nothing, "over");
        let LoadResult::Session(renewed) = load(&actor, &second).await else { panic!("it slid on") };
        assert_eq!((renewed.state, renewed.sid), (ann(), session.sid));

        assert_eq!(save(&actor, Some(&second), &Map::default()).await, Saved::Removed);
        let large = Map(vec![("a".into(), Value::String("x".repeat(5_000)))]);
        let Saved::Not(NotSaved::TooLarge(error)) = save(&actor, None, &large).await else { panic!("too large") };
        assert_eq!(error.limit, LIMIT);
        let nan = Map(vec![("ratio".into(), Value::Double(f64::NAN))]);
        assert_eq!(save(&actor, None, &nan).await, Saved::Not(NotSaved::Value("ratio".to_owned())));

        let told = actor.report(soon()).all(soon()).await.remove(0);
        let Value::Map(tree) = told.0 else { panic!("a report is a map") };
        let expected = [("loaded", 3), ("absent", 3), ("saved", 2), ("removed", 1), ("too_large", 1)];
        for (name, number) in expected {
            assert_eq!(tree.get(name), Some(&Value::Int(number)), "{name}");
        }
        assert_eq!(tree.get("store"), Some(&Value::String("sealed cookies".to_owned())));
        let Some(Value::Map(shared)) = tree.get("shared") else { panic!("the seal's counts are shared") };
        let Some(Value::Map(refused)) = shared.get("refused") else { panic!("refusals are counted") };
        assert_eq!(refused.get("expired"), Some(&Value::Int(1)));
        assert_eq!(refused.get("foreign"), Some(&Value::Int(1)));
    });
}

#[test]
fn the_actor_takes_any_session_store() {
    actix_rt::System::new().block_on(async {
        let shelf = Shelf::default();
        let behind = shelf.clone();
        let actor = ActorRef::open("session", Admission::default(), move || SessionActor::new(behind.clone()));
        let key = cookie(save(&actor, None, &ann()).await);
        let LoadResult::Session(session) = load(&actor, &key).await else { panic!("it was saved") };
        assert_eq!((session.state, session.sid, session.needs_renewal), (ann(), None, true));
        assert_eq!(cookie(save(&actor, Some(&key), &ann()).await), key);

        *shelf.broken.borrow_mut() = true;
        assert_eq!(load(&actor, &key).await, LoadResult::Unknown("the shelf fell down".to_owned()));
        let failed = Saved::Not(NotSaved::Store("the shelf fell down".to_owned()));
        assert_eq!(save(&actor, Some(&key), &ann()).await, failed);
        *shelf.broken.borrow_mut() = false;

        assert_eq!(save(&actor, Some(&key), &Map::default()).await, Saved::Removed);
        assert_eq!(load(&actor, &key).await, LoadResult::Nothing);
        assert!(shelf.sessions.borrow().is_empty());
    });
}

#[test]
fn a_full_actor_says_that_it_did_not_look() {
    actix_rt::System::new().block_on(async {
        let (_, clock) = clock();
        let store = cookies(clock);
        let actor = ActorRef::open("session", Admission { in_flight: 0 }, move || SessionActor::new(store.clone()));
        assert!(matches!(load(&actor, "x").await, LoadResult::Unknown(why) if why.contains("too many")));
        let saved = save(&actor, None, &ann()).await;
        assert!(matches!(saved, Saved::Not(NotSaved::Unanswered(why)) if why.contains("too many")));
    });
}

#[test]
fn a_value_without_a_json_form_comes_back_as_its_text() {
    let map = Map(vec![
        ("b".into(), Value::Bytes(b"\x00\xff".to_vec())),
        ("t".into(), Value::DateTime("20260101T00:00:00".to_owned())),
        ("t".into(), Value::Int(2)),
    ]);
    let back = text::map(text::texts(&map).unwrap()).unwrap();
    assert_eq!(back.get("b"), Some(&Value::String("AP8=".to_owned())));
    assert_eq!(back.get("t"), Some(&Value::String("20260101T00:00:00".to_owned())), "the first of a name counts");
    assert_eq!(back.0.len(), 2);
}

#[test]
fn what_would_not_come_back_is_not_kept() {
    let nested = |depth: usize| (0..depth).fold(Value::Int(1), |value, _| Value::List(vec![value]));
    let deepest = skitai_wire::Limits::default().depth;
    let of = |value: Value| Map(vec![("v".into(), value)]);
    for value in [nested(deepest + 1), Value::List(vec![Value::Double(f64::INFINITY)]), nested(10_000)] {
        assert_eq!(text::texts(&of(value)), Err("v".to_owned()));
    }
    for value in [nested(deepest), Value::UInt(u64::MAX), Value::Double(-0.1), Value::Map(Map::default())] {
        let map = of(value);
        let sealer = sealer();
        let opened = sealer.open("SESSION", &seal(&sealer, &text::texts(&map).unwrap()), at(0)).unwrap();
        assert_eq!(text::map(opened.data).unwrap(), map);
    }
}
