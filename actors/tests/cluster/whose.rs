//! Each call gets its own answer: it sends a unique word, the member echoes it, and no call may get another's.
//!
//! A cell is a state of the connection that a call meets, and what the member does:
//!
//! | | plain | 100 | 103 | closes at rest | 408 at rest | a second answer at once | a second answer later |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | fresh | x | x | x | | | | |
//! | at rest | x | x | x | x | x | x | x |
//! | just lent | x | x | x | | x | x | JSON |
//! | at the limit of 1 or 2 | x | x | x | | x | x | JSON |
//!
//! A fresh connection was never idle, so those columns do not apply to it. In HTTP/1.1 a second answer that comes after
//! the next request counts as the answer to that request; only JSON-RPC has ids. So with XML-RPC it comes late only
//! where the callers wait for it before they go on.

#[path = "whose/request_timeout.rs"]
mod request_timeout;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::future::join_all;
use skitai_actors::http::Request;
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason};

use crate::framing::{Way, pause_for};
use crate::member::{Member, on_sockets, read_request, xml};
use crate::*;

const CALLS: usize = 1_000;
const CALLERS: usize = 8;

/// After how many idle milliseconds a member closes a connection.
const REST: u64 = 20;

const TIMEOUT: &str = "HTTP/1.0 408 Request Time-out\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trick {
    Plain,
    /// 100 in one piece with each answer.
    Continue,
    /// 103, and the answer 30 to 50 ms later.
    Hints,
    ClosesAtRest,
    TimesOutAtRest,
    /// Every fourth answer twice, in one piece.
    Twice,
    /// Every nth answer twice, the second one a few ms later.
    TwiceLater(usize),
}

/// When a caller calls again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    AtOnce,
    /// After a few ms, sometimes many.
    Rested,
    /// About when the member ends its connection.
    Aimed,
    /// The same after every fifth call.
    Bursts,
    /// When all have their answers and the member has said all that it will say.
    Awaited,
}

#[derive(Clone, Copy)]
struct Cell {
    name: &'static str,
    trick: Trick,
    pace: Pace,
    is_json: bool,
    /// Connections.
    limit: usize,
    /// The member ends the connection with each answer.
    is_fresh: bool,
}

impl Cell {
    /// True if every call must get its answer.
    fn is_sure(self) -> bool {
        matches!(self.trick, Trick::Plain | Trick::Continue | Trick::Hints)
    }

    fn allows(self, reason: Reason) -> bool {
        matches!(reason, Reason::Reset | Reason::Closed)
            || reason == Reason::Malformed && self.is_json && matches!(self.trick, Trick::TwiceLater(_))
    }
}

fn cells() -> Vec<Cell> {
    const LATE: Trick = Trick::TwiceLater(20);
    let cell = |name, trick, pace, is_json| Cell { name, trick, pace, is_json, limit: 100, is_fresh: false };
    let fresh = |name, trick, is_json| Cell { is_fresh: true, ..cell(name, trick, Pace::AtOnce, is_json) };
    let limited = |limit, name, trick, pace, is_json| Cell { limit, ..cell(name, trick, pace, is_json) };
    vec![
        fresh("fresh, plain", Trick::Plain, false),
        fresh("fresh, 100", Trick::Continue, true),
        fresh("fresh, 103", Trick::Hints, false),
        cell("rested, plain", Trick::Plain, Pace::Rested, true),
        cell("rested, 100", Trick::Continue, Pace::Rested, false),
        cell("rested, 103", Trick::Hints, Pace::Rested, true),
        cell("closed at rest", Trick::ClosesAtRest, Pace::Aimed, false),
        cell("closed at rest", Trick::ClosesAtRest, Pace::Aimed, true),
        cell("408 at rest", Trick::TimesOutAtRest, Pace::Aimed, false),
        cell("408 at rest", Trick::TimesOutAtRest, Pace::Aimed, true),
        cell("twice, rested", Trick::Twice, Pace::Rested, false),
        cell("twice, rested", Trick::Twice, Pace::Rested, true),
        cell("twice later, awaited", Trick::TwiceLater(2), Pace::Awaited, false),
        cell("twice later, awaited", Trick::TwiceLater(2), Pace::Awaited, true),
        cell("twice later, rested", LATE, Pace::Rested, true),
        cell("lent, plain", Trick::Plain, Pace::AtOnce, false),
        cell("lent, 100", Trick::Continue, Pace::AtOnce, true),
        cell("lent, 103", Trick::Hints, Pace::AtOnce, false),
        cell("lent, 408 at rest", Trick::TimesOutAtRest, Pace::Bursts, true),
        cell("lent, twice", Trick::Twice, Pace::AtOnce, false),
        cell("lent, twice", Trick::Twice, Pace::AtOnce, true),
        cell("lent, twice later", LATE, Pace::AtOnce, true),
        limited(1, "limit 1, plain", Trick::Plain, Pace::AtOnce, true),
        limited(1, "limit 1, 100", Trick::Continue, Pace::AtOnce, false),
        limited(2, "limit 2, 103", Trick::Hints, Pace::AtOnce, true),
        limited(1, "limit 1, 408 at rest", Trick::TimesOutAtRest, Pace::Bursts, true),
        limited(2, "limit 2, 408 at rest", Trick::TimesOutAtRest, Pace::Bursts, false),
        limited(1, "limit 1, twice", Trick::Twice, Pace::AtOnce, false),
        limited(2, "limit 2, twice", Trick::Twice, Pace::AtOnce, true),
        limited(1, "limit 1, twice later", LATE, Pace::AtOnce, true),
        limited(2, "limit 2, twice later", LATE, Pace::AtOnce, true),
    ]
}

/// What a member did.
#[derive(Default)]
struct Done {
    answers: AtomicUsize,
    tricks: AtomicUsize,
    /// Answers after which nothing more comes.
    over: AtomicUsize,
}

fn playing(cell: Cell, done: &Arc<Done>) -> Member {
    let done = done.clone();
    on_sockets(move |mut stream, _| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut is_used = false;
        loop {
            if is_used && is_ended_at_rest(cell.trick, &mut stream, &mut reader) {
                done.tricks.fetch_add(1, SeqCst);
                return;
            }
            is_used = true;
            let Some(heard) = read_request(&mut reader) else { return };
            let nth = done.answers.fetch_add(1, SeqCst);
            let answer = answer_to(&heard.body, cell.is_fresh);
            // Anything may fail here: the client has gone, and it is the client that is judged.
            let mut say = |text: &str| drop(stream.write_all(text.as_bytes()));
            let is_trick = match cell.trick {
                Trick::Continue => {
                    say(&format!("HTTP/1.1 100 Continue\r\n\r\n{answer}"));
                    true
                }
                Trick::Hints => {
                    say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
                    pause_for(30 + nth as u64 % 21);
                    say(&answer);
                    true
                }
                Trick::Twice if nth.is_multiple_of(4) => {
                    say(&format!("{answer}{answer}"));
                    true
                }
                Trick::TwiceLater(each) if nth.is_multiple_of(each) => {
                    say(&answer);
                    pause_for((nth / each) as u64 % 5);
                    say(&answer);
                    true
                }
                _ => {
                    say(&answer);
                    false
                }
            };
            done.tricks.fetch_add(is_trick.into(), SeqCst);
            done.over.fetch_add(1, SeqCst);
            if cell.is_fresh {
                return;
            }
        }
    })
}

/// Waits for the next request; true where the wait is over and the connection with it.
fn is_ended_at_rest(trick: Trick, stream: &mut TcpStream, reader: &mut BufReader<TcpStream>) -> bool {
    if !matches!(trick, Trick::ClosesAtRest | Trick::TimesOutAtRest) {
        return false;
    }
    stream.set_read_timeout(Some(Duration::from_millis(REST))).unwrap();
    let is_over =
        matches!(reader.fill_buf(), Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    stream.set_read_timeout(None).unwrap();
    if is_over && trick == Trick::TimesOutAtRest {
        drop(stream.write_all(TIMEOUT.as_bytes()));
    }
    is_over
}

/// The word of a call, echoed.
fn answer_to(body: &str, closes: bool) -> String {
    let id: String = body.split("own-").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let body = if body.starts_with('{') {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"own-{id}"}}"#)
    } else {
        xml(&format!("own-{id}"))
    };
    let close = if closes { "Connection: close\r\n" } else { "" };
    format!("HTTP/1.1 200 OK\r\n{close}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A call that says `own-` and its number.
fn call_of(id: u64, is_json: bool) -> Request {
    if is_json {
        return json_call(id);
    }
    let word = format!("<params><param><value><string>own-{id}</string></value></param></params>");
    let head = "<?xml version='1.0'?><methodCall><methodName>who</methodName>";
    Request::xmlrpc("/rpc2", format!("{head}{word}</methodCall>"))
}

#[derive(Default)]
struct Count {
    own: usize,
    foreign: Vec<String>,
    failed: BTreeMap<String, (Reason, usize)>,
}

impl Count {
    fn add(&mut self, id: u64, outcome: &Outcome) {
        let word = format!("own-{id}");
        match &*outcome.data {
            Value::String(text) if *text == word && outcome.is_ok() => self.own += 1,
            Value::Nil => {
                let what = format!("{:?} {} {:?}", outcome.reason, outcome.code, outcome.msg);
                self.failed.entry(what).or_insert((outcome.reason, 0)).1 += 1;
            }
            other => self.foreign.push(format!("{word}: {other:?}")),
        }
    }
}

/// Runs a cell by this client; returns what was wrong.
async fn play(cell: Cell, is_web: bool) -> Option<String> {
    let done = Arc::new(Done::default());
    let there = playing(cell, &done);
    let [cluster, web] = Way::both(there.port);
    let way = match cluster {
        _ if is_web => web,
        Way::Cluster(_) => Way::Cluster(Started::new(ClusterSpec { connections: cell.limit, ..spec(&[there.port]) })),
        other => other,
    };
    let count = std::cell::RefCell::new(Count::default());
    let all = if is_web { CALLS / 5 } else { CALLS };
    let one = async |id: usize| {
        let outcome = way.ask(call_of(id as u64, cell.is_json)).await;
        count.borrow_mut().add(id as u64, &outcome);
    };
    if cell.pace == Pace::Awaited {
        for round in 0..all / CALLERS {
            join_all((0..CALLERS).map(|nth| one(round * CALLERS + nth))).await;
            let said = || done.over.load(SeqCst) == done.answers.load(SeqCst);
            eventually("the member has said it all", said).await;
        }
    } else {
        join_all((0..CALLERS).map(async |caller| {
            for nth in 0..all / CALLERS {
                one(nth * CALLERS + caller).await;
                let pause = match cell.pace {
                    Pace::AtOnce | Pace::Awaited => 0,
                    Pace::Rested => {
                        if nth % 25 == 24 {
                            110
                        } else {
                            1 + (nth * 5 + caller) as u64 % 9
                        }
                    }
                    Pace::Bursts if nth % 5 != 4 => 0,
                    Pace::Aimed | Pace::Bursts => REST - 4 + (nth * 7 + caller) as u64 % 9,
                };
                if pause > 0 {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        }))
        .await;
    }
    let Count { own, foreign, failed } = count.into_inner();
    let tricks = done.tricks.load(SeqCst);
    let least = if cell.is_sure() { all } else { all * 9 / 10 };
    let is_right = foreign.is_empty()
        && own >= least
        && failed.values().all(|(reason, _)| cell.allows(*reason))
        && own + failed.values().map(|(_, count)| count).sum::<usize>() == all
        && (tricks > 0 || cell.trick == Trick::Plain);
    let (kind, way) = (if cell.is_json { "JSON" } else { "XML" }, way.name());
    let few = &foreign[..foreign.len().min(3)];
    let text = format!(
        "{} ({kind}, {way}): of {all} {own} own, {} foreign {few:?}, {tricks} tricks, others {failed:?}",
        cell.name,
        foreign.len()
    );
    (!is_right).then_some(text)
}

#[test]
fn nobody_is_told_the_answer_of_another() {
    in_system(async {
        let cells = cells();
        // The actor for any URL has no limit that a test could set.
        let web = cells.iter().filter(|cell| cell.limit > 2).map(|cell| (*cell, true));
        let both = cells.iter().map(|cell| (*cell, false)).chain(web);
        let wrong: Vec<String> =
            join_all(both.map(|(cell, is_web)| Box::pin(play(cell, is_web)))).await.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}
