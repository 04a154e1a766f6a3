//! `new`: writes a project: an app with a template, a static file, tests, and a configuration.
//!
//! The files in `templates/new` are those of a site named `webapp`; they are compiled in, and the project's name
//! replaces that one. They are written to a temporary folder that is renamed at the end, so that no partial project
//! remains.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Args;

use super::program::{fail, print};

/// What may be written after `new`.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The project's name, or a path that ends with it
    #[arg(value_name = "NAME")]
    at: PathBuf,
    /// The folder of Skitai's sources to build against; default: the one this program was built from
    #[arg(long, value_name = "FOLDER", conflicts_with = "git")]
    path: Option<PathBuf>,
    /// A repository of Skitai's sources to build against
    #[arg(long, value_name = "URL")]
    git: Option<String>,
}

macro_rules! files {
    ($($path:literal: $file:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../templates/new/", $file)))),*]
    };
}

/// Path in the project and text. In both, the project's name replaces `webapp`.
const FILES: [(&str, &str); 11] = files![
    "Cargo.toml": "Cargo.toml.txt",
    ".gitignore": "gitignore.txt",
    "README.md": "README.md.txt",
    "webapp.conf": "site.conf.txt",
    "src/main.rs": "main.rs.txt",
    "src/tests.rs": "tests.rs.txt",
    "examples/members.rs": "members.rs.txt",
    "templates/layout.html": "layout.html.txt",
    "templates/index.html": "index.html.txt",
    "templates/found.html": "found.html.txt",
    "static/style.css": "style.css.txt",
];

/// The folder of this program's sources at the time of its build.
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

pub(super) fn new(asked: &New) -> ExitCode {
    match make(asked) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(why) => fail(&format!("error: {why}")),
    }
}

fn make(asked: &New) -> Result<String, String> {
    let name = asked.at.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if let Some(why) = unfit(name) {
        return Err(format!("`{}` cannot be the name of a project: {why}", asked.at.display()));
    }
    let source = DependencySource::of(asked)?;
    let at = &asked.at;
    if fs::symlink_metadata(at).is_ok() {
        return Err(format!("{} is there already; choose another name, or move it away", at.display()));
    }
    let within = at.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !within.is_dir() {
        return Err(format!("there is no folder {} to make it in", within.display()));
    }
    let aside = within.join(format!(".{name}.{}", std::process::id()));
    let made = write(&aside, name, &source).and_then(|()| fs::rename(&aside, at));
    if let Err(error) = made {
        // A partial project is of no use. If nothing was written, there is nothing to remove.
        let _ = fs::remove_dir_all(&aside);
        return Err(format!("{} cannot be made: {error}", at.display()));
    }
    let commands = [
        ("cargo test", "builds it and runs its tests"),
        ("cargo run", "serves http://127.0.0.1:5000/ in devel mode"),
        (&format!("cargo run -- -f {name}"), &*format!("serves it as {name}.conf says")),
        ("cargo run --example members", "three members to try /search with"),
    ];
    let commands = commands.map(|(command, what)| format!("  {command:<32} {what}\n")).concat();
    Ok(format!(
        "{0} is made; it builds against {1}.\n  cd {0}\n{2}",
        at.display(),
        source.describe(),
        commands.trim_end()
    ))
}

/// The source of the project's dependency on Skitai.
enum DependencySource {
    /// An absolute path.
    Checkout(PathBuf),
    Git(String),
}

impl DependencySource {
    fn of(asked: &New) -> Result<DependencySource, String> {
        if let Some(url) = &asked.git {
            return Ok(DependencySource::Git(url.clone()));
        }
        let folder = asked.path.as_deref().unwrap_or(Path::new(CHECKOUT));
        let is_ours = fs::read_to_string(folder.join("Cargo.toml"))
            .is_ok_and(|manifest| manifest.lines().any(|line| line.trim() == "name = \"skitai\""));
        if !is_ours {
            let where_from = if asked.path.is_some() { "" } else { ", where this program was built" };
            let folder = folder.display();
            return Err(format!(
                "Skitai's sources are not at {folder}{where_from}; say where they are: --path FOLDER, or --git URL"
            ));
        }
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        // A manifest is UTF-8, and so must be the paths in it.
        match folder.to_str() {
            Some(_) => Ok(DependencySource::Checkout(folder)),
            None => Err(format!("{} is no UTF-8, so no Cargo.toml can name it", folder.display())),
        }
    }

    fn describe(&self) -> String {
        match self {
            DependencySource::Checkout(folder) => format!("the sources at {}", folder.display()),
            DependencySource::Git(url) => url.clone(),
        }
    }

    fn dependency(&self) -> String {
        match self {
            DependencySource::Checkout(folder) => format!("path = {}", quoted(&folder.display().to_string())),
            DependencySource::Git(url) => format!("git = {}", quoted(url)),
        }
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

fn write(folder: &Path, name: &str, source: &DependencySource) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (path, text) in FILES {
        let path = folder.join(path.replace("webapp", name));
        let text = text
            .replace("webapp", name)
            .replace("SOURCE", &format!("this names {}", source.describe()))
            .replace("DEPENDENCY", &source.dependency());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    // The tested versions, so that a first build needs no registry.
    if let DependencySource::Checkout(checkout) = source
        && checkout.join("Cargo.lock").is_file()
    {
        fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    }
    Ok(())
}

/// Why a name is not valid for a project: Cargo's rules, checked here so that the error comes before any file is
/// written.
fn unfit(name: &str) -> Option<&'static str> {
    /// Rust's keywords, folders of `target`, and crates that the project would shadow.
    const TAKEN: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum extern \
                         false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub \
                         ref return self serde skitai static std struct super test trait true try type typeof unsafe \
                         unsized use virtual where while yield build deps examples incremental";
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("a name starts with a letter")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        Some("a name is of letters a to z, digits, `-` and `_`")
    } else if name.len() > 64 {
        Some("a name has at most 64 letters")
    } else if TAKEN.split_whitespace().any(|taken| taken == name.to_ascii_lowercase()) {
        Some("this word means something to Rust or Cargo")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(at: PathBuf) -> New {
        New { at, path: None, git: None }
    }

    #[test]
    fn a_project_has_its_name_in_every_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("my-shop");
        let text = make(&asked(at.clone())).expect("made");
        assert!(text.contains("cargo run -- -f my-shop") && text.contains(CHECKOUT), "{text}");
        let manifest = fs::read_to_string(at.join("Cargo.toml")).expect("written");
        assert!(manifest.contains(&format!("path = {}", quoted(CHECKOUT))), "{manifest}");
        for path in ["my-shop.conf", "src/main.rs", "src/tests.rs", "Cargo.toml", "Cargo.lock"] {
            let text = fs::read_to_string(at.join(path)).expect(path);
            assert!(!text.contains("webapp") && !text.contains("SOURCE") && !text.contains("DEPENDENCY"), "{path}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing is left beside it");
        let ignored = fs::read_to_string(at.join(".gitignore")).expect("written");
        // Keys of sessions, of the status page, and of certificates.
        assert!(ignored.lines().any(|line| line == "/var") && ignored.lines().any(|line| line == "/cert"), "{ignored}");
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("shop");
        fs::create_dir(&at).expect("made");
        let why = make(&asked(at.clone())).expect_err("it is there");
        assert!(why.contains("is there already"), "{why}");
        assert_eq!(fs::read_dir(&at).expect("listed").count(), 0);
        let why = make(&asked(folder.path().join("none/shop"))).expect_err("no parent");
        assert!(why.contains("there is no folder"), "{why}");
    }

    #[test]
    fn names_are_those_of_cargo() {
        for bad in ["", "1st", "a b", "schön", "fn", "Test", "..", "skitai", "deps"] {
            let name = Path::new(bad).file_name().and_then(|name| name.to_str()).unwrap_or("");
            assert!(unfit(name).is_some(), "{bad}");
        }
        for good in ["webapp", "my-shop2", "A_b"] {
            assert_eq!(unfit(good), None, "{good}");
        }
    }

    #[test]
    fn the_sources_are_looked_at_before_anything_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = New { at: folder.path().join("shop"), path: Some(folder.path().to_owned()), git: None };
        let why = make(&new).expect_err("no sources there");
        assert!(why.contains("--path FOLDER") && why.contains(&folder.path().display().to_string()), "{why}");
        let git = New { at: folder.path().join("shop"), path: None, git: Some("https://x/\"y".to_owned()) };
        make(&git).expect("made");
        let manifest = fs::read_to_string(folder.path().join("shop/Cargo.toml")).expect("written");
        assert!(manifest.contains(r#"git = "https://x/\"y""#), "{manifest}");
    }
}
