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
        let state = &*self.state;
        let Value::Map(mut pairs) = self.circuit_report() else { return Value::Nil };
        let stats = self.stats();
        let millis_of =
            |share| stats.latency.quantile(share).map_or(Value::Nil, |time| Value::Double(time.as_secs_f64() * 1e3));
        let more = [
            ("held_for_s", number(state.held_until.load(Relaxed).saturating_sub(millis(now)).div_ceil(1_000))),
            ("weight_in_force", Value::Double(f64::from(self.weight(now)) / f64::from(FULL_WEIGHT))),
            ("p50_ms", millis_of(0.5)),
            ("p95_ms", millis_of(0.95)),
            ("p99_ms", millis_of(0.99)),
        ];
        pairs.0.extend(more.map(|(name, value)| (name.into(), value)));
        Value::Map(pairs)
    }

    /// Its state, since when and why.
    pub(crate) fn circuit_report(&self) -> Value {
        let now = self.now();
        let stats = self.stats();
        let circuit = &stats.circuit;
        let word = |word: Option<&str>| word.map_or(Value::Nil, |word| Value::String(word.to_owned()));
        let since = SystemTime::now() - now.saturating_sub(circuit.since());
        let last_failure = stats.last.as_ref().map_or(Value::Nil, |(when, msg)| {
            Value::from_pairs([
                ("reason", word(circuit.why().map(EjectReason::word))),
                ("msg", Value::String(msg.clone())),
                ("when", unix(*when)),
            ])
        });
        let operator = self.operator().map(|said| ("operator", said.report()));
        let pairs = [
            ("state", Value::String(circuit.state().word().to_owned())),
            ("since", unix(since)),
            (
                "ejected_for",
                word(circuit.why().filter(|_| circuit.state() != CircuitState::Healthy).map(EjectReason::word)),
            ),
            ("readmitted_for", word(circuit.readmitted().map(|(_, why)| why.word()))),
            ("failures_in_a_row", number(circuit.failures().into())),
            ("ejections", number(circuit.ejections())),
            ("spared", number(circuit.spared())),
            ("missed", number(self.state.missed.load(Relaxed))),
            ("outstanding", number(self.state.outstanding.load(Relaxed) as u64)),
            ("last_failure", last_failure),
        ];
        Value::from_pairs(pairs.into_iter().chain(operator))
    }
}

fn number(number: u64) -> Value {
    Value::Int(number.cast_signed())
}

/// Seconds since the Unix epoch.
pub(crate) fn unix(at: SystemTime) -> Value {
    Value::Int(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed())
}
