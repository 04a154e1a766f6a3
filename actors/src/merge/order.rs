//! Parses an order: `-population, name`, or as in SQL, `population desc nulls last, name`.

use super::Unmergeable;

/// The columns to sort by, in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortOrder(pub(crate) Vec<Term>);

/// One column of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) column: String,
    pub(crate) descending: bool,
    /// `None`: the database's own rule.
    pub(crate) nulls_first: Option<bool>,
}

impl SortOrder {
    pub(crate) fn parse(text: &str) -> Result<SortOrder, Unmergeable> {
        let wrong = |why: String| Unmergeable::Order { text: text.to_owned(), why };
        let mut terms = Vec::new();
        let mut rest = text;
        loop {
            let (term, after) = term(rest).map_err(wrong)?;
            terms.push(term);
            match after {
                Some(after) => rest = after,
                None => return Ok(SortOrder(terms)),
            }
        }
    }
}

/// Reads column names: `country, kind`.
pub(crate) fn names(text: &str) -> Result<Vec<String>, Unmergeable> {
    let terms = SortOrder::parse(text)?.0;
    if terms.iter().any(|term| term.descending || term.nulls_first.is_some()) {
        return Err(Unmergeable::Order {
            text: text.to_owned(),
            why: "a group has no direction: names alone are expected".to_owned(),
        });
    }
    Ok(terms.into_iter().map(|term| term.column).collect())
}

/// Reads one term; returns it with the text after its comma.
fn term(text: &str) -> Result<(Term, Option<&str>), String> {
    let text = text.trim_start();
    let (minus, text) = match text.strip_prefix('-') {
        Some(text) => (true, text.trim_start()),
        None => (false, text),
    };
    let (column, rest) = name(text)?;
    let (words, after) = match rest.split_once(',') {
        Some((words, after)) => (words, Some(after)),
        None => (rest, None),
    };
    let words: Vec<String> = words.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (direction, nulls) = match words.as_slice() {
        [direction @ ("asc" | "desc"), nulls @ ..] => (Some(*direction), nulls),
        nulls => (None, nulls),
    };
    let nulls_first = match nulls {
        [] => None,
        ["nulls", "first"] => Some(true),
        ["nulls", "last"] => Some(false),
        words => {
            return Err(format!(
                "`{}` after a column is neither asc, desc, nulls first nor nulls last",
                words.join(" ")
            ));
        }
    };
    if minus && direction.is_some() {
        return Err("`-` and a direction are one too many".to_owned());
    }
    Ok((Term { column, descending: minus || direction == Some("desc"), nulls_first }, after))
}

/// Reads a column's name, plain or in double quotes as in SQL; returns it with the text after it.
fn name(text: &str) -> Result<(String, &str), String> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return if name.is_empty() {
            Err("a column's name is missing".to_owned())
        } else {
            Ok((name.to_owned(), rest))
        };
    };
    let mut name = String::new();
    loop {
        let Some((part, after)) = rest.split_once('"') else { return Err("a quotation mark is not closed".to_owned()) };
        name += part;
        let Some(again) = after.strip_prefix('"') else { return Ok((name, after)) };
        name.push('"');
        rest = again;
    }
}

#[cfg(test)]
mod tests {
    use super::{SortOrder, Term, names};

    fn term(column: &str, descending: bool, nulls_first: Option<bool>) -> Term {
        Term { column: column.to_owned(), descending, nulls_first }
    }

    #[test]
    fn both_ways_to_write_it() {
        let cases = [
            ("-population", vec![term("population", true, None)]),
            (
                "country, - population ,name",
                vec![term("country", false, None), term("population", true, None), term("name", false, None)],
            ),
            (
                "population DESC NULLS LAST, name asc",
                vec![term("population", true, Some(false)), term("name", false, None)],
            ),
            ("-\"a \"\"b\"\", c\" nulls first", vec![term("a \"b\", c", true, Some(true))]),
        ];
        for (text, terms) in cases {
            assert_eq!(SortOrder::parse(text), Ok(SortOrder(terms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_order_says_why() {
        for (text, why) in [
            ("", "missing"),
            ("a,", "missing"),
            ("a down", "`down`"),
            ("-a desc", "one too many"),
            ("\"a", "not closed"),
            ("a nulls", "`nulls`"),
        ] {
            let error = SortOrder::parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(names("-country").is_err() && names("country, kind").is_ok());
    }
}
