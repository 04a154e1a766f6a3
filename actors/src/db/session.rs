//! Statements that would leave something behind on the connection, for whoever borrows it next.
//!
//! `BEGIN` would leave a transaction open and its locks held, `SET` a setting, `LISTEN` a subscription. They are refused
//! by their first word, before anything is sent. What a function call leaves behind (`set_config`, an advisory lock of
//! the session, a temporary table) cannot be told from its first word: use the transaction-bound forms of these.

/// The first words of what lasts longer than one statement.
const LASTING: &[&str] = &[
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "SAVEPOINT",
    "RELEASE",
    "SET",
    "RESET",
    "DISCARD",
    "LISTEN",
    "UNLISTEN",
    "LOAD",
    "PREPARE",
    "DEALLOCATE",
    "DECLARE",
    "FETCH",
    "MOVE",
    "CLOSE",
    "ATTACH",
    "DETACH",
];

/// Why this text is not sent, or `None` for one that may be.
pub(super) fn refused(sql: &str) -> Option<String> {
    if sql.as_bytes().contains(&0) {
        return Some("the statement's text contains a NUL character".to_owned());
    }
    let word = first_word(sql);
    if let Some(word) = LASTING.iter().find(|lasting| word.eq_ignore_ascii_case(lasting)) {
        return Some(format!(
            "{word} is refused: a statement has a connection for itself alone, and what {word} changes would meet the \
             next borrower; write the work as one statement (WITH …, a function, a DO block)"
        ));
    }
    let streams = |place: &str| sql.to_ascii_uppercase().contains(place);
    if word.eq_ignore_ascii_case("COPY") && (streams("STDIN") || streams("STDOUT")) {
        return Some("COPY from STDIN or to STDOUT is refused: a statement cannot carry its stream".to_owned());
    }
    None
}

/// The first word after blanks, comments and empty statements.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_block(comment);
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return &rest[..end];
        }
    }
}

/// What follows a block comment; they nest in PostgreSQL.
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
    use super::refused;

    #[test]
    fn what_lasts_is_refused_however_it_is_dressed() {
        for sql in ["BEGIN", " begin;", "-- x\nCommit", "/* a /* b */ c */ SET x = 1", ";;ROLLBACK", "LISTEN jobs"] {
            assert!(refused(sql).is_some_and(|why| why.contains("is refused")), "{sql}");
        }
        assert!(refused("COPY t FROM stdin").is_some());
    }

    #[test]
    fn everything_else_is_not() {
        for sql in ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "(SELECT 1)", "", "/* open", "settle()"] {
            assert_eq!(refused(sql), None, "{sql}");
        }
        assert_eq!(refused("UPDATE t SET a = 1"), None);
    }
}
