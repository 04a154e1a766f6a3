//! Reads the entries of one section as typed values, by the table of its keys.

use std::ops::Range;
use std::path::{Path, PathBuf};

use skitai_actors::spec::{Drivers, Secret};

use super::ini::{IniEntry, Section, Value, printable};
use super::keys::Key;
use super::network::Network;
use super::outside::Outside;
use super::report::Problem;
use super::settings::default_of;
use super::spelling::nearest;
use super::{keys, mask, values};

/// The shared state of the readers of all sections.
pub(super) struct Reading<'a> {
    pub(super) text: &'a str,
    pub(super) base: &'a Path,
    pub(super) outside: &'a Outside<'a>,
    pub(super) drivers: Drivers,
    pub(super) problems: Vec<Problem>,
    /// Files of certificates, with their keys and places.
    pub(super) cert_files: Vec<(&'static str, PathBuf, Range<usize>)>,
}

impl Reading<'_> {
    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The line of a byte, from 1, for messages that refer to a second place.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    /// Reports keys that are not in the section's table, and keys given twice.
    pub(super) fn check_keys(&mut self, section: &Section, table: &[Key]) {
        for (i, entry) in section.entries.iter().enumerate() {
            if let Some(first) = section.entries[..i].iter().find(|first| first.key == entry.key) {
                let line = self.line_of(first.key_span.start);
                let key = printable(&entry.key);
                self.push(
                    Problem::error(entry.key_span.clone(), format!("`{key}` is given twice in [{}]", section.name))
                        .label(format!("the first one is on line {line}"))
                        .help("remove one of them"),
                );
            } else if !table.iter().any(|key| key.name == entry.key) {
                self.unknown_key(section, entry, table);
            }
        }
    }

    fn unknown_key(&mut self, section: &Section, entry: &IniEntry, table: &[Key]) {
        let key = printable(&entry.key);
        let here = nearest(&entry.key, table.iter().map(|key| key.name));
        let elsewhere = || {
            let holds = |(_, table): &&(&str, &[Key])| table.iter().any(|key| key.name == entry.key);
            // A key that clusters have was meant for another kind of cluster, not for the server.
            let (near, far): (Vec<_>, Vec<_>) = keys::TABLES
                .iter()
                .filter(holds)
                .partition(|(title, _)| title.starts_with("[@") == section.name.starts_with('@'));
            near.first().or(far.first()).map(|(title, _)| format!("`{key}` is a key of {title}"))
        };
        let suggestion = || here.map(|near| format!("did you mean `{near}`?"));
        let known = || {
            let names: Vec<_> = table.iter().map(|key| key.name).collect();
            Some(format!("its keys are {}", names.join(", ")))
        };
        let help = elsewhere().or_else(suggestion).or_else(known);
        let problem = Problem::error(entry.key_span.clone(), format!("[{}] has no key `{key}`", section.name));
        self.push(problem.label("unknown key").maybe_help(help));
    }

    /// Reports a value that does not fit its key.
    fn ill_typed(&mut self, key: &Key, value: &Value, expected: String) {
        let shown = if value.is_continued() { None } else { mask::quotable_word(&value.text) };
        let problem = match shown {
            Some(_) if value.text.is_empty() => Problem::error(value.span(), format!("`{}` has no value", key.name)),
            Some(shown) => Problem::error(value.span(), format!("{shown} is no value for `{}`", key.name)),
            None => Problem::error(value.span(), format!("this is no value for `{}`", key.name)),
        };
        let comment = value.text.contains(" #").then(|| "a comment behind a value starts with ` ;`".to_owned());
        self.push(problem.label(expected).maybe_help(comment));
    }

    /// Reports a word that its key does not accept.
    pub(super) fn refuse(&mut self, key: &Key, value: &Value, expected: &str, help: Option<String>) {
        let shown = if value.is_continued() { None } else { mask::quotable_word(&value.text) };
        let what = shown.unwrap_or_else(|| "this".to_owned());
        let problem = Problem::error(value.span(), format!("{what} is no value for `{}`", key.name));
        self.push(problem.label(expected).maybe_help(help));
    }

    /// What the word of a key stands for; `None` if it is not given, or is none of the known ones, which is reported.
    pub(super) fn named<T: Copy>(
        &mut self,
        key: &Key,
        value: Option<&Value>,
        known: &[(&str, T)],
        expected: &str,
    ) -> Option<T> {
        let value = value?;
        let found = known.iter().find(|(name, _)| *name == value.text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let near = nearest(&value.text, known.iter().map(|(name, _)| *name));
            self.refuse(key, value, expected, near.map(|near| format!("did you mean `{near}`?")));
        }
        found
    }

    /// Whether a comment follows on a line of a value: it may be the rest of the value. A lone `;` at its end is none.
    pub(super) fn is_cut(&self, value: &Value) -> bool {
        let count = value.spans().count();
        value.spans().enumerate().any(|(nth, span)| {
            let rest = self.text.get(span.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            rest.trim_start().strip_prefix(';').is_some_and(|rest| nth + 1 < count || !rest.trim().is_empty())
        })
    }

    /// Refuses a value in whose language `;` is a mark, where a comment cuts it.
    pub(super) fn refuse_cut(&mut self, key: &Key, value: &Value) -> bool {
        let is_cut = self.is_cut(value);
        if is_cut {
            let message = format!("a `;` behind a blank begins a comment, which cuts `{}`", key.name);
            let problem = Problem::error(value.span(), message).label("the words behind the `;` are not read");
            self.push(problem.help("write no blank before a `;`, and comments on lines of their own"));
        }
        is_cut
    }

    /// A flag, with its value in the conf.
    pub(super) fn flag<'s>(&mut self, section: Option<&'s Section>, key: &Key) -> (bool, Option<&'s Value>) {
        let value = find(section, key);
        let given = value.map(|value| (values::flag(&value.text), value));
        match given {
            Some((Ok(flag), value)) => (flag, Some(value)),
            Some((Err(expected), value)) => {
                self.ill_typed(key, value, expected);
                (false, None)
            }
            None => (values::flag(key.default).unwrap_or(false), None),
        }
    }

    /// A count, a duration in milliseconds or a size in bytes; the default if it is missing or invalid.
    pub(super) fn number(&mut self, section: Option<&Section>, key: &Key) -> u64 {
        self.maybe_number(section, key).unwrap_or_else(|| default_of(key))
    }

    pub(super) fn maybe_number(&mut self, section: Option<&Section>, key: &Key) -> Option<u64> {
        let value = find(section, key)?;
        match values::number(&value.text, key.kind) {
            Ok(number) => Some(number),
            Err(expected) => {
                self.ill_typed(key, value, expected);
                None
            }
        }
    }

    pub(super) fn count(&mut self, section: Option<&Section>, key: &Key) -> usize {
        usize::try_from(self.number(section, key)).unwrap_or(usize::MAX)
    }

    pub(super) fn time(&mut self, section: Option<&Section>, key: &Key) -> std::time::Duration {
        values::duration(self.number(section, key))
    }

    /// An address, with its value in the conf.
    pub(super) fn address(&mut self, section: Option<&Section>, key: &Key) -> Option<std::net::IpAddr> {
        let value = find(section, key)?;
        values::address(&value.text).unwrap_or_else(|expected| {
            self.ill_typed(key, value, expected);
            None
        })
    }

    /// Permissions in octal.
    pub(super) fn mode(&mut self, section: Option<&Section>, key: &Key) -> Option<u32> {
        let value = find(section, key).filter(|value| !value.text.is_empty())?;
        values::mode(&value.text).map_err(|expected| self.ill_typed(key, value, expected)).ok()
    }

    /// A secret with its place; `None` if it is missing, empty or cannot be read.
    pub(super) fn secret(&mut self, section: Option<&Section>, key: &Key) -> Option<(Secret, Range<usize>)> {
        let value = find(section, key).filter(|value| !value.text.is_empty())?;
        if self.is_cut(value) && !mask::is_reference(&value.text) {
            let message = format!("a `;` behind a blank begins a comment, which is no part of `{}`", key.name);
            let problem = Problem::warning(value.span(), message).label("ends before the `;`");
            self.push(
                problem.help("write comments on lines of their own; a value that has ` ;` goes into `file:PATH`"),
            );
        }
        match values::secret(&value.text, self.base, self.outside) {
            Ok(secret) => Some((Secret(secret), value.span())),
            Err(why) => {
                self.push(Problem::error(value.span(), format!("`{}`: {why}", key.name)).label("not to be had"));
                None
            }
        }
    }

    /// Several secrets, each with its place; those that cannot be read are reported and left out.
    pub(super) fn secrets(&mut self, section: Option<&Section>, key: &Key) -> Vec<(Secret, Range<usize>)> {
        let Some(value) = find(section, key) else { return Vec::new() };
        let mut read = Vec::new();
        for (text, range) in parts(&value.text) {
            let span = value.span_of(&range);
            match values::secret(text, self.base, self.outside) {
                Ok(secret) => read.push((Secret(secret), span)),
                Err(why) => self.push(Problem::error(span, format!("`{}`: {why}", key.name)).label("not to be had")),
            }
        }
        read
    }

    /// Addresses and networks, each with its place, and whether the word `unix` is among them; invalid ones are
    /// reported and left out.
    pub(super) fn networks(&mut self, section: Option<&Section>, key: &Key) -> (Vec<(Network, Range<usize>)>, bool) {
        let Some(value) = find(section, key) else { return (Vec::new(), false) };
        let (mut read, mut has_unix) = (Vec::new(), false);
        for (text, range) in parts(&value.text) {
            let span = value.span_of(&range);
            if text == "unix" {
                has_unix = true;
                continue;
            }
            match text.parse::<Network>() {
                Ok(network) => read.push((network, span)),
                Err(why) => {
                    let shown = mask::quotable(text).filter(|_| !text.contains(['=', '@']));
                    let message = format!("{} is no network for `{}`", shown.as_deref().unwrap_or("this"), key.name);
                    self.push(Problem::error(span, message).label(why.to_string()));
                }
            }
        }
        (read, has_unix)
    }

    /// A file, relative to the conf's folder.
    pub(super) fn file(&mut self, section: Option<&Section>, key: &Key) -> Option<PathBuf> {
        let value = self.file_name(section, key)?;
        Some(self.base.join(&value.text))
    }

    /// A folder, relative to the conf's.
    pub(super) fn folder(&mut self, section: Option<&Section>, key: &Key) -> Option<PathBuf> {
        let value = find(section, key).filter(|value| !value.text.is_empty())?;
        if value.text.contains(char::is_control) {
            self.ill_typed(key, value, "expected the name of a folder".to_owned());
            return None;
        }
        Some(self.base.join(&value.text))
    }

    /// A file in the folder `cert` beside the conf, unless its path is absolute.
    pub(super) fn cert_file(&mut self, section: Option<&Section>, key: &Key) -> Option<(PathBuf, Range<usize>)> {
        let value = self.file_name(section, key)?;
        let file = (self.base.join("cert").join(&value.text), value.span());
        self.cert_files.push((key.name, file.0.clone(), file.1.clone()));
        Some(file)
    }

    fn file_name<'s>(&mut self, section: Option<&'s Section>, key: &Key) -> Option<&'s Value> {
        let value = find(section, key).filter(|value| !value.text.is_empty())?;
        if value.text.contains(char::is_control) || value.text.ends_with('/') {
            self.ill_typed(key, value, "expected the name of a file".to_owned());
            return None;
        }
        Some(value)
    }
}

/// The parts of a comma-separated list with their ranges; empty parts are left out.
pub(super) fn parts(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    text.split(',').filter_map(move |part| {
        let part = part.trim();
        let at = part.as_ptr() as usize - text.as_ptr() as usize;
        (!part.is_empty()).then_some((part, at..at + part.len()))
    })
}

/// The first value of a key; a second one is reported elsewhere.
pub(super) fn find<'s>(section: Option<&'s Section>, key: &Key) -> Option<&'s Value> {
    section?.entries.iter().find(|entry| entry.key == key.name).map(|entry| &entry.value)
}
