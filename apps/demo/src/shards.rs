//! The three SQLite shards of the demo, filled at the first start with disjoint thirds of a table of real cities.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};
use skitai::prelude::*;

const CITIES: &str = include_str!("../data/cities.csv");

/// The number of parts of the demo's data: row `i` is in part `i % SHARDS`.
pub(crate) const SHARDS: usize = 3;

/// Makes the missing shards. Each is filled under a temporary name and then renamed, so that an interrupted start
/// leaves no partial shard.
pub(crate) fn fill(var: &Path) -> Result<()> {
    fs::create_dir_all(var)?;
    for shard in 0..SHARDS {
        let path = var.join(format!("shard{shard}.sqlite"));
        if path.exists() {
            continue;
        }
        let aside = var.join(format!("shard{shard}.sqlite.{}", std::process::id()));
        make(&aside, shard)?;
        fs::rename(&aside, &path)?;
    }
    Ok(())
}

fn make(path: &Path, shard: usize) -> Result<()> {
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE cities (name TEXT NOT NULL, country TEXT NOT NULL, population INTEGER NOT NULL);
         CREATE INDEX cities_population ON cities (population);",
    )?;
    {
        let mut insert = transaction.prepare("INSERT INTO cities (name, country, population) VALUES (?, ?, ?)")?;
        for fields in records(CITIES).skip(shard).step_by(SHARDS) {
            let [name, country, population] = fields.as_slice() else {
                return Err(Error::internal(format!("cities.csv: a row has {} fields, not 3", fields.len())));
            };
            insert.execute(params![name, country, population.parse::<i64>()?])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The rows of a CSV text (RFC 4180) without its header line. The demo's files have no line breaks within a field.
pub(crate) fn records(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.lines().skip(1).map(|line| {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    push(&mut fields, '"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                other => push(&mut fields, other),
            }
        }
        fields
    })
}

fn push(fields: &mut [String], character: char) {
    if let Some(last) = fields.last_mut() {
        last.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_commas_are_read_as_rfc_4180_has_them() {
        let rows: Vec<_> = records("a,b\n1,2\n\"x, y\",\"say \"\"hi\"\"\"").collect();
        assert_eq!(rows, [vec!["1", "2"], vec!["x, y", "say \"hi\""]]);
    }

    #[test]
    fn the_shards_together_are_the_whole_table() {
        let var = tempfile::tempdir().expect("a folder");
        fill(var.path()).expect("filled");
        let mut total = 0_i64;
        for shard in 0..SHARDS {
            let connection = Connection::open(var.path().join(format!("shard{shard}.sqlite"))).expect("opened");
            let rows: i64 = connection.query_row("SELECT count(*) FROM cities", [], |row| row.get(0)).expect("counted");
            assert!(rows > 1000, "{rows}");
            total += rows;
        }
        assert_eq!(total, records(CITIES).count() as i64);
    }
}
