//! Texts for SQLite's errors, with a remedy if SQLite's own message does not give one.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Error, ffi};

use crate::db::flight::{Rows, StatementFailure};
use crate::outcome::Reason;
use crate::outcome::sql_error::SqlError;

/// The failure of a statement.
pub(super) fn failure(error: &Error) -> StatementFailure {
    // A file that has gone had nothing run on it, so another member may be asked.
    let reason = if has_moved(error) { Reason::Connect } else { Reason::Sql };
    StatementFailure { reason, msg: text(error), error: parts(error).map(Arc::new) }
}

fn has_moved(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(code, _) if code.extended_code == ffi::SQLITE_READONLY_DBMOVED)
}

/// The failure of an attempt to open the file. If another file is there now, it is the one that a statement on an open
/// connection has.
pub(super) fn unopened(error: &Error, path: &Path) -> StatementFailure {
    match has_moved(error) {
        true => failure(error),
        false => StatementFailure::new(Reason::Connect, unopened_text(error, path)),
    }
}

/// SQLite's message with its extended code, the position if it is known, and our remedy if there is one.
fn text(error: &Error) -> String {
    match (error, parts(error)) {
        (Error::MultipleStatement, _) => "the text holds more than one statement; send them one by one".to_owned(),
        (_, Some(SqlError { code, message, position, hint, .. })) => {
            let position = position.map(|position| format!(" (position {position})")).unwrap_or_default();
            let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            format!("SQLite {code}: {message}{position}{hint}")
        }
        (error, None) => error.to_string(),
    }
}

/// The same for a file that could not be opened.
fn unopened_text(error: &Error, path: &Path) -> String {
    match (path.try_exists(), parts(error)) {
        (Ok(false), Some(SqlError { code, message, .. })) => {
            format!("SQLite {code}: {message}: the file does not exist; create it first")
        }
        (Ok(false), None) => format!("{error}: the file does not exist; create it first"),
        _ => text(error),
    }
}

/// SQLite's message; of a file that could not be opened, only the name: clients must not learn where files are.
fn without_folder(message: &str) -> String {
    let Some((what, path)) = message.split_once(": ").filter(|(what, _)| what.starts_with("unable to open database"))
    else {
        return message.to_owned();
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    format!("{what}: {name}")
}

/// The parts of the error; `None` if it is not SQLite's.
fn parts(error: &Error) -> Option<SqlError> {
    let (code, message, offset) = match error {
        Error::SqliteFailure(code, Some(message)) => (code, message, None),
        Error::SqlInputError { error: code, msg, offset, .. } => (code, msg, u32::try_from(*offset).ok()),
        _ => return None,
    };
    Some(SqlError {
        code: code.extended_code.to_string(),
        message: without_folder(message),
        position: offset.map(|offset| offset + 1),
        hint: hint(code.extended_code).map(str::to_owned),
        ..SqlError::default()
    })
}

/// Whether the connection's file was moved, removed or replaced, so that the connection is of no more use.
pub(super) fn is_moved(result: &Result<Rows, StatementFailure>) -> bool {
    let moved = ffi::SQLITE_READONLY_DBMOVED.to_string();
    result.as_ref().is_err_and(|failure| failure.error.as_ref().is_some_and(|error| error.code == moved))
}

/// The remedy for an extended code. SQLite's own messages for most of these are "attempt to write a readonly database"
/// and "unable to open database file", which name neither the folder nor the files beside the database.
fn hint(extended_code: i32) -> Option<&'static str> {
    Some(match extended_code {
        ffi::SQLITE_READONLY => "the server's user may not write the file; let it write the file and its folder",
        ffi::SQLITE_READONLY_DIRECTORY => {
            "the folder of the file must be writable for the server's user, for SQLite writes a journal beside the file"
        }
        ffi::SQLITE_READONLY_RECOVERY => {
            "the -wal file beside it is of a program that ended without closing, and has to be read back first; for \
             that the server's user must be able to write the file and its folder"
        }
        ffi::SQLITE_READONLY_CANTLOCK | ffi::SQLITE_READONLY_CANTINIT => {
            "the -shm file beside it cannot be used; the server's user must be able to write that file and the folder"
        }
        ffi::SQLITE_READONLY_ROLLBACK => {
            "a transaction was interrupted and its -journal file beside the database has to be undone first; for that \
             the server's user must be able to write the file and its folder"
        }
        ffi::SQLITE_READONLY_DBMOVED => {
            "the file was moved, removed or replaced after it was opened; nothing was written; put it back, or restart \
             the server, which then opens what is there"
        }
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_CANTOPEN_FULLPATH => {
            "the server's user must be able to read and write the file, and to write its folder, where SQLite makes \
             files beside it (-journal, -wal, -shm)"
        }
        ffi::SQLITE_CANTOPEN_ISDIR => "this is a folder; the member must be a file",
        ffi::SQLITE_CANTOPEN_SYMLINK => {
            "this is a symbolic link, which is not followed here; name the file it leads to"
        }
        ffi::SQLITE_CANTOPEN_NOTEMPDIR => {
            "there is no folder for temporary files that the server's user can write; set SQLITE_TMPDIR to one"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: i32, message: &str) -> String {
        text(&Error::SqliteFailure(ffi::Error::new(code), Some(message.to_owned())))
    }

    #[test]
    fn what_to_do_is_said_where_the_code_alone_is_a_riddle() {
        let readonly = "attempt to write a readonly database";
        for (code, part) in [
            (8, "may not write the file"),
            (1544, "the folder of the file must be writable"),
            (264, "-wal file"),
            (520, "-shm file"),
            (1288, "-shm file"),
            (776, "-journal file"),
            (1032, "moved, removed or replaced"),
        ] {
            let told = told(code, readonly);
            assert!(told.starts_with(&format!("SQLite {code}: {readonly}: ")) && told.contains(part), "{told}");
        }
        let unable = "unable to open database file";
        for (code, part) in [(14, "to write its folder"), (526, "a folder"), (270, "SQLITE_TMPDIR")] {
            assert!(told(code, unable).contains(part), "{code}");
        }
        assert_eq!(told(1, "no such table: t"), "SQLite 1: no such table: t");
        assert_eq!(told(1, "near \"/\": a/b: syntax"), "SQLite 1: near \"/\": a/b: syntax");
        for path in ["/srv/x y/a.db", "./var/a.db", "a.db"] {
            for what in ["unable to open database file", "unable to open database"] {
                let told = told(526, &format!("{what}: {path}"));
                assert!(told.starts_with(&format!("SQLite 526: {what}: a.db: ")), "{told}");
            }
        }
        let parts = parts(&Error::SqliteFailure(ffi::Error::new(1544), Some(readonly.to_owned()))).expect("its parts");
        assert!(parts.hint.is_some_and(|hint| hint.contains("folder")) && parts.message == readonly);
    }
}
