//! The trace that a request belongs to: W3C Trace Context, level 1.
//!
//! A caller that is trusted says so with `traceparent`; what cannot be read is ignored. Where none does and traces are
//! exported, one begins here, under the id of the request. Where they are not exported, members are told what the
//! caller said, and nothing where it said nothing: a trace that nobody records, told as one that is not sampled, would
//! keep members from recording their own.

use std::cell::Cell;
use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName};
use ring::rand::{SecureRandom, SystemRandom};
use skitai_actors::http::TraceParent;

use crate::app::request::{Request, client};
use crate::app::was::RequestContext;
use crate::config::TrustedProxies;

pub(crate) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// The most members of a `tracestate`, and the characters that are passed on.
const STATE_MEMBERS: usize = 32;
const STATE_LETTERS: usize = 512;
/// An entry of more characters goes first where there are too many.
const LARGE_ENTRY: usize = 128;

/// What a request knows of its trace.
#[derive(Clone, Debug)]
pub(crate) struct TraceContext {
    pub(crate) trace: [u8; 16],
    /// The span of the request: its own where traces are exported, else the caller's.
    pub(crate) span: u64,
    /// The span of the caller.
    pub(crate) parent: Option<u64>,
    pub(crate) is_sampled: bool,
    pub(crate) state: Option<Arc<str>>,
    /// The request has a span of its own.
    is_own: bool,
}

/// The spans that are exported: which, and who may say so.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    /// The share of the traces, from 0 to 1.
    pub(crate) ratio: f64,
    /// Who may say what trace a request belongs to, besides the trusted proxies.
    pub(crate) trust: TrustedProxies,
}

impl TraceContext {
    /// The trace of a request; `None` if there is none.
    fn of(request: &Request, sampling: Option<&Sampling>) -> Option<TraceContext> {
        let given = TraceContext::given(request, sampling);
        let Some(sampling) = sampling else { return given };
        Some(match given {
            Some(given) => TraceContext { parent: Some(given.span), span: random().max(1), is_own: true, ..given },
            None => {
                let trace = trace_of(request.id());
                let is_sampled = is_sampled(&trace, sampling.ratio);
                TraceContext { trace, span: random().max(1), parent: None, is_sampled, state: None, is_own: true }
            }
        })
    }

    /// What a trusted caller said.
    fn given(request: &Request, sampling: Option<&Sampling>) -> Option<TraceContext> {
        let mut lines = request.headers.get_all(TRACE_PARENT);
        let line = lines.next()?;
        let peer = client::canonical(request.peer?);
        let is_trusted = |trusted: &TrustedProxies| client::is_trusted(trusted, peer);
        let is_trusted = request.proxies.as_deref().is_some_and(is_trusted)
            || sampling.is_some_and(|sampling| is_trusted(&sampling.trust));
        // Two of them contradict each other.
        if !is_trusted || lines.next().is_some() {
            return None;
        }
        let (trace, span, is_sampled) = read(line.to_str().ok()?)?;
        let state = state(&request.headers);
        Some(TraceContext { trace, span, parent: None, is_sampled, state, is_own: false })
    }

    /// What a call of the request tells its members; each exchange has a span of its own.
    pub(crate) fn of_call(&self) -> Option<TraceParent> {
        self.is_own.then(|| TraceParent { trace: self.trace, spans: random(), is_sampled: self.is_sampled })
    }

    /// The request as the parent of whatever comes below it.
    pub(crate) fn value(&self) -> String {
        let parent = TraceParent { trace: self.trace, spans: 0, is_sampled: self.is_sampled };
        String::from_utf8_lossy(&parent.value(self.span)).into_owned()
    }
}

impl RequestContext {
    /// The trace of this request.
    pub(crate) fn trace_context(&self) -> Option<&TraceContext> {
        let sampling = || self.services().trails.as_ref().and_then(|trails| trails.sampling());
        self.trace.get_or_init(|| TraceContext::of(&self.request, sampling()).map(Box::new)).as_deref()
    }

    /// The value of `traceparent` for what a handler calls by itself (W3C Trace Context): this request's span, as the
    /// parent of what comes below it. `None` if the request belongs to no trace: see `[otlp]`. Calls to clusters and
    /// URLs have it without being told.
    pub fn traceparent(&self) -> Option<String> {
        self.trace_context().map(TraceContext::value)
    }
}

/// `00-<trace>-<span>-<flags>`: trace, span, and whether it is sampled. A later version may have more behind it.
fn read(text: &str) -> Option<([u8; 16], u64, bool)> {
    let text = text.trim();
    let (version, rest) = text.split_at_checked(2)?;
    let version = byte(version)?;
    let (trace, rest) = rest.strip_prefix('-')?.split_at_checked(32)?;
    let (span, rest) = rest.strip_prefix('-')?.split_at_checked(16)?;
    let (flags, rest) = rest.strip_prefix('-')?.split_at_checked(2)?;
    let is_ended = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
    if version == 0xff || !is_ended || !is_hex(trace) || !is_hex(span) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
    let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
    Some((trace.to_be_bytes(), span, byte(flags)? & 1 == 1))
}

/// Lower case alone.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

fn byte(text: &str) -> Option<u8> {
    if is_hex(text) { u8::from_str_radix(text, 16).ok() } else { None }
}

/// The `tracestate` that is passed on: all lines as one list. What is too long loses its large entries, then its last
/// ones; a list with something in it that is no entry is dropped whole.
fn state(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut entries = Vec::new();
    for line in headers.get_all(TRACE_STATE) {
        let line = line.to_str().ok()?;
        let given = line.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for entry in given {
            entries.push(entry);
            let (key, value) = entry.split_once('=')?;
            let is_value =
                value.len() <= 256 && value.bytes().all(|octet| matches!(octet, b' '..=b'~') && octet != b'=');
            if !is_key(key) || value.is_empty() || !is_value {
                return None;
            }
        }
    }
    if entries.len() > STATE_MEMBERS {
        return None;
    }
    let letters = |entries: &[&str]| entries.iter().map(|entry| entry.len() + 1).sum::<usize>().saturating_sub(1);
    while letters(&entries) > STATE_LETTERS {
        let large = entries.iter().rposition(|entry| entry.len() > LARGE_ENTRY);
        entries.remove(large.unwrap_or(entries.len() - 1));
    }
    (!entries.is_empty()).then(|| entries.join(",").into())
}

fn is_key(key: &str) -> bool {
    let is_letter = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"_-*/@".contains(&octet);
    (1..=256).contains(&key.len()) && key.bytes().all(is_letter) && key.as_bytes()[0].is_ascii_alphanumeric()
}

/// The id of a trace that begins with a request: the request's own where that has the form of one, so that one id finds
/// the log, the record and the trace.
fn trace_of(id: &str) -> [u8; 16] {
    let own = if id.len() == 32 && is_hex(id) { u128::from_str_radix(id, 16).unwrap_or_default() } else { 0 };
    if own != 0 { own.to_be_bytes() } else { (u128::from(random().max(1)) << 64 | u128::from(random())).to_be_bytes() }
}

/// Whether a trace is among those of the ratio: every server with the same ratio says the same of it.
fn is_sampled(trace: &[u8; 16], ratio: f64) -> bool {
    // The random part of an id, of 56 bits (level 2 of the recommendation).
    let mut low = [0; 8];
    low[1..].copy_from_slice(&trace[9..]);
    (u64::from_be_bytes(low) as f64) < ratio * (1_u64 << 56) as f64
}

/// A random number for ids: distinct, and no secret.
pub(super) fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(seed());
    }
    let next = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(next);
    let mixed = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn seed() -> u64 {
    let mut octets = [0; 8];
    // Without random octets two processes could make the same ids; they name spans, and keep no secret.
    let _ = SystemRandom::new().fill(&mut octets);
    u64::from_ne_bytes(octets)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_parent_is_read_and_what_is_none_is_not() {
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        let (trace, span, is_sampled) = read(&good).expect("the example of the recommendation");
        assert_eq!((trace[0], span, is_sampled), (0x0a, 0xb7ad_6b71_6920_3331, true));
        assert_eq!(read(&format!("00-{TRACE}-b7ad6b7169203331-00")).map(|read| read.2), Some(false));
        assert_eq!(read(&format!("00-{TRACE}-b7ad6b7169203331-03")).map(|read| read.2), Some(true));
        // A later version may have more behind it.
        assert!(read(&format!("cc-{TRACE}-b7ad6b7169203331-01-what-comes")).is_some());
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("cc-{TRACE}-b7ad6b7169203331-01.more"),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-b7ad6b716920333-01"),
            format!("00-{TRACE}-b7ad6b7169203331-0"),
            format!("00-{TRACE}-b7ad6b7169203331-0g"),
            format!("00_{TRACE}_b7ad6b7169203331_01"),
            "00-ü".to_owned(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    fn passed_on(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|line| headers.append(TRACE_STATE, HeaderValue::from_str(line).expect("a value")));
        state(&headers).map(|state| state.to_string())
    }

    #[test]
    fn a_state_is_passed_on_within_its_limits() {
        assert_eq!(passed_on(&["a=1, b=2", "c@d=3"]).as_deref(), Some("a=1,b=2,c@d=3"));
        assert_eq!(passed_on(&[]), None);
        for bad in ["a", "A=1", "=1", "a=", "a=b=c", "a=1,ü"] {
            assert_eq!(passed_on(&[bad]), None, "{bad}");
        }
        let many: Vec<String> = (0..33).map(|nth| format!("k{nth}=v")).collect();
        assert_eq!(passed_on(&[&many.join(",")]), None);
        assert!(passed_on(&[&many[..32].join(",")]).is_some());
        let (large, small) = (format!("big={}", "x".repeat(200)), format!("own={}", "y".repeat(100)));
        let lines = [&*large, &*small, &*small.replace("own", "two"), &*small.replace("own", "six"), &*large];
        let passed = passed_on(&lines).expect("some of it");
        assert!(passed.len() <= STATE_LETTERS && passed.contains("own=") && passed.contains("six="), "{passed}");
    }

    #[test]
    fn the_ratio_is_kept_and_consistent() {
        let traces: Vec<[u8; 16]> = (0..20_000).map(|_| trace_of("no id of ours")).collect();
        let share = |ratio: f64| traces.iter().filter(|trace| is_sampled(trace, ratio)).count();
        assert_eq!((share(0.0), share(1.0)), (0, 20_000));
        assert!((1_700..2_300).contains(&share(0.1)), "{}", share(0.1));
        // What a smaller ratio has, a larger one has too.
        assert!(traces.iter().all(|trace| !is_sampled(trace, 0.1) || is_sampled(trace, 0.2)));
        assert_eq!(trace_of(TRACE)[..2], [0x0a, 0xf7]);
    }
}
