//! Parameters by name if the text names them.
//!
//! `$1` is a *name* to SQLite, numbered by its first appearance: in `… b = $2 AND a = $1` the first parameter is `$2`.
//! Binding by position would silently swap the two, so numbered names are bound by their number.

use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};

use crate::db::flight::StatementFailure;
use crate::db::text;
use crate::outcome::Reason;
use crate::wire::Value;

pub(super) fn bind(statement: &mut Statement<'_>, params: &[Value]) -> Result<(), StatementFailure> {
    let places = (1..=statement.parameter_count())
        .map(|place| number(statement.parameter_name(place), place))
        .collect::<Result<Vec<usize>, StatementFailure>>()?;
    let wanted = places.iter().copied().max().unwrap_or(0);
    if wanted != params.len() {
        return Err(refusal(format!("the statement has {wanted} parameters, {} were given", params.len())));
    }
    for (place, number) in places.iter().enumerate() {
        statement
            .raw_bind_parameter(place + 1, stored(&params[number - 1]))
            .map_err(|error| refusal(format!("parameter {number}: {error}")))?;
    }
    Ok(())
}

/// The index of the parameter to bind at `place`: `?` counts by position, `?5` is place 5 already, `$5` is number 5.
fn number(name: Option<&str>, place: usize) -> Result<usize, StatementFailure> {
    let Some(name) = name else { return Ok(place) };
    let number = name.strip_prefix(['$', '?', ':', '@']).and_then(|digits| digits.parse().ok());
    number.filter(|number| *number > 0).ok_or_else(|| {
        refusal(format!("the parameter {name} has no number; write $1, $2, … or ? in the order of the parameters"))
    })
}

fn stored(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::Nil => ToSqlOutput::Owned(Stored::Null),
        Value::Bool(truth) => ToSqlOutput::Owned(Stored::Integer((*truth).into())),
        Value::Int(number) => ToSqlOutput::Owned(Stored::Integer(*number)),
        // Beyond SQLite's 64-bit integers: text keeps all digits.
        Value::UInt(number) => ToSqlOutput::Owned(Stored::Text(number.to_string())),
        Value::Double(number) => ToSqlOutput::Owned(Stored::Real(*number)),
        Value::String(text) | Value::DateTime(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::Bytes(octets) => ToSqlOutput::Borrowed(ValueRef::Blob(octets)),
        // SQLite's own functions take JSON as text.
        Value::List(_) | Value::Map(_) => ToSqlOutput::Owned(Stored::Text(text::json(value))),
    }
}

fn refusal(msg: String) -> StatementFailure {
    StatementFailure::new(Reason::Sql, msg)
}
