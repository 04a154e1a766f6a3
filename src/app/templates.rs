//! The templates of one app: Tera, hidden behind "render this name with these values".
//!
//! A template comes from the site's folder `templates/APP/`, or from `templates/` where there is no such folder, else
//! from the program itself ([`App::template`](super::App::template)). In devel mode the folders are read again at each page, and a set with an
//! error leaves the message, not the old page; otherwise they are read once, at the start, and an error stops it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use tera::{Context, Tera};

/// A template could not be loaded or rendered; the text names the template, and where known the line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl From<tera::Error> for TemplateError {
    fn from(error: tera::Error) -> TemplateError {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        TemplateError(text)
    }
}

/// Templates by name.
#[derive(Debug)]
pub struct Templates {
    compiled_in: Vec<(&'static str, &'static str)>,
    folder: Option<PathBuf>,
    devel: bool,
    engine: RwLock<Tera>,
}

impl Templates {
    pub(crate) fn load(
        app: &str,
        compiled_in: Vec<(&'static str, &'static str)>,
        folder: Option<&Path>,
        devel: bool,
    ) -> Result<Templates, TemplateError> {
        let folder =
            folder.map(|folder| Some(folder.join(app)).filter(|own| own.is_dir()).unwrap_or(folder.to_owned()));
        let engine = read(&compiled_in, folder.as_deref())?;
        Ok(Templates { compiled_in, folder, devel, engine: RwLock::new(engine) })
    }

    /// Renders a template. `.html`, `.htm` and `.xml` escape what they print.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        if self.devel {
            let fresh = read(&self.compiled_in, self.folder.as_deref())?;
            *self.engine.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        let context = Context::from_serialize(values)?;
        Ok(self.engine.read().unwrap_or_else(PoisonError::into_inner).render(name, &context)?)
    }
}

fn read(compiled_in: &[(&'static str, &'static str)], folder: Option<&Path>) -> Result<Tera, TemplateError> {
    let mut texts: BTreeMap<String, String> =
        compiled_in.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    if let Some(folder) = folder {
        collect(folder, folder, &mut texts).map_err(|error| TemplateError(format!("{}: {error}", folder.display())))?;
    }
    let mut engine = Tera::default();
    engine.add_raw_templates(texts)?;
    Ok(engine)
}

fn collect(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, texts)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            // Editors leave backups and swap files beside a template; those are not templates.
            if !name.ends_with('~') && !name.rsplit('/').next().is_some_and(|file| file.starts_with('.')) {
                texts.insert(name.to_owned(), std::fs::read_to_string(&path)?);
            }
        }
    }
    Ok(())
}
