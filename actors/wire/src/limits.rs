//! Limits on foreign input.

/// Nesting depth of containers. Real answers have fewer than ten levels; this bounds every recursion over a value.
pub(crate) const DEPTH: usize = 64;

/// Limits for one document. Each is checked before the memory is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nesting depth of containers. JSON is limited to 127 in any case.
    pub depth: usize,
    /// Total number of values, containers included; each takes about 50 bytes of memory plus its text.
    pub values: usize,
    /// Size of the document in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: DEPTH, values: 1_000_000, bytes: 64 << 20 }
    }
}

impl Limits {
    pub(crate) fn check_bytes(&self, input: &[u8]) -> Result<(), crate::Error> {
        if input.len() > self.bytes {
            let message = format!("the document has {} bytes, more than the limit of {}", input.len(), self.bytes);
            return Err(crate::Error::new(message));
        }
        Ok(())
    }
}
