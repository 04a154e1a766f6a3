//! Refuses statements that would leave something behind on the connection for its next borrower.
//!
//! `BEGIN` would leave a transaction open and its locks held, `SET` a setting, `LISTEN` a subscription. Such statements
//! are refused by their first word before anything is sent. The refusal names the alternative: `tx(..)`, which ends
//! everything with the transaction, or `session(..)`, after which the connection is cleaned. The effects of a function
//! call (`set_config`, a session-level advisory lock, a temporary table) cannot be seen from the first word: use their
//! transaction-bound forms, or a session.

/// The context in which a statement is about to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatementContext {
    /// On a connection of its own.
    Alone,
    /// Among the statements of one transaction.
    Transaction,
    /// Among the statements of one session.
    Session,
}

/// Words that begin, divide or end a transaction.
const TRANSACTION: &[&str] = &["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"];
/// Words whose effect ends with the transaction, so that they are allowed inside one.
const WITHIN_TRANSACTION: &[&str] = &["DECLARE", "FETCH", "MOVE", "CLOSE"];
/// Words whose effect lasts as long as the connection.
const CONNECTION: &[&str] =
    &["RESET", "DISCARD", "LISTEN", "UNLISTEN", "LOAD", "PREPARE", "EXECUTE", "DEALLOCATE", "ATTACH", "DETACH"];

/// Why this text is refused, or `None` if it may be sent.
pub(super) fn refused(sql: &str, context: StatementContext) -> Option<String> {
    let (word, rest) = first_word(sql);
    let is = |words: &[&'static str]| words.iter().copied().find(|known| word.eq_ignore_ascii_case(known));
    if word.eq_ignore_ascii_case("COPY") {
        let streams = |place: &str| rest.to_ascii_uppercase().contains(place);
        return (streams("STDIN") || streams("STDOUT"))
            .then(|| "COPY from STDIN or to STDOUT is refused: a statement cannot carry its stream".to_owned());
    }
    if context == StatementContext::Session {
        return None;
    }
    if let Some(word) = is(TRANSACTION) {
        return Some(match context {
            StatementContext::Transaction => format!(
                "{word} is refused: tx(..) itself commits when its closure is Ok and rolls back when it is not; use \
                 t.savepoint(..) for a part that may fail"
            ),
            _ => format!(
                "{word} is refused: a statement has a connection for itself alone, and what {word} changes would meet the \
                 next borrower; use .tx(|t| async move {{ … }}), whose statements share one connection"
            ),
        });
    }
    if word.eq_ignore_ascii_case("SET") {
        let bounded = ["LOCAL", "TRANSACTION", "CONSTRAINTS"];
        let (next, _) = first_word(rest);
        if context == StatementContext::Transaction && bounded.iter().any(|word| next.eq_ignore_ascii_case(word)) {
            return None;
        }
        return Some(
            "SET is refused: the setting would meet the next borrower of the connection; use SET LOCAL inside .tx(..), \
             which ends with the transaction, or .session(..), which cleans the connection"
                .to_owned(),
        );
    }
    if let Some(word) = is(WITHIN_TRANSACTION).filter(|_| context == StatementContext::Alone) {
        return Some(format!("{word} is refused: a cursor lives in a transaction; use .tx(|t| async move {{ … }})"));
    }
    is(CONNECTION).map(|word| {
        format!(
            "{word} is refused: what it changes would meet the next borrower of the connection; use \
             .session(|s| async move {{ … }}), which cleans the connection"
        )
    })
}

/// Statements that may share a connection: they end with their answer and leave nothing behind for others.
const SHARED: &[&str] = &["SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE"];

/// Why this text needs a connection of its own, or `None` if it may share one.
pub(super) fn unshared(sql: &str) -> Option<String> {
    let (word, rest) = first_word(sql);
    if SHARED.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return None;
    }
    let begins = match (word, rest.chars().next()) {
        ("", None) => "an empty statement".to_owned(),
        ("", Some(c)) => format!("a statement that begins with `{c}`"),
        (word, _) => word.to_ascii_uppercase(),
    };
    Some(format!(
        "{begins} is refused on a shared connection, which is for SELECT, VALUES, WITH, INSERT, UPDATE and DELETE; leave \
         out .pipelined()"
    ))
}

/// Whether the text begins with one of the [`SHARED`] words at its first byte, as nearly all texts do. Such a text is
/// allowed on any connection.
pub(super) fn is_plain(sql: &str) -> bool {
    let text = sql.as_bytes();
    let begins = |word: &str| {
        let (head, next) = (text.get(..word.len()), text.get(word.len()));
        head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
            && next.is_some_and(|next| next.is_ascii_whitespace())
    };
    SHARED.iter().any(|word| begins(word))
}

/// The first word after white space, comments and empty statements, and the rest after that word.
fn first_word(sql: &str) -> (&str, &str) {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_block(comment);
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return rest.split_at(end);
        }
    }
}

/// The text after a block comment; block comments nest in PostgreSQL.
fn after_block(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let (open, close) = (rest.find("/*"), rest.find("*/"));
        match (open, close) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                rest = &rest[open + 2..];
            }
            (_, Some(close)) => {
                depth -= 1;
                rest = &rest[close + 2..];
            }
            (_, None) => return "",
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::{SHARED, StatementContext, is_plain, refused, unshared};

    fn alone(sql: &str) -> Option<String> {
        refused(sql, StatementContext::Alone)
    }

    #[test]
    fn a_plain_text_is_one_that_nothing_is_said_against() {
        for word in SHARED {
            for sql in [format!("{word} 1"), format!("{}\n1", word.to_lowercase())] {
                assert!(is_plain(&sql) && alone(&sql).is_none() && unshared(&sql).is_none(), "{sql}");
            }
        }
        for sql in
            ["", "SELECT", "SELECT*", " SELECT 1", "SELECTED 1", "COPY t TO STDOUT", "BEGIN ", "/**/SELECT 1", "ÄÖ"]
        {
            assert!(!is_plain(sql), "{sql}");
        }
    }

    #[test]
    fn what_lasts_is_refused_however_it_is_dressed() {
        for sql in ["BEGIN", " begin;", "-- x\nCommit", "/* a /* b */ c */ SET x = 1", ";;ROLLBACK", "LISTEN jobs"] {
            assert!(alone(sql).is_some_and(|why| why.contains("is refused")), "{sql}");
        }
        assert!(alone("COPY t FROM stdin").is_some());
    }

    #[test]
    fn a_refusal_names_what_to_use() {
        for (sql, instead) in [
            ("BEGIN", ".tx("),
            ("SET x = 1", "SET LOCAL inside .tx("),
            ("LISTEN jobs", ".session("),
            ("DECLARE c CURSOR FOR SELECT 1", ".tx("),
        ] {
            assert!(alone(sql).is_some_and(|why| why.contains(instead)), "{sql}");
        }
        let inside = refused("SAVEPOINT a", StatementContext::Transaction);
        assert!(inside.is_some_and(|why| why.contains("t.savepoint(")));
    }

    #[test]
    fn six_words_share_a_connection() {
        for sql in ["SELECT 1", "-- a\n values (1)", "/* b */ with a as (select 1) select 1", "insert into t select 1"]
        {
            assert_eq!(unshared(sql), None, "{sql}");
        }
        for (sql, named) in [
            ("create table t (a int)", "CREATE is refused"),
            ("(SELECT 1)", "begins with `(`"),
            ("SELECTED", "SELECTED"),
            (" -- nothing", "an empty statement"),
            ("BEGIN", "leave out .pipelined()"),
        ] {
            assert!(unshared(sql).is_some_and(|why| why.contains(named)), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for sql in ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "(SELECT 1)", "", "/* open", "settle()"] {
            assert_eq!(alone(sql), None, "{sql}");
        }
        assert_eq!(alone("UPDATE t SET a = 1"), None);
        for sql in ["SET LOCAL x = 1", "set transaction isolation level serializable", "FETCH 5 FROM c", "LOCK t"] {
            assert_eq!(refused(sql, StatementContext::Transaction), None, "{sql}");
        }
        assert!(refused("SET x = 1", StatementContext::Transaction).is_some());
        for sql in ["SET x = 1", "BEGIN", "LISTEN jobs", "DISCARD ALL"] {
            assert_eq!(refused(sql, StatementContext::Session), None, "{sql}");
        }
    }
}
