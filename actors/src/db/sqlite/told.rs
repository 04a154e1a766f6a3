//! What SQLite says of a statement it refuses.

use rusqlite::Error;

use crate::db::sql_error::SqlError;

/// SQLite's own message with its extended code, and the position where it knows one.
pub(super) fn text(error: &Error) -> String {
    match (error, parts(error)) {
        (Error::MultipleStatement, _) => "the text holds more than one statement; send them one by one".to_owned(),
        (_, Some(SqlError { code, message, position, .. })) => {
            let position = position.map(|position| format!(" (position {position})"));
            format!("SQLite {code}: {message}{}", position.unwrap_or_default())
        }
        (error, None) => error.to_string(),
    }
}

/// The same in its parts; `None` where it was not SQLite that refused.
pub(super) fn parts(error: &Error) -> Option<SqlError> {
    let (code, message, offset) = match error {
        Error::SqliteFailure(code, Some(message)) => (code, message, None),
        Error::SqlInputError { error: code, msg, offset, .. } => (code, msg, u32::try_from(*offset).ok()),
        _ => return None,
    };
    Some(SqlError {
        code: code.extended_code.to_string(),
        message: message.clone(),
        position: offset.map(|offset| offset + 1),
        ..SqlError::default()
    })
}
