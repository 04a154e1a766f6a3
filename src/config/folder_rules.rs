//! The keys of `[mount /path]` for the folders of a mount: how their files are sent.

use std::time::Duration;

use super::globs::Glob;
use super::ini::Section;
use super::keys;
use super::reading::{Reading, find, parts};
use super::report::Problem;

/// How the files of a mount's folders are sent. What is not given is as in the next shorter section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderRules {
    /// The file that is sent where there is none, and no page.
    pub fallback: Option<String>,
    /// How long a client may keep a file.
    pub max_age: Option<Duration>,
    /// Files that never change under their name.
    pub immutable: Option<Vec<Glob>>,
    /// Whether links may lead out of the folder.
    pub links: Option<bool>,
    /// Whether `app.js.br` and the like are sent in place of `app.js`.
    pub precompressed: Option<bool>,
}

impl FolderRules {
    /// These rules, and where they say nothing those of a shorter section.
    pub(crate) fn or(self, outer: &FolderRules) -> FolderRules {
        FolderRules {
            fallback: self.fallback.or_else(|| outer.fallback.clone()),
            max_age: self.max_age.or(outer.max_age),
            immutable: self.immutable.or_else(|| outer.immutable.clone()),
            links: self.links.or(outer.links),
            precompressed: self.precompressed.or(outer.precompressed),
        }
    }

    /// What `check` prints of them.
    pub(super) fn describe(&self) -> Vec<(&'static str, String)> {
        let yes_no = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let globs = |globs: &Vec<Glob>| globs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let all = [
            (keys::FALLBACK.name, self.fallback.clone()),
            (keys::STATIC_MAX_AGE.name, self.max_age.map(|age| age.as_secs().to_string())),
            (keys::IMMUTABLE.name, self.immutable.as_ref().map(globs)),
            (keys::LINKS.name, self.links.map(yes_no)),
            (keys::PRECOMPRESSED.name, self.precompressed.map(yes_no)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Reads the keys.
pub(super) fn folder_rules(reading: &mut Reading<'_>, section: &Section) -> FolderRules {
    FolderRules {
        fallback: fallback(reading, section),
        max_age: reading.maybe_number(Some(section), &keys::STATIC_MAX_AGE).map(Duration::from_millis),
        immutable: immutable(reading, section),
        links: maybe_flag(reading, section, &keys::LINKS),
        precompressed: maybe_flag(reading, section, &keys::PRECOMPRESSED),
    }
}

pub(super) fn maybe_flag(reading: &mut Reading<'_>, section: &Section, key: &keys::Key) -> Option<bool> {
    let (flag, given) = reading.flag(Some(section), key);
    given.map(|_| flag)
}

fn fallback(reading: &mut Reading<'_>, section: &Section) -> Option<String> {
    let value = find(Some(section), &keys::FALLBACK)?;
    let name = value.text.as_str();
    let is_name = !name.is_empty() && !name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if !is_name || name.contains(['\\', '%', '?', '#']) || name.contains(char::is_control) {
        let problem = Problem::error(value.span(), "`fallback` names no file of the mount's folders");
        reading.push(problem.label("expected the name of a file").help("write `fallback = index.html`"));
        return None;
    }
    Some(name.to_owned())
}

fn immutable(reading: &mut Reading<'_>, section: &Section) -> Option<Vec<Glob>> {
    let value = find(Some(section), &keys::IMMUTABLE)?;
    let mut globs = Vec::new();
    for (text, range) in parts(&value.text) {
        match Glob::read(text) {
            Ok(glob) => globs.push(glob),
            Err(why) => reading.push(Problem::error(value.span_of(&range), "this is no pattern").label(why)),
        }
    }
    Some(globs)
}
