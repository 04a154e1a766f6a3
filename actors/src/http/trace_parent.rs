//! What members are told of the trace that a call belongs to: `traceparent` of W3C Trace Context (level 1), with a span
//! of its own for each exchange, so that whatever a member records lies below it.

/// The trace of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The id of the trace.
    pub trace: [u8; 16],
    /// Where the ids of the call's spans begin: a random number.
    pub spans: u64,
    /// Whether the trace is recorded whatever comes of it.
    pub is_sampled: bool,
}

/// The name of the header.
pub(crate) const NAME: &str = "traceparent";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl TraceParent {
    /// The id of the span of one exchange: distinct for each member and try of the call, and never 0.
    pub(crate) fn span(&self, member: Option<u32>, attempt: u32) -> u64 {
        let nth = u64::from(member.map_or(0, |member| member.wrapping_add(1))) << 32 | u64::from(attempt);
        let mixed = (self.spans ^ nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 31).max(1)
    }

    /// The value for the exchange of this span.
    pub fn value(&self, span: u64) -> [u8; 55] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&self.trace, &mut value[3..35]);
        hex(&span.to_be_bytes(), &mut value[36..52]);
        hex(&[u8::from(self.is_sampled)], &mut value[53..55]);
        value
    }
}

fn hex(octets: &[u8], digits: &mut [u8]) {
    for (octet, pair) in octets.iter().zip(digits.chunks_exact_mut(2)) {
        pair.copy_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_exchange_has_a_span_of_its_own() {
        let parent = TraceParent { trace: [0xab; 16], spans: 7, is_sampled: true };
        let spans: HashSet<u64> =
            (0..1_000).flat_map(|member| (1..4).map(move |attempt| parent.span(Some(member), attempt))).collect();
        assert_eq!(spans.len(), 3_000);
        assert!(!spans.contains(&0) && !spans.contains(&parent.span(None, 1)));
        let value = parent.value(0x12);
        let value = std::str::from_utf8(&value).expect("digits");
        assert_eq!(value, "00-abababababababababababababababab-0000000000000012-01");
    }
}
