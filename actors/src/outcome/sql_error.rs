//! A database's error in its parts, for programs; an outcome's `msg` holds it as text.

/// The error of a statement that a database refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlError {
    /// PostgreSQL: the SQLSTATE, five characters (`23505`: a unique violation; `22P02`: a text that does not fit its
    /// type). SQLite: the extended result code in digits (`2067`).
    pub code: String,
    /// The database's own message.
    pub message: String,
    /// Where in the statement's text, in characters counted from 1.
    pub position: Option<u32>,
    /// The parameter whose value does not fit, counted from 1.
    pub parameter: Option<u32>,
    /// More about the cause.
    pub detail: Option<String>,
    /// The database's suggestion.
    pub hint: Option<String>,
    /// The violated constraint.
    pub constraint: Option<String>,
}

impl SqlError {
    /// True if the statement would have violated an integrity constraint: SQLSTATE class 23, and SQLite's
    /// `SQLITE_CONSTRAINT` (19 in the low octet of its code).
    pub fn violates_integrity(&self) -> bool {
        match self.code.len() {
            5 => self.code.starts_with("23"),
            _ => self.code.parse::<u32>().is_ok_and(|code| code & 0xff == 19),
        }
    }
}
