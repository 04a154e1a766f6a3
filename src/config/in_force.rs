//! The configuration in force, key by key: each value, and where it is from. What a report would hide is hidden.

use skitai_wire::Value;

use super::ini::{IniEntry, Section};
use super::keys::{self, Key};
use super::reading::find;
use super::source::ConfText;
use super::{ListenSettings, certification, mask, mounts};

/// Where a value is from that no line gives.
const DEFAULT: &str = "default";

/// A key of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyInForce {
    section: String,
    key: String,
    value: String,
    from: String,
}

/// All keys, in the order of the conf; behind those of a section what it leaves at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigInForce(Vec<KeyInForce>);

impl ConfigInForce {
    pub(super) fn of(source: &ConfText, sections: &[&Section]) -> ConfigInForce {
        let mut keys = Vec::new();
        for section in sections {
            keys.extend(section.entries.iter().map(|entry| given(source, section, entry)));
            keys.extend(left(&section.name, section, table_of(section)));
        }
        if !sections.iter().any(|section| section.name == "server") {
            let none = Section { name: "server".to_owned(), ..Section::of_pairs() };
            keys.extend(left(&none.name, &none, keys::SERVER));
        }
        ConfigInForce(keys)
    }

    /// The same with the addresses that are in force, which the command line or a service manager may have given.
    pub(crate) fn listening(mut self, listening: &ListenSettings) -> ConfigInForce {
        let is_of_listening = |known: &KeyInForce| {
            let words = [keys::IP.name, keys::PORT.name, keys::LISTEN.name];
            known.section == "server" && words.contains(&known.key.as_str())
        };
        if listening.is_given {
            let addresses: Vec<String> = listening.addresses.iter().map(ToString::to_string).collect();
            self.0.retain(|known| !is_of_listening(known));
            self.0.insert(
                0,
                KeyInForce {
                    section: "server".to_owned(),
                    key: keys::LISTEN.name.to_owned(),
                    value: addresses.join(", "),
                    from: "the service manager".to_owned(),
                },
            );
        }
        let known = self.0.iter_mut().find(|known| known.section == "server" && known.key == keys::PORT.name);
        if let (Some(known), Some((_, port))) = (known, listening.tcp())
            && known.value != port.to_string()
        {
            (known.value, known.from) = (port.to_string(), "the command line".to_owned());
        }
        self
    }

    /// For the status: by section and key.
    pub(crate) fn tree(&self) -> Value {
        let mut sections: Vec<(String, Vec<(String, Value)>)> = Vec::new();
        for KeyInForce { section, key, value, from } in &self.0 {
            let told =
                Value::from_pairs([("value", Value::from(value.as_str())), ("from", Value::from(from.as_str()))]);
            match sections.last_mut() {
                Some((name, keys)) if name == section => keys.push((key.clone(), told)),
                _ => sections.push((section.clone(), vec![(key.clone(), told)])),
            }
        }
        Value::from_pairs(sections.into_iter().map(|(name, keys)| (name, Value::from_pairs(keys))))
    }
}

/// A key that a line gives.
fn given(source: &ConfText, section: &Section, entry: &IniEntry) -> KeyInForce {
    let place = source.place(&entry.value.span());
    let mut from = format!("{}:{}", source.name(), place.line);
    let mut value: String = entry.value.spans().map(|span| source.shown(&span).to_owned()).collect();
    if is_secret(&entry.key) && mask::is_reference(&entry.value.text) {
        from = format!("{from}, {}", said(&entry.value.text));
        value = "***".to_owned();
    }
    KeyInForce { section: section.name.clone(), key: entry.key.clone(), value, from }
}

/// Where a secret is that a conf only refers to.
fn said(references: &str) -> String {
    let one = |text: &str| match text.trim().split_once(':') {
        Some(("env", name)) => format!("the variable {name} of the environment"),
        Some((_, path)) => format!("the file {path}"),
        None => String::new(),
    };
    references.split(',').map(one).collect::<Vec<_>>().join(", ")
}

fn is_secret(key: &str) -> bool {
    keys::secret_names().any(|secret| secret == key)
}

/// The keys that a section leaves at their defaults. A default that is none is left out.
fn left(name: &str, section: &Section, table: &[Key]) -> Vec<KeyInForce> {
    let left = table.iter().filter(|key| !key.default.is_empty() && find(Some(section), key).is_none());
    left.map(|key| KeyInForce {
        section: name.to_owned(),
        key: key.name.to_owned(),
        value: key.default.to_owned(),
        from: DEFAULT.to_owned(),
    })
    .collect()
}

/// The table of a section's keys.
fn table_of(section: &Section) -> &'static [Key] {
    let name = section.name.as_str();
    match name {
        "server" => keys::SERVER,
        "proxy" => keys::PROXY_SECTION,
        _ if certification::is_named(name) || name == "certification" => keys::CERTIFICATION,
        _ if mounts::path_of(name).is_some() => keys::MOUNT,
        _ if name.starts_with('@') => match find(Some(section), &keys::TYPE).map(|kind| kind.text.as_str()) {
            Some("postgresql" | "sqlite3") => keys::DB_CLUSTER,
            _ => keys::HTTP_CLUSTER,
        },
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn told(text: &str) -> Value {
        let env = |name: &str| (name == "SECRET").then(|| "a-secret-of-the-environment-0123456789".to_owned());
        let mut loaded = parse("var/site.conf", text, Path::new("."), &env).expect("a good conf");
        loaded.settings.server.listening.set_port(5001);
        loaded.in_force.listening(&loaded.settings.server.listening).tree()
    }

    #[test]
    fn each_key_has_its_value_and_where_it_is_from() {
        let tree = told(
            "[server]\nport = 5000\nthreads = 3 ; a comment\nsecurekey = env:SECRET\nadmin_password = hunter22\n\
             [routes:line]\n/ = app\n[@db]\ntype = postgresql\nmembers = 10.0.0.1/shop/user/hunter22,\n  10.0.0.2/shop/user/hunter23\n\
             [@many]\nmembers = 10.0.0.1:80\n",
        );
        let of = |section: &str, key: &str| {
            let told = &tree[section][key];
            (
                told["value"].as_str().unwrap_or_default().to_owned(),
                told["from"].as_str().unwrap_or_default().to_owned(),
            )
        };
        let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
        assert_eq!(of("server", "port"), pair("5001", "the command line"));
        assert_eq!(of("server", "threads"), pair("3", "var/site.conf:3"));
        let of_environment = "var/site.conf:4, the variable SECRET of the environment";
        assert_eq!(of("server", "securekey"), pair("***", of_environment));
        assert_eq!(of("server", "admin_password"), pair("***", "var/site.conf:5"));
        assert_eq!(of("server", "keep_alive").1, "default");
        assert_eq!(of("routes", "/"), pair("app", "var/site.conf:7"));
        let members = "10.0.0.1/shop/user/***,10.0.0.2/shop/user/***";
        assert_eq!(of("@db", "members"), pair(members, "var/site.conf:10"));
        assert_eq!(of("@many", "eject_after").1, "default");
        let text = tree.to_string();
        assert!(!text.contains("hunter") && !text.contains("a-secret"), "{text}");
    }
}
