//! The repository as a test reads it: its files, and the demo's catalogues without the demo's code.

use std::path::PathBuf;

/// One row of `cities.csv`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct City {
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) population: i64,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every text file below these folders of the repository.
pub(crate) fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
    assert!(!found.is_empty(), "{folders:?}");
    found
}

/// All cities, in the order of the file.
pub(crate) fn cities() -> Vec<City> {
    rows("cities.csv")
        .into_iter()
        .map(|row| City { name: row[0].clone(), country: row[1].clone(), population: row[2].parse().unwrap() })
        .collect()
}

/// The `k`-th of three disjoint thirds, as the demo's shards and members divide a catalogue.
pub(crate) fn third<T: Clone>(rows: &[T], k: usize) -> Vec<T> {
    rows.iter().skip(k).step_by(3).cloned().collect()
}

/// Titles of the works whose composer's name holds `keyword`, sorted.
pub(crate) fn titles_of(keyword: &str) -> Vec<String> {
    let mut titles: Vec<String> =
        rows("works.csv").into_iter().filter(|row| row[0].contains(keyword)).map(|row| row[1].clone()).collect();
    titles.sort();
    titles
}

/// The rows below the head line; no field of these files is quoted.
fn rows(file: &str) -> Vec<Vec<String>> {
    let path = root().join("apps/demo/data").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}
