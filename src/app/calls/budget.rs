//! The time budget of a request: one absolute deadline, from which every wait and every call to a member is measured.
//!
//! The deadline is the route's own (`#[route("/x", deadline = 2.5)]`) or the server's (`deadline` in `[server]`). A
//! caller with less time says so in [`HEADER`]. The header is relative, because the clocks of two machines differ, and
//! it can only shorten, because a client must not hold a thread longer than the operator allows. The headers of gRPC,
//! Connect and Envoy are read likewise ([`asked`]); the least counts. Calls to members
//! carry the same header with the time that is left. So a chain of servers gives up from its end: each keeps a reserve
//! to merge and send what it has.

use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, HeaderName};

/// A duration in seconds: `getswait(secs(2))`, `getwait(secs(0.5))`. Negative and non-finite numbers are zero; more
/// than a hundred years are a hundred years.
pub fn secs(seconds: impl Into<f64>) -> Duration {
    // An instant plus a longer time would overflow.
    const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;
    let seconds = Some(seconds.into()).filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    // Zero rather than a panic in a handler.
    Duration::try_from_secs_f64(seconds.min(LONGEST)).unwrap_or(Duration::ZERO)
}

/// The time for which the sender goes on waiting, in milliseconds.
pub(crate) const HEADER: &str = "x-request-timeout-ms";
/// The same, parsed once: every request is checked for it.
pub(crate) const HEADER_NAME: HeaderName = HeaderName::from_static(HEADER);

/// The part of the time that is reserved to merge and answer: a twentieth.
const RESERVE_PART: u32 = 20;
/// The largest reserve: merging takes milliseconds, however long the wait was.
const RESERVE_MOST: Duration = Duration::from_millis(50);

/// The deadline of a request and its reserve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    reserve: Duration,
}

impl Budget {
    /// Our `own` limit starts when the whole body has arrived (`received`). The limit that the caller `asked` for
    /// starts when the head arrived (`begun`), because the caller has been waiting since then.
    pub(crate) fn new(own: Duration, received: Instant, asked: Option<Duration>, begun: Instant) -> Budget {
        let own = received + own;
        let deadline = match asked.and_then(|asked| begun.checked_add(asked)) {
            Some(asked) => own.min(asked),
            None => own,
        };
        let reserve = (deadline.saturating_duration_since(received) / RESERVE_PART).min(RESERVE_MOST);
        Budget { deadline, reserve }
    }

    /// A budget without any time.
    pub(crate) fn none(now: Instant) -> Budget {
        Budget { deadline: now, reserve: Duration::ZERO }
    }

    /// The instant by which the request must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The instant until which a wait may last.
    pub(crate) fn latest_wait(&self) -> Instant {
        // `checked_sub`, because an Instant cannot be earlier than the machine's start.
        self.deadline.checked_sub(self.reserve).unwrap_or(self.deadline)
    }

    /// The time left for a member that is called `now`, in whole milliseconds, as the header carries it.
    pub(crate) fn remaining_ms(&self, now: Instant) -> u64 {
        let left = self.latest_wait().saturating_duration_since(now);
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}

const GRPC: HeaderName = HeaderName::from_static("grpc-timeout");
const CONNECT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const ENVOY: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// The time that a caller and the proxies before us grant: the least that any of their headers says. What a header's
/// protocol does not allow is ignored.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let least = |name: HeaderName, read: fn(&str) -> Option<Duration>| {
        let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
        lines.filter_map(|line| read(line.trim())).min()
    };
    let all = [
        least(HEADER_NAME, |value| digits(value, 19).map(Duration::from_millis)),
        least(GRPC, grpc),
        // Connect has at most ten digits.
        least(CONNECT, |value| digits(value, 10).map(Duration::from_millis)),
        // Envoy counts zero as no limit.
        least(ENVOY, |value| digits(value, 10).filter(|&ms| ms > 0).map(Duration::from_millis)),
    ];
    all.into_iter().flatten().min()
}

/// A number of `most` digits at most, and of nothing else.
fn digits(text: &str, most: usize) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() <= most && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// `100m`: at most eight digits and a unit (gRPC over HTTP/2, Requests).
fn grpc(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = digits(number, 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_caller_can_only_shorten() {
        let begin = Instant::now();
        let deadline = |asked| Budget::new(millis(1000), begin, asked, begin).deadline() - begin;
        assert_eq!(deadline(None), millis(1000));
        assert_eq!(deadline(Some(millis(300))), millis(300));
        assert_eq!(deadline(Some(millis(3_600_000))), millis(1000));
        assert_eq!(deadline(Some(Duration::MAX)), millis(1000));
        assert_eq!(deadline(Some(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn a_time_too_long_for_the_clock_is_a_very_long_one() {
        assert_eq!([secs(-1), secs(f64::NAN), secs(f64::INFINITY)], [Duration::ZERO; 3]);
        let now = Instant::now();
        for seconds in [1e10, 1e19, 1e300] {
            assert!(secs(seconds) > secs(3_000_000_000_u32), "{seconds}");
            assert!(Budget::new(secs(seconds), now, None, now).deadline() > now + secs(1), "{seconds}");
        }
    }

    #[test]
    fn the_callers_clock_runs_while_the_body_is_read_and_ours_does_not() {
        let begun = Instant::now();
        let received = begun + millis(200);
        let deadline = |asked| Budget::new(millis(1000), received, asked, begun).deadline() - received;
        assert_eq!(deadline(None), millis(1000));
        assert_eq!(deadline(Some(millis(500))), millis(300));
    }

    #[test]
    fn a_twentieth_is_kept_and_never_more_than_fifty_milliseconds() {
        let begin = Instant::now();
        let wait = |own| Budget::new(own, begin, None, begin).latest_wait() - begin;
        assert_eq!(wait(millis(500)), millis(475));
        assert_eq!(wait(millis(30_000)), millis(29_950));
        let budget = Budget::new(millis(500), begin, None, begin);
        assert_eq!(budget.remaining_ms(begin + millis(100)), 375);
        assert_eq!(budget.remaining_ms(begin + millis(490)), 0);
    }

    fn of(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().expect("a value"));
        }
        asked(&headers)
    }

    #[test]
    fn a_header_is_milliseconds_or_nothing() {
        assert_eq!(of(&[(HEADER, " 450 ")]), Some(millis(450)));
        for nonsense in ["", "-1", "1.5", "soon", "99999999999999999999999"] {
            assert_eq!(of(&[(HEADER, nonsense)]), None, "{nonsense:?}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn other_protocols_say_it_in_their_own_words() {
        for (header, value, due) in [
            ("grpc-timeout", "1H", Some(Duration::from_secs(3_600))),
            ("grpc-timeout", "2M", Some(Duration::from_secs(120))),
            ("grpc-timeout", "3S", Some(Duration::from_secs(3))),
            ("grpc-timeout", "99999999m", Some(millis(99_999_999))),
            ("grpc-timeout", "5u", Some(Duration::from_micros(5))),
            ("grpc-timeout", "0n", Some(Duration::ZERO)),
            ("grpc-timeout", "999999999m", None),
            ("grpc-timeout", "m", None),
            ("grpc-timeout", "1", None),
            ("grpc-timeout", "-1S", None),
            ("grpc-timeout", "1 S", None),
            ("grpc-timeout", "1.5S", None),
            ("grpc-timeout", "1s", None),
            ("grpc-timeout", "", None),
            ("connect-timeout-ms", "250", Some(millis(250))),
            ("connect-timeout-ms", "12345678901", None),
            ("connect-timeout-ms", "+5", None),
            ("connect-timeout-ms", "2s", None),
            ("x-envoy-expected-rq-timeout-ms", "700", Some(millis(700))),
            ("x-envoy-expected-rq-timeout-ms", "0", None),
        ] {
            assert_eq!(of(&[(header, value)]), due, "{header}: {value}");
        }
        assert_eq!(of(&[("grpc-timeout", "€")]), None);
        let all = [("grpc-timeout", "900m"), ("connect-timeout-ms", "800"), (HEADER, "1000")];
        assert_eq!(of(&all), Some(millis(800)), "the least counts");
        assert_eq!(of(&[("grpc-timeout", "nonsense"), (HEADER, "1000")]), Some(millis(1_000)));
    }
}
