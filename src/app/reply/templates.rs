//! The templates of one app: Tera, hidden behind "render this name with these values".
//!
//! A template comes from the site's folder `templates/APP/`, or from `templates/` if there is no such folder (except
//! for the subfolders of the program's other apps), else from the program itself
//! ([`App::template`](crate::app::App::template)). In devel mode every page reads the folders again, and while a
//! template has an error, pages show that error and not an old page. Otherwise the folders are read once, at the start,
//! and an error prevents the start. The function `url_for` makes links.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult};

use super::template_error::TemplateError;
use crate::app::routing::links::Links;

/// Templates by name.
#[derive(Debug)]
pub struct Templates {
    compiled_in: Vec<(&'static str, &'static str)>,
    folder: Option<PathBuf>,
    /// Subfolders that belong to other apps.
    others: Vec<PathBuf>,
    devel: bool,
    engine: RwLock<Tera>,
    links: Arc<Links>,
}

impl Templates {
    pub(crate) fn load(
        app: &str,
        compiled_in: Vec<(&'static str, &'static str)>,
        folder: Option<&Path>,
        devel: bool,
        (links, others): (&Arc<Links>, &[&str]),
    ) -> Result<Templates, TemplateError> {
        let folder =
            folder.map(|folder| Some(folder.join(app)).filter(|own| own.is_dir()).unwrap_or(folder.to_owned()));
        let of_other =
            |folder: &PathBuf| others.iter().filter(|&&other| other != app).map(|other| folder.join(other)).collect();
        let (others, links) = (folder.as_ref().map(of_other).unwrap_or_default(), links.clone());
        let mut templates = Templates { compiled_in, folder, others, devel, engine: RwLock::default(), links };
        match templates.read() {
            Ok(engine) => templates.engine = RwLock::new(engine),
            // Every page shows the error until it is fixed; in devel mode a restart for each mistake would be slower.
            Err(error) if devel => tracing::warn!("app `{app}`: template: {error}"),
            Err(error) => return Err(error),
        }
        Ok(templates)
    }

    /// Renders a template. `.html`, `.htm` and `.xml` escape the values they print.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        if self.devel {
            let fresh = self.read()?;
            *self.engine.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let rendered = Context::from_serialize(values).and_then(|context| engine.render(name, &context));
        rendered.map_err(|error| {
            let names: Vec<String> = engine.get_template_names().map(str::to_owned).collect();
            TemplateError::of(&error, |name| self.text_of(name), &names)
        })
    }

    /// Whether there is a template of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).contains_template(name)
    }

    /// Reads all templates again.
    fn read(&self) -> Result<Tera, TemplateError> {
        let mut texts: BTreeMap<String, String> =
            self.compiled_in.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        if let Some(folder) = &self.folder {
            collect(folder, folder, &self.others, &mut texts)
                .map_err(|error| TemplateError::new(format!("{}: {error}", folder.display())))?;
        }
        let mut engine = Tera::default();
        let links = self.links.clone();
        engine.register_function("url_for", move |arguments: Kwargs, _: &State<'_>| url_for(&links, &arguments));
        let names: Vec<String> = texts.keys().cloned().collect();
        match engine.add_raw_templates(texts) {
            Ok(()) => Ok(engine),
            Err(error) => Err(TemplateError::of(&error, |name| self.text_of(name), &names)),
        }
    }

    /// The text of a template, and the path of its file; its name if it is compiled in.
    fn text_of(&self, name: &str) -> Option<(String, String)> {
        let file = self.folder.as_ref().map(|folder| folder.join(name));
        if let Some((path, text)) = file.and_then(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?))) {
            return Some((path.display().to_string(), text));
        }
        let compiled_in = self.compiled_in.iter().find(|(known, _)| *known == name);
        compiled_in.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
    }
}

/// `url_for(route="company", cid=555)`: the path of a route of the app. Arguments without a placeholder in the path
/// become the query.
fn url_for(links: &Links, arguments: &Kwargs) -> TeraResult<String> {
    let route = arguments.must_get::<&str>("route")?;
    let mut values = Vec::new();
    for (name, value) in arguments.iter().filter(|(name, _)| name.as_str() != Some("route")) {
        let value = skitai_wire::to_value(value).map_err(tera::Error::message)?;
        values.push((name.to_string(), value));
    }
    // The engine gives them in no fixed order; a page must not change from one rendering to the next.
    values.sort_by(|(one, _), (other, _)| one.cmp(other));
    links.url(route, skitai_wire::Value::from_pairs(values)).map_err(tera::Error::message)
}

/// The error of one file, with its name.
fn named(path: &Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn collect(
    root: &Path,
    folder: &Path,
    others: &[PathBuf],
    texts: &mut BTreeMap<String, String>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !others.contains(&path) {
                collect(root, &path, others, texts)?;
            }
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            // Editors leave backups and swap files beside a template; these are not templates.
            if !name.ends_with('~') && !name.rsplit('/').next().is_some_and(|file| file.starts_with('.')) {
                let text = std::fs::read_to_string(&path).map_err(|error| named(&path, &error))?;
                texts.insert(name.to_owned(), text);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Arc<Links> {
        Arc::new(Links::new("/", true, Arc::default()))
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        folder
    }

    #[test]
    fn a_file_stands_before_what_is_compiled_in_and_html_is_escaped() {
        let folder = folder(&[("a/page.html", b"file {{ x }}"), ("a/.page.html.swp", b"{% broken"), ("a/b~", b"{%")]);
        let compiled = vec![("page.html", "program"), ("plain.txt", "{{ x }}")];
        let templates =
            Templates::load("a", compiled.clone(), Some(folder.path()), false, (&links(), &["a", "b"])).expect("good");
        let values = serde_json::json!({ "x": "<b>" });
        assert_eq!(templates.render("page.html", &values).ok().as_deref(), Some("file &lt;b&gt;"));
        assert_eq!(templates.render("plain.txt", &values).ok().as_deref(), Some("<b>"));
        let problem = templates.render("none.html", &values).expect_err("there is none").to_string();
        assert!(problem.contains("none.html"), "{problem}");
    }

    #[test]
    fn devel_mode_reads_again_and_tells_an_error_where_it_is() {
        let folder = folder(&[("page.html", b"one")]);
        let devel = Templates::load("a", Vec::new(), Some(folder.path()), true, (&links(), &["a", "b"])).expect("good");
        let still =
            Templates::load("a", Vec::new(), Some(folder.path()), false, (&links(), &["a", "b"])).expect("good");
        std::fs::write(folder.path().join("page.html"), "two").expect("written");
        assert_eq!(devel.render("page.html", &serde_json::json!({})).ok().as_deref(), Some("two"));
        assert_eq!(still.render("page.html", &serde_json::json!({})).ok().as_deref(), Some("one"));
        std::fs::write(folder.path().join("page.html"), "{% if").expect("written");
        let problem = devel.render("page.html", &serde_json::json!({})).expect_err("broken").to_string();
        assert!(problem.contains("page.html"), "{problem}");
    }

    #[test]
    fn an_error_has_its_place_its_text_and_a_suggestion() {
        let problem = |text: &str| {
            let folder = folder(&[("base.html", b"{% block a %}{% endblock %}"), ("page.html", text.as_bytes())]);
            let templates = Templates::load("a", Vec::new(), Some(folder.path()), true, (&links(), &["a", "b"]))
                .expect("devel mode starts");
            let error = templates.render("page.html", &serde_json::json!({ "title": "x" })).expect_err(text);
            let place = error.place().map(|place| (place.line, place.column, place.lines.len()));
            (error.to_string().replace(&folder.path().display().to_string(), ""), place)
        };
        let (text, place) = problem("one\ntwo\n  {{ titel }}\nfour");
        assert!(text.starts_with("/page.html:3:6: Variable `titel` is not defined."), "{text}");
        assert!(text.ends_with("did you mean `title`?"), "{text}");
        assert_eq!(place, Some((3, 6, 4)));
        for (text, meant) in [
            ("{{ title | uper }}", "`upper`"),
            ("{% iff title %}{% endif %}", "`if`"),
            ("{% extends \"bas.html\" %}", "`base.html`"),
            ("{% include \"bse.html\" %}", "`base.html`"),
            ("{{ title is strng }}", "`string`"),
        ] {
            let (told, _) = problem(text);
            assert!(told.ends_with(&format!("did you mean {meant}?")), "{text}: {told}");
        }
    }

    #[test]
    fn an_app_without_a_folder_of_its_own_leaves_those_of_others_alone() {
        let files =
            [("page.html", &b"mine"[..]), ("b/page.html", b"{% extends \"of b alone\" %}"), ("c/page.html", b"c")];
        let folder = folder(&files);
        let templates =
            Templates::load("a", Vec::new(), Some(folder.path()), false, (&links(), &["a", "b"])).expect("good");
        assert!(templates.has("page.html") && templates.has("c/page.html") && !templates.has("b/page.html"));
    }

    #[test]
    fn a_file_that_is_no_text_is_named() {
        let folder = folder(&[("logo.png", b"\x89PNG\xff")]);
        let problem = Templates::load("a", Vec::new(), Some(folder.path()), false, (&links(), &["a", "b"]))
            .expect_err("no text")
            .to_string();
        assert!(problem.contains("logo.png"), "{problem}");
    }
}
