//! A database's refusal in its parts, for programs; an outcome's `msg` has them for people.

/// What a database said of a statement it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlError {
    /// PostgreSQL's SQLSTATE, five characters: `23505` is a value that is there already, `22P02` a text that does not
    /// fit its type. SQLite's extended result code in digits: `2067`.
    pub code: String,
    /// The database's own sentence.
    pub message: String,
    /// Where in the statement's text, in characters counted from 1.
    pub position: Option<u32>,
    /// Which parameter does not fit its place, counted from 1.
    pub parameter: Option<u32>,
    /// More on the cause.
    pub detail: Option<String>,
    /// What might help.
    pub hint: Option<String>,
    /// The constraint that was violated.
    pub constraint: Option<String>,
}
