//! The file of a configuration, as it was read at one moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skitai_actors::spec::Drivers;

use super::outside::{FileTexts, Outside};
use super::reading::find;
use super::report::{Problem, Report};
use super::source::ConfText;
use super::{Loaded, ini, keys, parse_with, stamp};
use crate::observe::plain_file;

/// The longest configuration, in octets: it goes to each process in one message.
const LONGEST: u64 = 4 << 20;

/// The path and the text of a configuration. The processes of an instance are given the text that their supervisor has
/// read: what is in the file meanwhile may not be fit to be served.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ConfFile {
    path: PathBuf,
    text: String,
    /// The files that it refers to, once it was parsed.
    #[serde(default)]
    files: FileTexts,
}

impl std::fmt::Debug for ConfFile {
    /// Without the text, in which secrets are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ConfFile").field(&self.path).finish()
    }
}

impl ConfFile {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<ConfFile, Report> {
        let name = path.display().to_string();
        let refused = |problem: Problem| Report::new(Arc::new(ConfText::new(&name, "", Vec::new())), vec![problem]);
        let bytes = plain_file::read_all(path, LONGEST).map_err(|why| {
            let message = format!("the conf cannot be read: {why}");
            refused(Problem::error(0..0, message).whole_file())
        })?;
        let text = String::from_utf8(bytes).map_err(|why| {
            let good = why.utf8_error().valid_up_to();
            let line = why.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("the conf is not UTF-8: byte {good}, on line {line}, belongs to no character");
            refused(Problem::error(0..0, message).whole_file().help("save the file as UTF-8"))
        })?;
        Ok(ConfFile { path: path.to_owned(), text, files: FileTexts::default() })
    }

    /// The name of its instance, even if there are errors in it: that of the file, unless the key `name` is readable.
    pub(crate) fn instance_name(path: &Path) -> Option<String> {
        let text = plain_file::read_all(path, LONGEST).unwrap_or_default();
        let document = ini::read(&String::from_utf8_lossy(&text), &mut Vec::new());
        let server = document.sections.iter().find(|section| section.name == "server");
        let named = find(server, &keys::NAME).map(|value| value.text.clone()).filter(|name| !name.is_empty());
        named.or_else(|| Some(path.file_stem()?.to_string_lossy().into_owned()))
    }

    /// Parses it, with the environment of this process.
    ///
    /// # Errors
    /// A report of all problems.
    pub(crate) fn load(&self) -> Result<Loaded, Report> {
        // Taken first, so that the next look notices a change since.
        let stamp = stamp(&self.path);
        let base = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.path.display().to_string();
        let env = |name: &str| std::env::var(name).ok();
        let outside = Outside::new(&env, self.files.clone());
        let loaded = parse_with(Drivers::BUILT_IN, &name, &self.text, base, outside)?;
        let conf_file = ConfFile { files: loaded.files.clone(), ..self.clone() };
        Ok(Loaded { file: Some(self.path.clone()), stamp, conf_file: Some(conf_file), ..loaded })
    }
}
