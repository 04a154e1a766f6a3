//! One word is one type per crate: a search for a name finds the one thing that it names.
//!
//! Read from the sources, as `directions` is; what stands in tests and inside functions does not count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::data::root;

/// The crates, by the folders of their sources.
const CRATES: [&str; 4] = ["actors/wire/src", "actors/src", "apps/macros/src", "src"];

/// Names that two modules of a crate may share, each with its reason. At most ten.
const SHARED: &[(&str, &str, &str)] = &[];

const MOST_SHARED: usize = 10;

#[test]
fn one_word_is_one_type_in_a_crate() {
    assert!(SHARED.len() <= MOST_SHARED, "{} names are shared, more than {MOST_SHARED}", SHARED.len());
    let mut offences = Vec::new();
    let mut seen = 0;
    for source in CRATES {
        let places = types_of(source);
        seen += places.len();
        for (name, files) in &places {
            let is_shared = SHARED.iter().any(|(of, shared, _)| *of == source && shared == name);
            match files.len() {
                1 if is_shared => offences.push(format!("`{name}` of {source} is not shared any more: take it off")),
                1 => {}
                _ if is_shared => {}
                _ => offences.push(format!("`{name}` is several types of {source}: {}", files.join(", "))),
            }
        }
        for (_, name, reason) in SHARED.iter().filter(|(of, ..)| *of == source) {
            assert!(!reason.is_empty(), "`{name}` is shared without a reason");
            assert!(places.contains_key(*name), "`{name}` is no type of {source} any more");
        }
    }
    assert!(seen > 300, "only {seen} types were found: the search is broken");
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn a_shared_word_would_be_seen() {
    let code = "pub(crate) struct Meadow<'a> {\nenum Brook;\n    struct Inside;\ntrait Hill: Sized {}\n// struct Cloud;\n\
                #[cfg(test)]\nmod tests {\nstruct Tested;\n}\n";
    assert_eq!(names_in(code), ["Meadow", "Brook", "Hill"]);
}

#[test]
fn what_is_printed_of_a_type_bears_its_name() {
    let mut offences = Vec::new();
    for file in CRATES.iter().flat_map(|source| sources(&root().join(source))) {
        let code = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root()).unwrap().display();
        offences.extend(misprinted(&code).map(|(name, printed)| format!("{path} prints {name} as {printed}")));
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
    let code = "impl<T> fmt::Debug for Hill<T> {\n    f.debug_struct(\"Mound\")\nimpl Debug for Dale {\n  f.debug_tuple(\"Dale\")";
    assert_eq!(misprinted(code).collect::<Vec<_>>(), [("Hill", "Mound")]);
}

/// The types of this code whose `Debug` writes another name, and that name.
fn misprinted(code: &str) -> impl Iterator<Item = (&str, &str)> {
    code.split("Debug for ").skip(1).filter_map(|rest| {
        let name = &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?];
        let body = rest.split("\nimpl").next()?;
        let printed = ["debug_struct(\"", "debug_tuple(\""].iter().find_map(|call| body.split_once(call))?.1;
        let printed = printed.split('"').next()?;
        (printed != name).then_some((name, printed))
    })
}

/// Every type of a crate, and the files that define it.
fn types_of(source: &str) -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources(&root().join(source)) {
        let path = file.strip_prefix(root()).unwrap().display().to_string();
        // What stands in for a driver that is not built in has its names; only one of the two is ever compiled.
        if path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/absent/") {
            continue;
        }
        for name in names_in(&std::fs::read_to_string(&file).unwrap()) {
            types.entry(name).or_default().push(path.clone());
        }
    }
    types
}

/// The structures, enumerations and traits of a file, outside of its functions and inline tests.
fn names_in(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or(code);
    code.lines().filter_map(name_in).map(str::to_owned).collect()
}

fn name_in(line: &str) -> Option<&str> {
    let mut rest = line;
    if let Some(public) = rest.strip_prefix("pub") {
        rest = match public.strip_prefix('(') {
            Some(within) => within.split_once(')')?.1,
            None => public,
        };
        rest = rest.strip_prefix(' ')?;
    }
    let rest = ["struct ", "enum ", "trait "].iter().find_map(|word| rest.strip_prefix(word))?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    Some(&rest[..end])
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
