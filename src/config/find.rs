//! From the operator's `-f NAME` to a file.

use std::fmt;
use std::path::{Path, PathBuf};

use super::spelling::nearest;

/// The folders to search for confs.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder in which the program was started.
    pub here: PathBuf,
    /// The machine's folder of confs.
    pub etc: PathBuf,
}

impl Default for Places {
    fn default() -> Places {
        Places { here: PathBuf::from("."), etc: PathBuf::from("/etc/skitaid") }
    }
}

/// There is no conf of that name. Contains what an operator needs to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// The name, as given.
    pub asked: String,
    /// The paths that were tried, in order.
    pub tried: Vec<PathBuf>,
    /// The confs that exist, in the form that `-f` takes.
    pub there: Vec<String>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no conf `{}`; looked for", self.asked)?;
        for place in &self.tried {
            write!(f, "\n  {}", place.display())?;
        }
        match nearest(&self.asked, self.there.iter().map(String::as_str)) {
            Some(near) => write!(f, "\ndid you mean `{near}`?"),
            None if self.there.is_empty() => write!(f, "\nthere are no confs in these folders"),
            None => write!(f, "\nthe confs there are: {}", self.there.join(", ")),
        }
    }
}

impl std::error::Error for NotFound {}

/// Finds a conf by its name or path. `NAME` is `NAME.conf` in the current folder, then in `servers-enabled` of `./etc`
/// and of the machine. `e/NAME` is in `servers-enabled` alone, `a/NAME` in `servers-available` alone.
pub fn find(asked: &str, places: &Places) -> Result<PathBuf, NotFound> {
    let roots = [places.here.join("etc"), places.etc.clone()];
    let within = |folder: &str| roots.iter().map(|root| root.join(folder)).collect::<Vec<_>>();
    let (name, mut folders) = match asked.split_once('/') {
        Some(("a", name)) if !name.contains('/') => (name, within("servers-available")),
        Some(("e", name)) if !name.contains('/') => (name, within("servers-enabled")),
        _ => (asked, Vec::new()),
    };
    let is_path = asked.contains('/') || asked.ends_with(".conf");
    if !is_path {
        folders = vec![places.here.clone()];
        folders.extend(within("servers-enabled"));
    }
    let mut tried: Vec<PathBuf> = folders.iter().map(|folder| folder.join(format!("{name}.conf"))).collect();
    if is_path {
        tried.push(places.here.join(asked));
        if !asked.ends_with(".conf") {
            tried.push(places.here.join(format!("{asked}.conf")));
        }
    }
    match tried.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(NotFound { asked: asked.to_owned(), tried, there: confs(places) }),
    }
}

/// Every conf that can be found by name.
fn confs(places: &Places) -> Vec<String> {
    let mut names = Vec::new();
    let folders = [
        ("", places.here.clone()),
        ("", places.here.join("etc/servers-enabled")),
        ("", places.etc.join("servers-enabled")),
        ("a/", places.here.join("etc/servers-available")),
        ("a/", places.etc.join("servers-available")),
    ];
    for (prefix, folder) in folders {
        names.extend(names_in(&folder).into_iter().map(|name| format!("{prefix}{name}")));
    }
    names.sort();
    names.dedup();
    names
}

/// The names in a folder; none if the folder does not exist.
fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let name = |path: PathBuf| {
        let is_conf = path.extension().is_some_and(|extension| extension == "conf") && path.is_file();
        is_conf.then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned())).flatten()
    };
    entries.filter_map(|entry| name(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> (tempfile::TempDir, Places) {
        let root = tempfile::tempdir().expect("a temporary folder");
        let places = Places { here: root.path().join("here"), etc: root.path().join("etc") };
        for file in [
            "here/devel.conf",
            "here/both.conf",
            "here/etc/servers-enabled/both.conf",
            "here/etc/servers-enabled/local.conf",
            "etc/servers-enabled/sample.conf",
            "etc/servers-available/sandbox.conf",
        ] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        (root, places)
    }

    #[test]
    fn a_name_is_found_in_the_first_place_that_has_it() {
        let (root, places) = site();
        for (asked, file) in [
            ("devel", "here/devel.conf"),
            ("both", "here/both.conf"),
            ("e/both", "here/etc/servers-enabled/both.conf"),
            ("local", "here/etc/servers-enabled/local.conf"),
            ("sample", "etc/servers-enabled/sample.conf"),
            ("e/sample", "etc/servers-enabled/sample.conf"),
            ("a/sandbox", "etc/servers-available/sandbox.conf"),
            ("devel.conf", "here/devel.conf"),
            ("./devel", "here/./devel.conf"),
        ] {
            assert_eq!(find(asked, &places), Ok(root.path().join(file)), "{asked}");
        }
        let absolute = root.path().join("here/devel.conf");
        assert_eq!(find(&absolute.display().to_string(), &places), Ok(absolute));
    }

    #[test]
    fn what_is_not_there_names_the_places_and_the_confs() {
        let (root, places) = site();
        let text = find("sampel", &places).expect_err("there is none").to_string();
        let text = text.replace(&root.path().display().to_string(), "");
        assert_eq!(
            text,
            "there is no conf `sampel`; looked for\n  /here/sampel.conf\n  /here/etc/servers-enabled/sampel.conf\n  \
             /etc/servers-enabled/sampel.conf\ndid you mean `sample`?"
        );
        let text = find("zzz", &places).expect_err("there is none").to_string();
        assert!(text.ends_with("the confs there are: a/sandbox, both, devel, local, sample"), "{text}");
        assert!(find("a/sample", &places).is_err(), "enabled is not available");
    }
}
