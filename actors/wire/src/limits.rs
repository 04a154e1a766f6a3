//! How much of somebody else's bytes is read before it is refused.

/// Containers within containers. Real answers nest fewer than ten; every recursion over a value is bounded by it.
pub(crate) const DEPTH: usize = 64;

/// What one document may cost. Each is checked before the memory for it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers within containers. JSON never goes beyond 127, whatever is set here.
    pub depth: usize,
    /// Values in all, containers included; about 50 bytes of memory each, plus their text.
    pub values: usize,
    /// Bytes of the document.
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
