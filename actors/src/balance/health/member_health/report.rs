//! A member's part of the status page.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use skitai_wire::Value;

use super::MemberHealth;
use crate::balance::circuit::{CircuitState, EjectReason};
use crate::balance::health::{FULL_WEIGHT, millis};

impl MemberHealth {
    /// The member's report.
    pub(crate) fn report(&self) -> Value {
        let now = self.now();
        let vital = &*self.vital;
        let Value::Map(mut told) = self.standing() else { return Value::Nil };
        let known = self.known();
        let millis_of =
            |share| known.latency.quantile(share).map_or(Value::Nil, |time| Value::Double(time.as_secs_f64() * 1e3));
        let more = [
            ("held_for_s", number(vital.held_until.load(Relaxed).saturating_sub(millis(now)).div_ceil(1_000))),
            ("weight_in_force", Value::Double(f64::from(self.weight(now)) / f64::from(FULL_WEIGHT))),
            ("p50_ms", millis_of(0.5)),
            ("p95_ms", millis_of(0.95)),
            ("p99_ms", millis_of(0.99)),
        ];
        told.0.extend(more.map(|(name, value)| (name.into(), value)));
        Value::Map(told)
    }

    /// Its state, since when and why.
    pub(crate) fn standing(&self) -> Value {
        let now = self.now();
        let known = self.known();
        let verdict = &known.verdict;
        let word = |word: Option<&str>| word.map_or(Value::Nil, |word| Value::String(word.to_owned()));
        let since = SystemTime::now() - now.saturating_sub(verdict.since());
        let last_failure = known.last.as_ref().map_or(Value::Nil, |(when, msg)| {
            Value::from_pairs([
                ("reason", word(verdict.why().map(EjectReason::word))),
                ("msg", Value::String(msg.clone())),
                ("when", unix(*when)),
            ])
        });
        Value::from_pairs([
            ("state", Value::String(verdict.state().word().to_owned())),
            ("since", unix(since)),
            (
                "ejected_for",
                word(verdict.why().filter(|_| verdict.state() != CircuitState::Healthy).map(EjectReason::word)),
            ),
            ("readmitted_for", word(verdict.readmitted().map(|(_, why)| why.word()))),
            ("failures_in_a_row", number(verdict.failures().into())),
            ("ejections", number(verdict.ejections())),
            ("spared", number(verdict.spared())),
            ("outstanding", number(self.vital.outstanding.load(Relaxed) as u64)),
            ("last_failure", last_failure),
        ])
    }
}

fn number(number: u64) -> Value {
    Value::Int(number.cast_signed())
}

/// Seconds since the Unix epoch.
pub(crate) fn unix(at: SystemTime) -> Value {
    Value::Int(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed())
}
