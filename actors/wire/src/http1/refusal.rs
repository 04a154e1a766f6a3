//! What is told of octets that are no message.

/// Why a message is not read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not what HTTP/1 allows.
    #[error("{0}")]
    Malformed(String),
    /// It is larger than what is accepted.
    #[error("{0}")]
    TooLarge(String),
}
